"""How often the root cause of a pasted report is named right: a folder of cases, scored.

    python benchmarks/diagnosis_accuracy.py CASES_DIR [-v]

Each case is a folder with report.txt and truth.json, which says {"cause": SLUG} ("healthy" where nothing is wrong with the
environment; docs/causes.md lists the slugs). Right is: the first diagnosis that is more than information has that cause; of a
healthy report: there is none. A near miss is another cause of the same family (envdoctor/causes.py). Names of files and
folders are not given to the diagnosis.

Exit status: 0 scored (a crash is scored as wrong), 1 there is no case.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from envdoctor.causes import FAMILIES
from envdoctor.examine import Wishes, examine
from envdoctor.findings import Severity
from envdoctor.matrix import Matrix
from envdoctor.sources import pasted

HEALTHY = "healthy"
NAME = "report"


class Scored(NamedTuple):
    """One case."""

    case: str
    truth: str
    said: tuple[str, ...]
    """Causes, the leading one first."""
    crash: str | None
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the leading cause is the true one."""
        return self.crash is None and (self.said[:1] == (self.truth,) or (self.truth == HEALTHY and not self.said))

    @property
    def near(self) -> bool:
        """Whether it is one of the same family."""
        return not self.right and any({self.truth, *self.said[:1]} <= family for family in FAMILIES)


def score(folder: Path, matrix: Matrix) -> Scored:
    """Judge one case."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["cause"]
    started = time.perf_counter()
    said: tuple[str, ...] = ()
    crash = None
    try:
        facts = pasted.facts_of((folder / "report.txt").read_bytes(), NAME, matrix)
        _, report = examine(facts, matrix, Wishes(), 0.0, remedies=False)
        said = tuple(one.root.cause for one in report.diagnoses if one.root.severity is not Severity.INFO)
        crash = next((f"{one.code}: {one.crash}" for one in report.verdicts if one.crash is not None), None)
    except Exception as error:  # noqa: BLE001 - a crash is a result of the score
        crash = f"{type(error).__name__}: {error}"
    return Scored(folder.name, truth, said, crash, time.perf_counter() - started)


def main() -> int:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true", help="list what is wrong")
    asked = parser.parse_args()
    matrix = Matrix()
    folders = sorted(path.parent for path in asked.cases.glob("*/truth.json"))
    scored = [score(folder, matrix) for folder in folders]
    if not scored:
        print(f"{asked.cases} holds no case (a folder with report.txt and truth.json)", file=sys.stderr)
        return 1
    show(scored, verbose=asked.verbose)
    return 0


def show(scored: list[Scored], *, verbose: bool) -> None:
    """The tables, in Markdown."""
    total = len(scored)
    healthy = [one for one in scored if one.truth == HEALTHY]
    right = sum(one.right for one in scored)
    anywhere = sum(one.right or one.truth in one.said for one in scored)
    print(f"| {total} cases | |\n|---|---:|")
    print(f"| root cause right at rank 1 | {right} ({100 * right / total:.1f} %) |")
    print(f"| right anywhere | {anywhere} ({100 * anywhere / total:.1f} %) |")
    print(f"| near misses (same family) | {sum(one.near for one in scored)} |")
    print(f"| nothing said of a fault | {sum(not one.said and one.truth != HEALTHY for one in scored)} |")
    print(f"| false alarms on {len(healthy)} healthy | {sum(bool(one.said) for one in healthy)} |")
    print(f"| crashes | {sum(one.crash is not None for one in scored)} |")
    print(f"| seconds a case | {sum(one.seconds for one in scored) / total:.3f} |\n")
    by_cause: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        by_cause[one.truth].append(one)
    print("| cause | cases | right |\n|---|---:|---:|")
    for cause, ones in sorted(by_cause.items(), key=lambda item: (-len(item[1]), item[0])):
        print(f"| {cause} | {len(ones)} | {sum(one.right for one in ones)} |")
    if verbose:
        print("\n| case | truth | said |\n|---|---|---|")
        for one in scored:
            if not one.right:
                print(f"| {one.case} | {one.truth} | {one.crash or ', '.join(one.said) or 'nothing'} |")


if __name__ == "__main__":
    sys.exit(main())
