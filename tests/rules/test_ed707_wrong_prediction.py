"""ED707: what the linker said beside what came; a wrong prediction is our own bug."""

from __future__ import annotations

from envdoctor.findings import Outcome, Severity
from tests.factory import healthy, judged
from tests.render.made_live import recorded, slow_link, wrong_and_hung

RULE = "ed707_wrong_prediction"


def test_predictions_that_came_true_on_a_real_machine_are_no_finding() -> None:
    assert judged(RULE, recorded())[:2] == (Outcome.PASS, ())


def test_where_nothing_was_run_nothing_was_wrong() -> None:
    assert judged(RULE, healthy())[1] == ()


def test_a_module_that_was_to_load_and_did_not_is_ours() -> None:
    (one,) = judged(RULE, wrong_and_hung())[1]
    assert one.severity is Severity.INFO
    assert one.title.startswith("envdoctor's own bug: it predicted that ")
    assert "loads, and it does not" in one.title
    assert one.changes[0].argv == (("envdoctor", "facts", "--format", "issue"),)


def test_a_module_that_was_not_to_load_and_did_is_ours_too() -> None:
    (one,) = judged(RULE, slow_link())[1]
    assert "does not load, and it does" in one.title
