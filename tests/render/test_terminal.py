"""The page: golden files of whole stories, 80 columns, no colour in a pipe, nothing hidden.

``UPDATE_GOLDEN=1 pytest tests/render`` writes the golden files anew; read the diff before it is committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.examine import Wishes, examine
from envdoctor.findings import Outcome, Report
from envdoctor.render import Page, harmless, shell
from envdoctor.render.terminal import render
from tests.factory import MATRIX, healthy
from tests.stories.stories import STORIES, Story

if TYPE_CHECKING:
    from envdoctor.facts import Facts

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
IDS = [story.name for story in STORIES]


def examined(story: Story) -> tuple[Facts, Report]:
    judged, report = examine(story.facts, MATRIX, Wishes(), 0.0)
    return judged, msgspec.structs.replace(report, seconds=0.21)


@pytest.mark.parametrize("story", STORIES, ids=IDS)
def test_the_page_of_a_story_is_its_golden_file(story: Story) -> None:
    facts, report = examined(story)
    page = render(report, facts, Page())
    golden = GOLDEN / f"{story.name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("story", STORIES, ids=IDS)
def test_every_line_fits_80_columns_but_for_what_must_not_be_cut(story: Story) -> None:
    facts, report = examined(story)
    for line in render(report, facts, Page(verbose=True)).splitlines():
        longest_word = max(len(word) for word in line.split(" ")) if line else 0
        is_command = line.startswith("            ") and re.search(r"^ {12}\S", line)
        assert len(line) <= 80 or is_command or longest_word > 40, line


def test_without_colour_there_is_no_escape_and_with_it_the_words_stay_the_same() -> None:
    facts, report = examined(STORIES[2])
    plain, colored = render(report, facts, Page()), render(report, facts, Page(color=True))
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_verbose_shows_all_evidence_the_layer_and_the_proof() -> None:
    facts, report = examined(STORIES[2])
    page = render(report, facts, Page(verbose=True))
    assert "known from: what packages declare" in page
    assert "torch-vllm-pin-mismatch" in page
    assert "proven: the rules come back clean of it" in page


def test_a_crash_of_a_rule_is_shown_as_our_bug_and_an_ignore_with_its_reason() -> None:
    facts, report = examined(STORIES[2])
    verdicts = tuple(
        msgspec.structs.replace(one, outcome=Outcome.CRASH, crash="KeyError: 'x'")
        if one.code == "ED101"
        else msgspec.structs.replace(one, outcome=Outcome.IGNORED, ignored_because="known")
        if one.code == "ED201"
        else one
        for one in report.verdicts
    )
    page = render(msgspec.structs.replace(report, verdicts=verdicts), facts, Page())
    assert "BUG: ED101 crashed, which is a bug of envdoctor, not of your environment:" in page
    assert "ignored: ED201" in page
    assert "the reason given: known" in page


def test_notes_stand_on_the_page() -> None:
    _, report = examined(STORIES[0])
    assert "note: the ignore of ED101" in render(report, healthy(), Page(notes=("the ignore of ED101 expired",)))


def test_harmless_makes_controls_and_direction_overrides_visible() -> None:
    assert harmless("a\x1b[2Jb\nc\u202ed\x9b") == "a\\x1b[2Jb\\x0ac\\u202ed\\x9b"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("uv", "pip", "install", "torch>=2,<3"), "uv pip install 'torch>=2,<3'"),
        (("~/my env/bin/python", "-m", "pip"), "~/'my env/bin/python' -m pip"),
        (("export", "LD_LIBRARY_PATH=/a b:/c"), "export LD_LIBRARY_PATH='/a b:/c'"),
        (("rm", "-r", "x; reboot"), "rm -r 'x; reboot'"),
        (("echo", "$(reboot)\n"), "echo '$(reboot)\\x0a'"),
        (("/data/$USER/my env/bin/python", "-V"), "/data/$USER/'my env'/bin/python -V"),
        (("/data/$USERX/$(x)/python",), "'/data/$USERX/$(x)/python'"),
    ],
)
def test_a_command_is_a_line_to_paste_whatever_is_in_it(argv: tuple[str, ...], line: str) -> None:
    assert shell(argv) == line


def aged(*days: str | None, today: str | None) -> str:
    """The page of verdicts that rest on data of these days."""
    facts, report = examine(healthy(), MATRIX, Wishes(), 0.0)
    verdicts = [msgspec.structs.replace(one, data_as_of=None) for one in report.verdicts]
    for place, day in enumerate(days):
        verdicts[place] = msgspec.structs.replace(verdicts[place], data_as_of=day)
    return render(msgspec.structs.replace(report, verdicts=tuple(verdicts)), facts, Page(today=today))


def test_old_data_is_told_with_the_rules_that_rest_on_it_its_day_and_what_renews_it() -> None:
    page = aged("2026-09-01", "2026-08-31", "2026-11-01", None, today="2026-11-25").replace("\n  ", " ")
    assert (
        "old data: 2 verdicts (ED101, ED102) rest on compatibility data from 2026-08-31, 86 days ago, which does not know newer "
        "releases. `envdoctor matrix refresh` renews what comes from wheels, a newer envdoctor the rest."
    ) in page


def test_one_old_verdict_is_told_in_the_singular() -> None:
    assert "old data: 1 verdict (ED101) rests on" in aged("2026-08-31", today="2026-11-25")


@pytest.mark.parametrize("today", [None, "2026-09-30", "2020-01-01"])
def test_data_that_is_not_old_or_has_no_day_to_compare_with_is_not_told_of(today: str | None) -> None:
    assert "old data" not in aged("2026-09-01", "2026-08-31", today=today)
