"""One verdict of all tiers, the order of problems, and each joint with the strongest layer of truth that spoke of it."""

from __future__ import annotations

import msgspec
import pytest

from envdoctor.examine import Wishes, examine
from envdoctor.findings import Layer, Severity
from envdoctor.preflight.assembling import ordered, stacked, verdict
from envdoctor.preflight.outcome import EXIT_CODES, Crash, Question, State, Tier, TierResult, Verdict
from envdoctor.stack import State as JointState
from tests.factory import MATRIX, edit, healthy
from tests.preflight.made import MADE, drifted, wrong_torch
from tests.proving.made import asked, measured, proven, stale
from tests.render.made_live import recorded


def tier(state: State) -> TierResult:
    return TierResult(tier=Tier.DEEP, state=state, seconds=1.0, said="")


QUESTION = Question(Tier.CHECK, "ED101", "Is it?", "no answer")


@pytest.mark.parametrize(
    ("state", "crashes", "questions", "strict", "expected"),
    [
        (State.PASSED, (), (), False, Verdict.PASSED),
        (State.NOT_ASKED, (), (), True, Verdict.PASSED),
        (State.PASSED, (), (QUESTION,), False, Verdict.PASSED),
        (State.PASSED, (), (QUESTION,), True, Verdict.UNTOLD),
        (State.UNTOLD, (), (), False, Verdict.UNTOLD),
        (State.NOT_RUN, (), (), False, Verdict.UNTOLD),
        (State.PASSED, (Crash(Tier.CHECK, "ED101", "x"),), (), False, Verdict.CRASHED),
    ],
)
def test_what_was_asked_for_and_not_told_is_no_pass(
    state: State, crashes: tuple[Crash, ...], questions: tuple[Question, ...], strict: bool, expected: Verdict
) -> None:
    assert verdict((), (tier(state),), crashes, questions, strict=strict) is expected


def test_a_problem_that_counts_fails_whatever_else_there_is_and_one_that_does_not_fails_nothing() -> None:
    one = wrong_torch().problems[0]
    assert verdict((one,), (tier(State.UNTOLD),), (Crash(Tier.CHECK, "ED101", "x"),), (), strict=True) is Verdict.FAILED
    known = msgspec.structs.replace(one, counts=False)
    assert verdict((known,), (tier(State.PASSED),), (), (), strict=False) is Verdict.PASSED


def test_the_exit_codes_are_those_of_the_house() -> None:
    assert [EXIT_CODES[one] for one in Verdict] == [0, 1, 3, 4]


def test_what_counts_leads_then_the_tier_then_the_gravest() -> None:
    first, *rest = drifted().problems
    mild = msgspec.structs.replace(first, severity=Severity.WARNING)
    known = msgspec.structs.replace(wrong_torch().problems[0], counts=False)
    found = ordered((known, mild, *rest))
    assert found == (*rest, mild, known)


@pytest.mark.parametrize("name", MADE)
def test_a_joint_that_holds_has_a_layer_of_truth_and_one_that_is_unknown_or_absent_has_none(name: str) -> None:
    for row in MADE[name]().stack:
        assert (row.truth is None) is (row.state in {JointState.UNKNOWN, JointState.ABSENT})


def truths(device: str) -> dict[str, Layer | None]:
    """Layer of the stack -> the layer of truth that spoke, after a smoke that passed on such a device."""
    whole = msgspec.structs.replace(proven(), measured=measured(asked=asked(device=device)))
    facts, report = examine(healthy(), MATRIX, Wishes(), 0.0)
    return {row.name: row.truth for row in stacked(facts, report.verdicts, whole)}


def test_a_smoke_on_a_cpu_proves_nothing_of_the_driver() -> None:
    assert (truths("cuda:0")["driver"], truths("cpu")["driver"]) == (Layer.TRAINED, Layer.LINKED)
    assert truths("cpu")["torch"] is Layer.TRAINED


def test_what_was_loaded_is_known_from_loading_it() -> None:
    facts, report = examine(edit(healthy(), live=recorded().live), MATRIX, Wishes(), 0.0)
    by = {row.name: row.truth for row in stacked(facts, report.verdicts, None)}
    assert by["torch"] is Layer.LOADED
    assert by["driver"] is Layer.LINKED, "the recorded run was on a CPU"


def test_a_smoke_that_failed_proves_nothing() -> None:
    assert stale().passed is False
    held = [row.truth for row in MADE["not-trained"]().stack if row.state is JointState.HOLDS]
    assert held
    assert Layer.TRAINED not in held


def test_a_joint_at_which_a_later_tier_failed_does_not_hold() -> None:
    rows = {row.name: row for row in MADE["not-trained"]().stack}
    assert rows["trainer"].state is JointState.BROKEN
    assert rows["trainer"].truth is Layer.TRAINED
    assert rows["trainer"].codes == ("SMOKE-engine-agrees-after-push",)
    assert {row.name: row.state for row in drifted().stack}["python"] is JointState.BROKEN
