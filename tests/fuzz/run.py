"""``make fuzz``: damaged files, then hostile texts through the readers, and a table of what it cost; exits with 1 on a fault.

Two processes work on the files and on the texts: they start from the same seeds with other seeds of their dice.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

PROCESSES = 2
SECONDS_FOR_ONE = 5
"""libFuzzer ends a process whose input takes longer; the slowest of the seeds takes a hundredth of it."""
MEGABYTES = 256
OPTIONS = ("-max_len=65536", f"-timeout={SECONDS_FOR_ONE}", f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1", "-verbosity=1")
COVERED = re.compile(r"^#\d+\s+(?:INITED|NEW|REDUCE|pulse|DONE)\s+cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
STAT = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)


class Inputs(NamedTuple):
    """What is put through."""

    called: str
    harness: str


KINDS = {"files": Inputs("files", "tests.fuzz.harness"), "texts": Inputs("texts", "tests.fuzz.harness_texts")}


class Result(NamedTuple):
    """What one process says of itself."""

    status: int
    text: str

    @property
    def stats(self) -> dict[str, int]:
        """The numbers that libFuzzer gives at its end."""
        return {name: int(value) for name, value in STAT.findall(self.text)}

    @property
    def executed(self) -> int:
        """How many inputs were put through."""
        return self.stats.get("number_of_executed_units", 0)

    @property
    def covered(self) -> list[tuple[int, ...]]:
        """(places in the code that ran, features, inputs kept) over time, the seeds alone first."""
        return [tuple(map(int, found)) for found in COVERED.findall(self.text)]


def main(words: list[str]) -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("of", choices=KINDS)
    parser.add_argument("--runs", type=int, default=0, help="inputs in all, of both processes")
    parser.add_argument("--seconds", type=int, default=0, help="in place of a number of inputs")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="where an input that found a fault is left")
    asked = parser.parse_args(words)
    if not asked.runs and not asked.seconds:
        parser.error("say how long: --runs or --seconds")
    asked.keep.mkdir(parents=True, exist_ok=True)
    kind = KINDS[asked.of]
    each = -(-asked.runs // PROCESSES)
    until = (f"-runs={each}",) if each else (f"-max_total_time={asked.seconds}",)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = together(
            [
                [
                    *(sys.executable, "-m", kind.harness, f"{folder}/{number}", *OPTIONS, *until),
                    *(f"-seed={asked.seed + number}", f"-artifact_prefix={asked.keep}/"),
                ]
                for number in range(PROCESSES)
            ]
        )
    print(table(results, time.monotonic() - started, kind))
    faults = [one for one in results if one.status]
    for one in faults:
        print("\n".join(one.text.splitlines()[-60:]))
    return 1 if faults or sum(one.executed for one in results) < max(asked.runs, 1) else 0


def together(commands: list[list[str]]) -> list[Result]:
    """What several processes say that run side by side. Into files: one that nobody reads from would stop when its pipe is full."""
    with ExitStack() as files:
        logs = [files.enter_context(tempfile.TemporaryFile()) for _ in commands]
        children = [
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) for command, log in zip(commands, logs, strict=True)
        ]
        found = []
        for child, log in zip(children, logs, strict=True):
            child.wait()
            log.seek(0)
            found.append(Result(child.returncode, log.read().decode("utf-8", "replace")))
        return found


def table(results: list[Result], seconds: float, kind: Inputs) -> str:
    """One row for each process, and one for all."""
    lines = [
        f"| process | {kind.called} | faults | slowest, s | peak memory, MB | places in the code | features | inputs kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, one in enumerate(results, 1):
        stats, covered = one.stats, one.covered or [(0, 0, 0)]
        first, last = covered[0], covered[-1]
        grown = " | ".join(f"{before} -> {after}" for before, after in zip(first, last, strict=True))
        slowest, peak = stats.get("slowest_unit_time_sec", 0), stats.get("peak_rss_mb", 0)
        lines.append(f"| {number} | {one.executed:,} | {1 if one.status else 0} | < {slowest + 1} | {peak} | {grown} |")
    total = sum(one.executed for one in results)
    lines.append(f"\n{total:,} {kind.called} in {seconds:.0f} s; at most {SECONDS_FOR_ONE} s and {MEGABYTES} MB were allowed.")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
