"""Pasted reports that the real tools printed in real environments, healthy and broken: the cause behind each comes first.

Each case is a folder with report.txt and truth.json, which says the cause and how the text was produced. Changed in the texts are
home folders, users, addresses, the kernel's suffix and the address of the package index.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from envdoctor.examine import Wishes, examine
from envdoctor.facts import Known
from envdoctor.findings import Outcome, Severity
from envdoctor.sources import pasted
from tests.factory import MATRIX

HERE = Path(__file__).resolve().parent / "reports"
CASES = sorted(path.parent.name for path in HERE.glob("*/truth.json"))
PAGE = (HERE.parents[2] / "docs" / "causes.md").read_text(encoding="utf-8")
HEALTHY = "healthy"
PRIVATE = re.compile(
    r"/root\b|/tmp/(?!torchinductor|tmp)\w|/home/(?!USER\b)|-fc-v\d|\b(?:192\.168|10\.\d{1,3})\.\d{1,3}\.\d{1,3}\b"
)


def truth_of(case: str) -> dict[str, str]:
    said: dict[str, str] = json.loads((HERE / case / "truth.json").read_text(encoding="utf-8"))
    return said


@pytest.mark.parametrize("case", CASES)
def test_the_cause_behind_a_report_comes_first(case: str) -> None:
    facts = pasted.facts_of((HERE / case / "report.txt").read_bytes(), "report", MATRIX)
    report = examine(facts, MATRIX, Wishes(), time.monotonic())[1]
    said = [one.root.cause for one in report.diagnoses if one.root.severity is not Severity.INFO]
    assert said[:1] == ([] if truth_of(case)["cause"] == HEALTHY else [truth_of(case)["cause"]])
    assert not [verdict.crash for verdict in report.verdicts if verdict.outcome is Outcome.CRASH]


@pytest.mark.parametrize("case", CASES)
def test_a_case_says_how_it_was_made_and_nothing_of_who_made_it(case: str) -> None:
    truth = truth_of(case)
    assert truth["cause"] == HEALTHY or f"\n## {truth['cause']}\n" in PAGE
    assert truth["how"].endswith(".")
    text = (HERE / case / "report.txt").read_text(encoding="utf-8")
    assert not PRIVATE.search(text)


def test_there_are_enough_cases_of_enough_kinds() -> None:
    causes = [truth_of(case)["cause"] for case in CASES]
    assert len(CASES) >= 40
    assert causes.count(HEALTHY) >= 10
    assert len(set(causes)) >= 20


def test_what_is_quoted_stands_in_its_line() -> None:
    """Every quote's number leads to the line that it was read from, whatever colours, frames and prefixes stand around it."""
    quoted = 0
    for case in CASES:
        document = (HERE / case / "report.txt").read_bytes()
        lines = document.decode().split("\n")
        facts = pasted.facts_of(document, "report", MATRIX)
        assert isinstance(facts.pasted, Known)
        assert facts.pasted.value is not None
        for quote in facts.pasted.value.quotes:
            word = max(re.findall(r"[A-Za-z_]{3,}", quote.text[:60]), key=len)
            assert word in lines[quote.line - 1], (case, quote)
            quoted += 1
    assert quoted > len(CASES) / 2
