"""The JUnit XML of a preflight, read by junitparser and held against what junit-10.xsd of Jenkins' xUnit plugin allows.

The facts of that schema (MIT, read 2026-11-26) stand here as a table: each element's attributes and children.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from envdoctor.preflight.outcome import Tier
from envdoctor.render.preflight.junit import MOST_CASES
from tests.preflight.made import MADE, bad_dockerfile, hostile, out_of_time, waived, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, crashed, drawn, flooded, golden, strict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.preflight.outcome import Preflight

SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?\Z")
SUITE = {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"}
OUTCOME: tuple[set[str], set[str]] = ({"type", "message"}, set())
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (SUITE, {"testsuite", "properties", "testcase", "system-out", "system-err"}),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": OUTCOME,
    "error": OUTCOME,
    "skipped": OUTCOME,
    "system-out": (set(), set()),
}
"""Element -> its attributes and its children."""
REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}


def read(found: Preflight) -> JUnitXml:
    """The document as the consumer reads it, after it was held against the schema's facts."""
    document = JUnitXml.fromstring(drawn("junit", found).encode())
    hold(document._elem)
    return document


def hold(element: Any) -> None:
    """Every element, its attributes, its children and its times are such as the schema allows."""
    attributes, children = ALLOWED[element.tag]
    assert set(element.keys()) <= attributes
    assert REQUIRED.get(element.tag, set()) <= set(element.keys())
    assert SUREFIRE_TIME.match(element.get("time", "0"))
    for child in element:
        assert child.tag in children
        hold(child)


def cases(document: JUnitXml) -> Iterator[tuple[str, TestCase]]:
    for suite in document:
        assert isinstance(suite, TestSuite)
        for case in suite:
            assert isinstance(case, TestCase)
            yield str(suite.name), case


def ends(document: JUnitXml, kind: type) -> list[tuple[str, str, str]]:
    """The suite, the name of the case and the message of every such end."""
    return [
        (tier, str(case.name), str(one.message)) for tier, case in cases(document) for one in case.result if isinstance(one, kind)
    ]


@pytest.mark.parametrize("case", CASES)
def test_the_document_is_its_golden_file_and_has_a_suite_for_every_tier(case: str) -> None:
    golden("junit", case, "xml")
    found = MADE[case]()
    document = read(found)
    assert [suite.name for suite in document] == [tier.value for tier in Tier]
    assert len(ends(document, Failure)) == document.failures == len(found.counted())
    assert all(list(suite) for suite in document)
    for suite in document:
        told = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()  # type: ignore[no-untyped-call]
        assert told == (suite.tests, suite.failures, suite.errors, suite.skipped)


def test_what_is_waived_or_in_the_baseline_is_skipped_with_the_reason() -> None:
    skipped = {name.split(" ")[0]: message for tier, name, message in ends(read(waived()), Skipped) if tier == "check"}
    assert skipped["ED201"] == "waived: vLLM is patched in our fork (until 2027-01-31)"
    assert skipped["ED203"].startswith("in the baseline: nvidia-nccl-cu12 is not installed")


def test_a_tier_that_was_not_run_is_skipped_with_the_reason() -> None:
    assert ("deep", "deep", "not run: check failed") in ends(read(wrong_torch()), Skipped)
    assert ("smoke", "smoke", "not asked for: --smoke asks for it") in ends(read(waived()), Skipped)


def test_a_tier_without_an_answer_is_an_error_since_the_gate_stays_shut() -> None:
    assert ends(read(out_of_time()), Error) == [
        ("deep", "deep", "could not tell: no answer in 299 s"),
        ("smoke", "smoke", "not run: the budget of 300 s was spent"),
    ]
    assert ends(read(strict()), Error) == [("check", "open questions", "could not tell: 1 open question")]


def test_a_crash_is_an_error_of_the_tier_whose_rule_it_was() -> None:
    errors = ends(read(crashed()), Error)
    assert [(tier, name) for tier, name, _ in errors] == [("lint", "ED602"), ("check", "ED201")]
    assert errors[1][2] == "ED201 crashed, which is a bug of envdoctor, not of the target: KeyError: 'x'"


def test_what_does_not_fail_it_is_a_passing_case_with_its_text() -> None:
    passing = [case for tier, case in cases(read(bad_dockerfile())) if tier == "lint" and not case.result]
    assert [str(case.name).split(" ")[0] for case in passing] == ["ED602", "ED613", "ED607", "ED601"]
    assert "fix: " in str(passing[0].system_out)


def test_a_hostile_target_forges_no_element() -> None:
    document = read(hostile())
    assert [(case.name or "").split(" ")[0] for tier, case in cases(document) if tier == "check"] == ["ED301"]
    assert not re.findall("[\x00-\x08\x0b-\x1f\u202e]", drawn("junit", hostile()))


@pytest.mark.parametrize("raw", ["\x00", "\x0b", "\ufffe", "\uffff", "\ud800", "]]>", "<a>", BLUNT])
def test_no_character_breaks_the_document(raw: str) -> None:
    found = wrong_torch()
    one = msgspec.structs.replace(found.problems[0], title=f"a{raw}b", why=raw, code=raw, says=raw)
    tiers = tuple(msgspec.structs.replace(each, said=raw) for each in found.tiers)
    assert read(changed(found, problems=(one,), tiers=tiers, began=raw)).failures == 1


def test_a_flood_is_cut_and_counted() -> None:
    document = read(flooded(MOST_CASES + 7))
    assert document.failures == MOST_CASES + 1
    assert ("check", "more problems", "7 more problems; --report json=FILE has all") in ends(document, Failure)
