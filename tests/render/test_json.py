"""The JSON report: valid by its committed schema, root cause first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from envdoctor.examine import Wishes, examine
from envdoctor.facts import encode
from envdoctor.render import Page
from envdoctor.render.json import render
from envdoctor.sources import pasted
from tests.factory import MATRIX, healthy
from tests.stories.stories import STORIES, Story

SCHEMAS = Path(__file__).resolve().parents[2] / "envdoctor" / "data" / "schema"


@pytest.mark.parametrize("story", STORIES, ids=[story.name for story in STORIES])
def test_a_report_is_valid_by_its_schema(story: Story) -> None:
    facts, report = examine(story.facts, MATRIX, Wishes(suppose={"glibc": "2.35"}), 0.0)
    document = json.loads(render(report, facts, Page(notes=("x",))))
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "report-1.json").read_text())).validate(document)
    errors = [one["code"] for one in document["diagnoses"] if one["severity"] == "error"]
    assert tuple(errors) == story.roots
    assert document["notes"] == ["x"]
    assert document["supposed"] == {"glibc": "2.35"}
    assert len(document["verdicts"]) == len({one["code"] for one in document["verdicts"]}) > 20


def test_the_probe_document_is_valid_by_its_schema() -> None:
    schema = json.loads((SCHEMAS / "facts-1.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(encode(healthy())))


def test_a_verdict_says_of_which_day_its_data_is_and_whether_that_is_long_past() -> None:
    facts, report = examine(healthy(), MATRIX, Wishes(), 0.0)
    schema = json.loads((SCHEMAS / "report-1.json").read_text())

    def verdicts(today: str | None) -> dict[str, dict[str, object]]:
        document = json.loads(render(report, facts, Page(today=today)))
        jsonschema.Draft202012Validator(schema).validate(document)
        return {one["code"]: one for one in document["verdicts"]}

    assert "data_as_of" not in verdicts("2999-01-01")["ED101"]
    day = verdicts(None)["ED102"]["data_as_of"]
    assert isinstance(day, str)
    assert "data_is_old" not in verdicts(None)["ED102"]
    assert verdicts(day)["ED102"]["data_is_old"] is False
    assert verdicts("2999-01-01")["ED102"]["data_is_old"] is True


def of_text(text: str) -> dict[str, Any]:
    facts, report = examine(pasted.facts_of(text.encode(), "a test", MATRIX), MATRIX, Wishes(), 0.0)
    document: dict[str, Any] = json.loads(render(report, facts, Page()))
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "report-1.json").read_text())).validate(document)
    return document


def test_an_error_that_is_known_and_no_fault_of_the_environment_is_in_it() -> None:
    known = of_text("OSError: [Errno 28] No space left on device\n")["known_error"]
    assert (known["no_fault"], known["title"], known["line"]) == (True, "A disk is full", 1)
    assert known["says"]
    assert "known_error" not in of_text("all is well\n")


def test_a_diagnosis_of_a_report_says_why_it_stands_where_it_does() -> None:
    text = (
        "vllm==0.6.3\ntorch==2.5.1\nImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory\n"
    )
    first, *others = of_text(text)["diagnoses"]
    assert first["standing"] == {"beside": False, "why": first["standing"]["why"]}
    assert "line 3" in first["standing"]["why"].lower()
    assert others
    assert all(one["standing"]["beside"] for one in others)
