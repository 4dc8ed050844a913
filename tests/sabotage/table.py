"""``python -m tests.sabotage.table --page FILE``: every fault over five seeds, thirty healthy seeds, as a table."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean
from typing import TYPE_CHECKING

from .runs import broken, faults, measured

if TYPE_CHECKING:
    from envdoctor.measured import Measured

SEEDS, HEALTHY_SEEDS = 5, 30
PROCESSES = 2


def runs_of(name: str, seeds: int) -> list[Measured]:
    """The documents of one fault over its seeds."""
    return list(measured([(name, {"seed": seed}) for seed in range(seeds)]))


def row(name: str, says: str, names: str, told: list[Measured]) -> tuple[str, bool]:
    """The fault's line of the table, and whether it was named with every seed."""
    found = [broken(one) for one in told]
    named = sum(names in one for one in found)
    always = sorted(set.intersection(*map(set, found)) - {names})
    values = [one[names].value for one in found if names in one]
    reward = [fmean(step.reward or 0.0 for step in one.steps[-10:]) for one in told]
    cells = (
        name,
        says,
        f"{named} of {len(told)}",
        names,
        values[0][:40] if values else "-",
        ", ".join(always) or "-",
        f"{min(reward):.2f} to {max(reward):.2f}",
    )
    sys.stderr.write(f"{name}: {named} of {len(told)}\n")
    return f"| {' | '.join(cells)} |", named == len(told)


def healthy(told: list[Measured]) -> tuple[str, bool]:
    """What the healthy runs had at their worst, and whether all of them passed."""
    found = [broken(one) for one in told]
    passed = sum(not one for one in found)
    last = [fmean(step.reward or 0.0 for step in one.steps[-10:]) for one in told]
    greedy = [one.greedy_after or 0.0 for one in told]
    gap = max(step.logp_gap_max or 0.0 for one in told for step in one.steps)
    gradient = max(check.relative_error or 0.0 for one in told for check in one.gradients)
    whole = [one.times_s["whole"] for one in told]
    failed = "".join(f" Seed {seed} broke {', '.join(one)}." for seed, one in enumerate(found) if one)
    text = (
        f"{passed} of {len(told)} healthy seeds pass.{failed} At their worst: mean reward of the last ten steps {min(last):.3f}, "
        f"greedy answers to held-out prompts {min(greedy):.3f}, largest gap of log-probabilities {gap:.2g}, largest relative "
        f"error of a gradient {gradient:.2g}. A run took {min(whole):.1f} to {max(whole):.1f} s (two at a time)."
    )
    return text, passed == len(told)


def main() -> int:
    """Write the page; gives 1 if a fault was not named or a healthy seed did not pass."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", required=True)
    page = parser.parse_args().page
    listed = faults()
    with ThreadPoolExecutor(PROCESSES) as pool:
        well = [pool.submit(runs_of, "", HEALTHY_SEEDS)]
        ill = [pool.submit(runs_of, name, SEEDS) for name, _, _ in listed]
        rows = [row(*fault, told.result()) for fault, told in zip(listed, ill, strict=True)]
        text, passed = healthy(well[0].result())
    good = passed and all(named for _, named in rows)
    with open(page, "w", encoding="utf-8") as file:
        file.write(
            "# Sabotage: does the verdict of the smoke notice?\n\n"
            "Made by `make smoke-sabotage`, on a CPU, engine bare. Each fault is put into the running smoke through one seam, "
            f"{len(listed)} faults over {SEEDS} seeds. A fault counts as named when the invariant that it violates is among the "
            "broken ones; the others that broke with every seed stand beside it.\n\n"
            f"{text}\n\n"
            f"{sum(named for _, named in rows)} of {len(rows)} faults are named with every seed.\n\n"
            "| fault | what it does | named | by | its value (seed 0) | broken too, every seed | reward, last ten steps |\n"
            "|---|---|---|---|---|---|---|\n" + "\n".join(line for line, _ in rows) + "\n"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
