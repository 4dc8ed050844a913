"""The code quality report and the dotenv report of a preflight, by what GitLab documents of them and what its readers do.

"Code Quality", section on custom tools: the table of properties; codeclimate.json of GitLab's validators: what is required; its
parser stops at the first entry that is not valid. ``artifacts:reports:dotenv`` and ParseDotenvArtifactService: one match of
``^(.*?)=(.*)$`` a line, less than 5,120 bytes, at most 20 variables. All read 2026-11-26.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import msgspec
import pytest

from envdoctor.findings import Severity
from envdoctor.render.preflight.gitlab import MOST
from tests.preflight.made import MADE, bad_dockerfile, drifted, hostile, passed, waived, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, drawn, flooded, golden

TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": TEXT,
            "check_name": TEXT,
            "fingerprint": TEXT,
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": TEXT,
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def entries(page: str) -> list[dict[str, Any]]:
    assert not page.startswith("\ufeff")
    found: list[dict[str, Any]] = json.loads(page)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    assert len({one["fingerprint"] for one in found}) == len(found)
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_report_is_its_golden_file_and_holds_every_problem(case: str) -> None:
    found = entries(golden("gitlab", case, "json"))
    assert [one["fingerprint"] for one in found] == [one.fingerprint for one in MADE[case]().problems]


def test_a_clean_machine_has_an_empty_report() -> None:
    assert entries(drawn("gitlab", passed())) == []


def test_severity_tells_what_fails_the_preflight() -> None:
    assert [one["severity"] for one in entries(drawn("gitlab", bad_dockerfile()))] == [
        "critical",
        "minor",
        "minor",
        "minor",
        "info",
    ]
    known = [one for one in entries(drawn("gitlab", waived())) if one["check_name"] == "ED203"]
    assert [one["severity"] for one in known] == ["major"]
    one = msgspec.structs.replace(wrong_torch().problems[0], severity=Severity.WARNING)
    assert entries(drawn("gitlab", changed(wrong_torch(), problems=(one,))))[0]["severity"] == "major"


def test_a_problem_without_a_place_is_not_left_out() -> None:
    last = entries(drawn("gitlab", changed(drifted(), lock=None)))[-1]
    assert last["location"] == {"path": "~/venvs/grpo", "lines": {"begin": 1}}


def test_hostile_text_and_names_that_are_no_utf_8_stay_one_line() -> None:
    for found in (hostile(), changed(wrong_torch(), problems=(msgspec.structs.replace(wrong_torch().problems[0], title=BLUNT),))):
        (one,) = entries(drawn("gitlab", found))
        assert not re.findall("[\x00-\x1f\u202e\ud800-\udfff]", one["description"] + one["location"]["path"])


def test_a_flood_is_cut_with_those_that_count_first() -> None:
    assert len(entries(drawn("gitlab", flooded(MOST + 5)))) == MOST


@pytest.mark.parametrize("case", CASES)
def test_the_variables_are_their_golden_file(case: str) -> None:
    golden("dotenv", case, "env")


@pytest.mark.parametrize("case", [*CASES, "hostile"])
def test_every_line_is_a_variable_that_gitlab_takes(case: str) -> None:
    page = drawn("dotenv", (MADE | {"hostile": hostile})[case]())
    assert page.isascii()
    assert len(page) < 5120
    assert all(re.fullmatch(r"[A-Z_]+=[A-Za-z0-9_.-]*", line) for line in page.splitlines())
    read = dict(line.split("=") for line in page.splitlines())
    assert list(read) == [f"ENVDOCTOR_{name}" for name in ("VERDICT", "FAILED_TIER", "PROBLEMS", "FIRST_CODE", "SECONDS")]


def test_a_hostile_code_ends_no_line_and_expands_nothing() -> None:
    one = msgspec.structs.replace(wrong_torch().problems[0], code="A\nB=$HOME" + "x" * 9000)
    page = drawn("dotenv", changed(wrong_torch(), problems=(one,)))
    assert "ENVDOCTOR_FIRST_CODE=A_B__HOMExxx" in page
    assert len(page.splitlines()) == 5
    assert len(page) < 5120
