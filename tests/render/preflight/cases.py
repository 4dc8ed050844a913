"""What the tests of all renderers of a preflight share: golden files, a flood of problems, what a CI runner would obey."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from envdoctor.preflight.outcome import Crash, Preflight, Question, Tier, Verdict
from envdoctor.render import Page
from envdoctor.render.preflight import RENDERERS
from tests.preflight.made import MADE, passed, wrong_torch

if TYPE_CHECKING:
    from envdoctor.preflight.outcome import Problem

GOLDEN = Path(__file__).resolve().parent.parent.parent / "golden" / "preflight"
CASES = sorted(MADE)
BLUNT = "\ud800 and \udcff, \ufffe, \u2028"
"""Halves of surrogate pairs (bytes of a file's name that are no UTF-8), no character at all, a line separator."""


def drawn(form: str, found: Preflight) -> str:
    """The rendered text, which must be one that can be written."""
    text = RENDERERS[form](found, Page())
    text.encode("utf-8")
    assert text.endswith("\n")
    return text


def golden(form: str, case: str, extension: str, hidden: str | None = None) -> str:
    """The rendered case, which is its golden file but for what is hidden; ``UPDATE_GOLDEN=1`` writes that anew."""
    text = drawn(form, MADE[case]())
    path = GOLDEN / form / f"{case}.{extension}"
    kept = text if hidden is None else text.replace(hidden, "...")
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(kept, encoding="utf-8")
    assert kept == path.read_text(encoding="utf-8")
    return text


def changed(found: Preflight, **values: object) -> Preflight:
    """The preflight with other values."""
    return msgspec.structs.replace(found, **values)


def renamed(number: int, one: Problem, **values: object) -> Problem:
    """Another problem of the same kind."""
    return msgspec.structs.replace(one, fingerprint=f"{number:032x}", title=f"{one.title} {number}", **values)


def flooded(count: int) -> Preflight:
    """A failure of so many problems, each with a hundred symptoms, and as many questions, notes, crashes and waivers."""
    found = wrong_torch()
    (one,) = found.problems
    many = tuple(renamed(number, one, symptoms=one.symptoms * 30, says=f"Do {number}.") for number in range(count))
    asked = tuple(Question(Tier.CHECK, "ED101", f"Is it {number}?", "there is no driver") for number in range(count))
    crashes = tuple(Crash(Tier.CHECK, "ED102", f"KeyError: {number}") for number in range(count))
    return changed(found, problems=many, questions=asked, crashes=crashes, notes=tuple(map(str, range(count))))


def crashed() -> Preflight:
    """A rule of ours crashed, and nothing failed."""
    return changed(
        passed(),
        crashes=(Crash(Tier.CHECK, "ED201", "KeyError: 'x'"), Crash(Tier.LINT, "ED602", "ValueError")),
        verdict=Verdict.CRASHED,
    )


def strict() -> Preflight:
    """Everything passed, but for a question that ``--strict`` does not let pass."""
    asked = Question(Tier.CHECK, "ED101", "Is the driver new enough?", "there is no driver")
    return changed(passed(), questions=(asked,), verdict=Verdict.UNTOLD)


def obeyed(page: str) -> list[str]:
    """Lines that GitHub's or Azure's runner would take for a command, by how theirs read a line."""
    return [line for line in page.splitlines() if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line]
