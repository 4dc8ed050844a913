"""Running rules: what they say, what they cannot tell, and what they must never do to the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from envdoctor.check import check, judge
from envdoctor.facts import Unknown, need
from envdoctor.findings import Doubt, Finding, Joint, Layer, Outcome, Severity
from tests.factory import MATRIX, healthy, with_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.rules import Rule

FOUND = Finding(
    code="ED999", title="x", severity=Severity.ERROR, layer=Layer.DECLARED, cause="x", subjects=("torch",), why="x", evidence=(), sources=(),
)  # fmt: skip


def rule(body: Callable[[], Iterator[Finding | Doubt]]) -> Rule:
    def check_(_facts: Facts, _matrix: Matrix) -> Iterator[Finding | Doubt]:
        return body()

    made = SimpleNamespace(
        CODE="ED999", CAUSE="x", JOINT=Joint.TORCH, QUESTION="Is it so?", EXPLAINED_BY=(), check=check_, __doc__="A rule.", __name__="ed999",
    )  # fmt: skip
    return cast("Rule", made)


def test_a_rule_that_says_nothing_has_passed() -> None:
    assert judge(rule(lambda: iter(())), healthy(), MATRIX).outcome is Outcome.PASS


def test_what_was_not_observed_becomes_a_doubt_and_findings_before_it_are_kept() -> None:
    def body() -> Iterator[Finding | Doubt]:
        yield FOUND
        need(Unknown("no answer in 5 s"))

    verdict = judge(rule(body), healthy(), MATRIX)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.doubts == (Doubt("Is it so?", "no answer in 5 s"),)


def test_a_crash_is_a_result_that_names_its_place() -> None:
    def body() -> Iterator[Finding | Doubt]:
        nothing: dict[str, list[Finding | Doubt]] = {}
        yield from nothing["missing"]

    verdict = judge(rule(body), healthy(), MATRIX)
    assert verdict.outcome is Outcome.CRASH
    assert verdict.crash is not None
    assert verdict.crash.startswith("KeyError: 'missing' (at ed999, line ")


def test_rules_are_selected_and_skipped_by_code_or_its_beginning() -> None:
    codes = [verdict.code for verdict in check(healthy(), MATRIX, select=["ED1"], skip=["ED102"])]
    assert "ED101" in codes
    assert "ED102" not in codes
    assert all(code.startswith("ED1") for code in codes)


def test_an_ignored_finding_keeps_its_reason_and_an_ignored_pass_stays_a_pass() -> None:
    facts = with_torch(healthy(), "2.11.0+cu130", "13.0", ("sm_90",))
    ignores = {"ED102": "updated on Monday", "ED101": "x"}
    verdicts = {one.code: one for one in check(facts, MATRIX, ignores=ignores)}
    assert verdicts["ED102"].outcome is Outcome.IGNORED
    assert verdicts["ED102"].ignored_because == "updated on Monday"
    assert verdicts["ED101"].outcome is Outcome.PASS
