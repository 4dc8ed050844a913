"""Running rules: what they say, what they cannot tell, and what they must never do to the others."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from envdoctor.check import check, judge
from envdoctor.facts import Unknown, need
from envdoctor.findings import Doubt, Finding, Joint, Layer, Outcome, Severity, Verdict
from envdoctor.matrix import DataError, Matrix, Overlay
from tests.factory import MATRIX, healthy, with_torch
from tests.probe.samples import put
from tests.render.made_live import wrong_and_hung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envdoctor.facts import Facts
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


def test_a_verdict_rests_on_the_oldest_data_that_its_rule_asked_for(tmp_path: Path) -> None:
    def row(read: str) -> str:
        return json.dumps(
            {"cuda": "12.4", "full_driver": None, "floor_driver": "525.60.13", "source": "https://example.org", "read": read}
        )

    put(tmp_path / "tables" / "cuda_releases.jsonl", f"{row('2026-03-04')}\n{row('2026-05-06')}\n")
    put(tmp_path / "claims" / "derived" / "manifest.json", '{"generator":"x","read":{"torch":"2026-07-08","vllm":"2026-04-01"}}')
    put(tmp_path / "claims" / "derived" / "builds" / "torch.jsonl", "")
    matrix = Matrix(str(tmp_path))

    def asking(*asked: Callable[[], object]) -> str | None:
        def body() -> Iterator[Finding | Doubt]:
            for one in asked:
                one()
            return iter(())

        return judge(rule(body), healthy(), matrix).data_as_of

    assert asking() is None
    assert asking(matrix.cuda_releases) == "2026-05-06", "curated data is as old as its newest reading"
    assert asking(matrix.torch_releases) == "2026-07-08", "derived data as the reading of its index"
    assert asking(matrix.torch_releases, matrix.cuda_releases) == "2026-05-06"
    assert asking(lambda: matrix.claims("vllm", "pins")) is None, "it has no claims"
    assert asking(matrix.torch_releases) == "2026-07-08", "what another rule asked for does not count"


@pytest.mark.parametrize(
    ("day", "old"),
    [
        (None, False),
        ("2026-11-25", False),
        ("2026-09-26", False),
        ("2026-09-25", True),
        ("2024-01-01", True),
        ("2027-01-01", False),
    ],
)
def test_data_is_old_after_sixty_days(day: str | None, *, old: bool) -> None:
    verdict = Verdict(code="ED999", title="x", joint=Joint.TORCH, outcome=Outcome.PASS, data_as_of=day)
    assert verdict.rests_on_old_data("2026-11-25") is old


def test_data_that_the_user_named_and_that_is_damaged_ends_the_check(tmp_path: Path) -> None:
    put(tmp_path / "tables" / "cuda_releases.jsonl", "damaged")
    matrix = Matrix(overlay=Overlay(str(tmp_path), chosen=True))

    def body() -> Iterator[Finding | Doubt]:
        matrix.cuda_releases()
        return iter(())

    with pytest.raises(DataError):
        judge(rule(body), healthy(), matrix)


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


def test_where_nothing_was_run_the_rules_of_what_ran_are_no_part_of_a_check_but_where_one_is_named() -> None:
    assert not [one.code for one in check(healthy(), MATRIX) if one.code.startswith("ED7")]
    assert not [one.code for one in check(healthy(), MATRIX, select=["ED"]) if one.code.startswith("ED7")]
    (named,) = check(healthy(), MATRIX, select=["ED702"])
    assert (named.outcome, named.doubts[0].why) == (Outcome.UNKNOWN, "nothing was run: envdoctor check --deep does")


def test_where_something_was_run_they_are() -> None:
    ran = {one.code: one for one in check(wrong_and_hung(), MATRIX) if one.code.startswith("ED7")}
    assert sorted(ran) == [f"ED70{number}" for number in range(1, 8)]
    assert {code for code, one in ran.items() if one.outcome is Outcome.FAIL} == {"ED702", "ED703", "ED706", "ED707"}
