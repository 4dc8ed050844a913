"""The page of many nodes, and its JSON: golden files, 80 columns, hostile answers harmless and bounded, the schema.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from envdoctor.examine import Wishes
from envdoctor.facts import Facts, Known, encode
from envdoctor.matrix import DATA
from envdoctor.nodes.judging import By, Gathered, judge
from envdoctor.nodes.lists import Written
from envdoctor.nodes.outcome import Outcome
from envdoctor.nodes.running import Answer
from envdoctor.preflight.outcome import Crash, Tier
from envdoctor.render import Page
from envdoctor.render.nodes import render
from envdoctor.render.nodes_json import render as render_json
from tests.factory import MATRIX, blind, dist, edit, healthy, put, with_driver, with_torch

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "nodes"
SCHEMA = json.loads((Path(DATA) / "schema" / "nodes-1.json").read_text(encoding="utf-8"))
WRITTEN = Written("failing_nodes.txt", "passing_nodes.txt")
NASTY = "\x1b[31m</script>\u202e| `\r\n" + "x" * 3000


def outcome_of(answers: dict[str, Facts | str], **more: Any) -> Outcome:
    """The outcome of nodes by name: facts that came, or why none did."""
    gathered = Gathered("~/venv/bin/python3")
    for name, answer in answers.items():
        came = isinstance(answer, Facts)
        gathered.add(Answer(name, encode(answer) if isinstance(answer, Facts) else None, "" if came else str(answer), 1.25))
    values: dict[str, Any] = {
        "target": "~/venv/bin/python3",
        "program": "ssh",
        "began": "2026-11-26T15:00:00Z",
        "seconds": 41.23,
        "parallel": 64,
        "deadline_s": 30.0,
        "notes": (),
        **judge(gathered, list(answers), By(MATRIX, Wishes()))._asdict(),
    }
    return Outcome(**(values | more))


def named(facts: dict[int, Facts | str], count: int) -> dict[str, Facts | str]:
    return {f"node{number:03d}": facts.get(number, healthy()) for number in range(1, count + 1)}


def mixed() -> Outcome:
    """Two hundred nodes: some silent, some broken, some with another environment, and drivers of two patch releases."""
    other = put(healthy(), dist("transformers", "4.46.3"), dist("filelock", "3.15.0"))
    assert isinstance(other.environ, Known)
    interface = edit(healthy(), environ=Known({**other.environ.value, "NCCL_SOCKET_IFNAME": "eth1"}, other.environ.via))
    answers: dict[int, Facts | str] = {number: with_driver(healthy(), "550.90.07", "12.4") for number in range(150, 201)}
    answers |= {3: other, 17: other, 44: interface}
    answers |= dict.fromkeys((61, 62), with_torch(healthy(), "2.11.0+cu130", "13.0"))
    answers |= {
        9: "no answer in 30 s",
        10: "ssh did not reach it (exit status 255): ssh: connect to host node010 port 22: Connection refused",
    }
    return outcome_of(named(answers, 200), notes=("named more than once and asked once: node001 (1 node)",))


def halves() -> Outcome:
    """Two kinds of nodes, equally many: nothing to side with."""
    return outcome_of(named(dict.fromkeys((3, 4), put(healthy(), dist("numpy", "1.26.3"))), 4))


def untold() -> Outcome:
    """All pass, and of one the GPUs are not known."""
    return outcome_of(named({2: blind(healthy(), "gpus__devices")}, 3))


def unreached() -> Outcome:
    """Nobody answers, all for the same reason."""
    return outcome_of(
        named(dict.fromkeys(range(1, 121), "ssh did not reach it (exit status 255): ssh: Could not resolve hostname"), 120)
    )


def same() -> Outcome:
    """Twelve equal nodes."""
    return outcome_of(named({}, 12))


MADE = {"mixed": mixed, "halves": halves, "untold": untold, "unreached": unreached, "same": same}


@pytest.mark.parametrize("verbose", [False, True], ids=["short", "verbose"])
@pytest.mark.parametrize("name", MADE)
def test_the_page_is_its_golden_file_and_80_columns_wide(name: str, *, verbose: bool) -> None:
    page = render(MADE[name](), Page(verbose=verbose), WRITTEN)
    golden = GOLDEN / f"{name}{'-verbose' if verbose else ''}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")
    loose = ("            ", "      source ", "      http")  # what is there to be pasted, and addresses
    assert all(len(line) <= 80 or line.startswith(loose) or "[" in line for line in page.splitlines())


@pytest.mark.parametrize("name", MADE)
def test_the_json_keeps_to_its_schema_and_has_every_node_once(name: str) -> None:
    outcome = MADE[name]()
    document = json.loads(render_json(outcome, WRITTEN))
    jsonschema.validate(document, SCHEMA)
    assert [one["node"] for one in document["nodes"]] == [one.node for one in outcome.results]
    assert sum(document["counts"].values()) == len(outcome.results)
    for difference in document["differences"]:
        told = [node for value in difference["values"] for node in value["nodes"]] + difference["untold"]
        assert sorted(told) == sorted(set(told))


def hostile() -> Outcome:
    """What a node could say to disturb a page."""
    facts = put(healthy(), dist(NASTY, NASTY), dist("torch", NASTY))
    assert isinstance(facts.environ, Known)
    facts = edit(facts, environ=Known({NASTY: NASTY, "NCCL_" + NASTY: NASTY}, NASTY), host__kernel=Known(NASTY, NASTY))
    return outcome_of({"n1": healthy(), "n2": healthy(), "n3": facts, "n4": NASTY})


@pytest.mark.parametrize("verbose", [False, True])
def test_a_hostile_answer_is_printed_harmless_and_bounded(*, verbose: bool) -> None:
    outcome = hostile()
    page = render(outcome, Page(verbose=verbose), WRITTEN)
    assert not set(page) & {"\x1b", "\u202e", "\r"}
    assert len(page) < 60_000
    text = render_json(outcome, None)
    assert len(text) < 200_000
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    assert "\\u001b" not in text


def test_thousands_of_differences_are_bounded_on_the_page_and_in_json() -> None:
    many = put(healthy(), *(dist(f"nvidia-made-up-{number}", "1") for number in range(4000)))
    outcome = outcome_of({"n1": healthy(), "n2": healthy(), "n3": many})
    assert len(render(outcome, Page(verbose=True), None)) < 500_000
    document = json.loads(render_json(outcome, None))
    assert len(document["differences"]) == 1000
    assert document["differences_left_out"] == len(outcome.skew.differences) - 1000
    assert len(document["nodes"][2]["more"]) <= 1000


def test_colour_is_only_where_it_is_asked_for() -> None:
    assert "\x1b[" not in render(mixed(), Page(), WRITTEN)
    assert "\x1b[1;31m" in render(mixed(), Page(color=True), WRITTEN)


def test_the_exit_status_says_what_was_found() -> None:
    assert mixed().exit_code(strict=False) == 1
    assert halves().exit_code(strict=False) == 1
    assert untold().exit_code(strict=False) == 0
    assert untold().exit_code(strict=True) == 3
    assert outcome_of({"n1": "no answer in 1 s"}).exit_code(strict=False) == 1
    assert same().exit_code(strict=True) == 0
    crashed = msgspec.structs.replace(same(), crashes=(Crash(Tier.CHECK, "ED102", "ValueError"),))
    assert crashed.exit_code(strict=False) == 4
