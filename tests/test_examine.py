"""The exit status says what was found, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.examine import Wishes, codes, examine, exit_code, explained_by
from envdoctor.findings import Doubt, Outcome, Report, Severity
from tests.factory import MATRIX, blind, healthy, with_torch

if TYPE_CHECKING:
    from envdoctor.facts import Facts

HEALTHY = healthy()
BROKEN = with_torch(HEALTHY, "2.11.0+cu130", "13.0", ("sm_90",))


def report(facts: Facts = HEALTHY) -> Report:
    return examine(facts, MATRIX, Wishes(), 0.0)[1]


def only(report: Report, severity: Severity) -> Report:
    """The report with its diagnoses made this severe."""
    roots = [msgspec.structs.replace(one, root=msgspec.structs.replace(one.root, severity=severity)) for one in report.diagnoses]
    return msgspec.structs.replace(report, diagnoses=tuple(roots))


@pytest.mark.parametrize(
    ("severity", "fail_on", "status"),
    [
        (Severity.ERROR, Severity.ERROR, 1),
        (Severity.WARNING, Severity.ERROR, 0),
        (Severity.WARNING, Severity.WARNING, 1),
        (Severity.INFO, Severity.WARNING, 0),
    ],
)
def test_the_status_depends_on_the_gravest_finding(severity: Severity, fail_on: Severity, status: int) -> None:
    assert exit_code(only(report(BROKEN), severity), fail_on=fail_on, strict=False) == status


def test_an_open_question_counts_only_when_strict_and_a_crash_always() -> None:
    open_questions = report(blind(HEALTHY, "builds__torch"))
    assert exit_code(open_questions, fail_on=Severity.ERROR, strict=False) == 0
    assert exit_code(open_questions, fail_on=Severity.ERROR, strict=True) == 3
    assert exit_code(report(), fail_on=Severity.ERROR, strict=True) == 0
    crashed = msgspec.structs.replace(report().verdicts[0], outcome=Outcome.CRASH, crash="x", doubts=(Doubt("?", "x"),))
    made = msgspec.structs.replace(report(), verdicts=(crashed,))
    assert exit_code(made, fail_on=Severity.ERROR, strict=False) == 4


def test_what_is_supposed_is_judged_and_the_probed_facts_stay_as_they_are() -> None:
    judged, made = examine(BROKEN, MATRIX, Wishes(suppose={"driver": "580.95.05"}, select=("ED102",)), 0.0)
    assert made.diagnoses == ()
    assert judged.driver != BROKEN.driver
    assert made.supposed == {"driver": "580.95.05"}


def test_every_rule_knows_what_explains_it() -> None:
    assert explained_by("ED102") == ("ED101", "ED108")
    assert len(codes()) == len(set(codes()))
