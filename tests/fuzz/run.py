"""``make fuzz``: 100,000 damaged files through the readers, and a table of what it cost; exits with 1 when there was a fault.

Two processes take half of the inputs each: they start from the same seeds with other seeds of their dice.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PROCESSES = 2
SECONDS_FOR_ONE = 5
"""libFuzzer ends a process whose input takes longer; the slowest of the seeds takes a hundredth of it."""
MEGABYTES = 256
OPTIONS = ("-max_len=65536", f"-timeout={SECONDS_FOR_ONE}", f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1", "-verbosity=1")
COVERED = re.compile(r"^#\d+\s+(?:INITED|NEW|REDUCE|pulse|DONE)\s+cov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)
STAT = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)


class Result(NamedTuple):
    """What one process says of itself."""

    status: int
    text: str

    @property
    def stats(self) -> dict[str, int]:
        """The numbers that libFuzzer gives at its end."""
        return {name: int(value) for name, value in STAT.findall(self.text)}

    @property
    def covered(self) -> list[tuple[int, ...]]:
        """(places in the code that ran, features, inputs kept) over time, the seeds alone first."""
        return [tuple(map(int, found)) for found in COVERED.findall(self.text)]


def main(words: list[str]) -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="where an input that found a fault is left")
    asked = parser.parse_args(words)
    asked.keep.mkdir(parents=True, exist_ok=True)
    each = -(-asked.runs // PROCESSES)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        children = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.fuzz.harness", f"{folder}/{number}", *OPTIONS),
                    *(f"-runs={each}", f"-seed={asked.seed + number}", f"-artifact_prefix={asked.keep}/"),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            for number in range(PROCESSES)
        ]
        texts = [child.communicate()[0] for child in children]
    results = [Result(child.returncode, text) for child, text in zip(children, texts, strict=True)]
    print(table(results, time.monotonic() - started))
    faults = [one for one in results if one.status]
    for one in faults:
        print("\n".join(one.text.splitlines()[-60:]))
    return 1 if faults or sum(one.stats.get("number_of_executed_units", 0) for one in results) < asked.runs else 0


def table(results: list[Result], seconds: float) -> str:
    """One row for each process, and one for all."""
    lines = [
        "| process | files | faults | slowest, s | peak memory, MB | places in the code | features | inputs kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, one in enumerate(results, 1):
        stats, covered = one.stats, one.covered or [(0, 0, 0)]
        first, last = covered[0], covered[-1]
        grown = " | ".join(f"{before} -> {after}" for before, after in zip(first, last, strict=True))
        slowest, peak = stats.get("slowest_unit_time_sec", 0), stats.get("peak_rss_mb", 0)
        files = stats.get("number_of_executed_units", 0)
        lines.append(f"| {number} | {files:,} | {1 if one.status else 0} | < {slowest + 1} | {peak} | {grown} |")
    total = sum(one.stats.get("number_of_executed_units", 0) for one in results)
    lines.append(f"\n{total:,} files in {seconds:.0f} s; at most {SECONDS_FOR_ONE} s and {MEGABYTES} MB were allowed.")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
