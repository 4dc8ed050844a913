"""The page of a verification: what moved, from what to what, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from envdoctor.facts import Known, Unknown
from envdoctor.proving.certificate import Fact, compared
from envdoctor.render import Page
from envdoctor.render.certificate import document, render
from tests.factory import edit, healthy, with_driver
from tests.proving.test_certificate import made, rests

AGAIN = ("envdoctor", "smoke", "--engine", "bare")
SCHEMA = Path(__file__).resolve().parents[2] / "envdoctor/data/schema/verified-1.json"
MOVED = compared(made(), rests(edit(with_driver(healthy(), "590.44.01", "13.1"), host__kernel=Known("6.12", "uname"))))
SAME = compared(made(), rests(healthy()))


def test_a_match_says_so_and_that_nothing_was_trained() -> None:
    page = render(SAME, AGAIN, Page())
    assert "MATCHES: " in page
    assert "DOES NOT" not in page
    assert "No training was run" in page
    assert "no file of a package was read" in " ".join(page.split())
    assert "smoke --engine" not in page


def test_what_moved_is_told_with_both_values_and_the_command() -> None:
    page = render(MOVED, AGAIN, Page())
    assert "DOES NOT MATCH: 1 fact " in page
    assert "driver: 550.54.15 -> 590.44.01" in " ".join(page.split())
    assert "kernel: " in page
    assert "(the proof does not depend on it)" in " ".join(page.split())
    assert page.endswith("Prove it anew:\n  envdoctor smoke --engine bare\n")


def test_what_cannot_be_told_says_why() -> None:
    found = compared(made(), rests(edit(healthy(), gpus__devices=Unknown("no answer in 5 s"))))
    assert "GPUs: cannot be told, no answer in 5 s; was " in " ".join(render(found, AGAIN, Page()).split())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    lines = render(MOVED, AGAIN, Page(width=width, verbose=True)).splitlines()
    assert all(len(one) <= width for one in lines if " " in one.strip())


def test_a_hostile_certificate_writes_no_control_characters() -> None:
    bad = msgspec.structs.replace(made(), target="\x1b[2J", device="\x07", facts=(Fact(name="a\x1b[0m", value="\x1b]0;x\x07"),))
    assert "\x1b" not in render(compared(bad, rests(healthy())), AGAIN, Page(verbose=True))


def test_the_json_form_keeps_its_schema() -> None:
    told = json.loads(document(MOVED))
    jsonschema.validate(told, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert told["matches"] is False
    assert {one["name"] for one in told["lines"] if one["how"] == "differs" and one["counts"]} == {"driver"}
