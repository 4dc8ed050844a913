"""envdoctor predicted an import wrongly: a bug of ours, not of this environment.

## What it checks
With `check --deep`: what the linker's simulation and the reading of names had said of each import and each compiled module,
beside what came of it when it was really imported. What was not predicted, or failed in a way that none of them judges, is
compared with nothing.

## Why it breaks
Nothing of yours. A check without `--deep` would have told you that a package loads that does not, or the other way round; what
was really imported has the last word.

## What to do
Believe the import. Report it with the facts, so that the next release predicts it.

## Sources
- https://man7.org/linux/man-pages/man8/ld.so.8.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor import ran
from envdoctor.facts import Known
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.predictions import compared
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.predictions import Compared

CODE = "ED707"
CAUSE = "wrong-prediction"
JOINT = Joint.PYTHON
QUESTION = "Did every import come out as it had been predicted?"
EXPLAINED_BY = ()

SOURCE = Source("https://man7.org/linux/man-pages/man8/ld.so.8.html", "2026-11-25")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """All wrong predictions in one finding, which no exit status follows from."""
    wrong = [one for one in compared(facts) if one.agree is False]
    if wrong:
        yield finding(facts, wrong)


def finding(facts: Facts, wrong: list[Compared]) -> Finding:
    """The finding; its first line is the headline."""
    first = wrong[0]
    more = f", and {plural(len(wrong) - 1, 'more prediction')}" if len(wrong) > 1 else ""
    via = facts.live.imports.via if isinstance(facts.live.imports, Known) else ""
    said, came = ("loads", "does not") if first.predicted else ("does not load", "does")
    return Finding(
        code=CODE,
        title=f"envdoctor's own bug: it predicted that {first.what} {said}, and it {came}{more}",
        severity=Severity.INFO,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=tuple(dict.fromkeys(one.package for one in wrong)),
        why="Nothing is wrong here because of it: what was really imported has the last word.",
        evidence=tuple(Evidence(f"{one.what}: predicted from", one.why, f"came: {one.outcome}; {via}") for one in wrong),
        sources=(SOURCE,),
        changes=(Change(kind=Kind.SYSTEM, says="Report it to envdoctor with what this prints.", argv=ran.REPORT),),
    )
