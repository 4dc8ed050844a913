"""Annotations and outputs of a preflight, read as GitHub's runner reads them (its ActionCommand.cs and file commands, read 2026-11-26)."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest

from envdoctor.preflight.outcome import Place
from envdoctor.render.preflight.github import outputs
from tests.preflight.made import MADE, bad_dockerfile, drifted, hostile, out_of_time, passed, waived, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, crashed, drawn, flooded, golden, renamed

ESCAPES = (("%0D", "\r"), ("%0A", "\n"))
IN_PROPERTIES = (("%3A", ":"), ("%2C", ","))


class Command(NamedTuple):
    """A workflow command."""

    name: str
    properties: dict[str, str]
    message: str


def unescaped(text: str, *more: tuple[str, str]) -> str:
    for written, meant in (*ESCAPES, *more, ("%25", "%")):
        text = text.replace(written, meant)
    return text


def command(line: str) -> Command:
    """One line: up to the second pair of colons its name and properties, the message behind."""
    empty, head, message = line.split("::", 2)
    assert empty == ""
    name, _, rest = head.partition(" ")
    pairs = (pair.split("=", 1) for pair in rest.split(",") if pair)
    return Command(name, {key: unescaped(value, *IN_PROPERTIES) for key, value in pairs}, unescaped(message))


def commands(page: str) -> list[Command]:
    return [command(line) for line in page.splitlines()]


@pytest.mark.parametrize("case", CASES)
def test_the_lines_are_their_golden_file_and_the_verdict_is_first(case: str) -> None:
    found = MADE[case]()
    told = commands(golden("github", case, "txt"))
    assert told[0].properties == {"title": "envdoctor preflight"}
    errors = [one for one in told if one.name == "error" and one.properties["title"] != "envdoctor preflight"]
    assert len(errors) == len(found.counted())


def test_a_problem_is_shown_at_the_line_that_mends_it() -> None:
    (one,) = [one for one in commands(drawn("github", wrong_torch())) if one.name == "error"]
    assert one.properties == {
        "file": "lockfiles/h100.txt",
        "line": "41",
        "title": "ED201 torch 2.6.0 is installed, but torchaudio, torchvision, vllm and xformers require ==2.5.1",
    }
    assert "\n    uv pip install --python ~/venv/bin/python torch==2.5.1\n" in one.message


def test_what_does_not_fail_it_is_a_warning_and_what_is_known_a_notice() -> None:
    names = [one.name for one in commands(drawn("github", bad_dockerfile()))]
    assert names == ["notice", "error", "warning", "warning", "warning", "notice"]
    assert [one.name for one in commands(drawn("github", waived()))] == ["notice", "error", "notice"]


def test_a_verdict_without_a_problem_is_an_error_by_itself() -> None:
    assert [one.name for one in commands(drawn("github", out_of_time()))] == ["error"]
    assert [one.name for one in commands(drawn("github", crashed()))] == ["error"]
    assert [one.name for one in commands(drawn("github", passed()))] == ["notice"]


def test_ten_of_a_kind_are_shown_and_one_line_tells_of_the_rest() -> None:
    found = drifted()
    many = tuple(renamed(number, found.problems[0]) for number in range(25))
    mild = tuple(renamed(number, found.problems[0], counts=False, known=True) for number in range(12))
    told = commands(drawn("github", changed(found, problems=many + mild)))
    assert [one.name for one in told].count("error") == 10
    assert [one.name for one in told].count("notice") == 10
    assert told[-1].message == "15 errors and 4 notices of problems not shown here: GitHub shows 10 of a kind."


def test_a_hostile_target_forges_no_command_and_no_property() -> None:
    for raw in ("\r\n::error::x", "a,title=b::c", "100%0A", "%2525", "file=x,line=y", BLUNT):
        found = wrong_torch()
        one = msgspec.structs.replace(found.problems[0], title=raw, why=raw, code="ED1", places=(Place(raw, 3),))
        told = commands(drawn("github", changed(found, problems=(one,), target=raw)))
        assert [each.name for each in told] == ["notice", "error"]
        assert set(told[1].properties) == {"file", "line", "title"}
        assert told[1].properties["title"].startswith("ED1 ")
        if raw.isprintable():
            assert told[1].properties["file"] == raw
            assert told[1].properties["title"] == f"ED1 {raw}"
    assert [one.name for one in commands(drawn("github", hostile()))] == ["notice", "error"]


def test_a_flood_is_twenty_lines() -> None:
    page = drawn("github", flooded(3000))
    assert len(page.splitlines()) == 12
    assert len(page) < 100_000


@pytest.mark.parametrize("case", [*CASES, "hostile"])
def test_outputs_are_one_word_or_number_a_line(case: str) -> None:
    found = (MADE | {"hostile": hostile})[case]()
    read = dict(line.split("=", 1) for line in outputs(found).splitlines())
    assert list(read) == ["verdict", "failed-tier", "problems", "seconds"]
    assert read["verdict"] == found.verdict.value.replace(" ", "-")
    assert read["problems"] == str(len(found.counted()))
    assert all("<<" not in value and " " not in value for value in read.values())


def test_outputs_name_the_tier_that_failed() -> None:
    assert "failed-tier=drift\n" in outputs(drifted())
    assert "failed-tier=\n" in outputs(passed())
