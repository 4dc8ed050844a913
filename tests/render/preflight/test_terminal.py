"""The page of a preflight: golden files, 80 columns, no colour in a pipe, nothing hidden and nothing twice."""

from __future__ import annotations

import re

import msgspec
import pytest

from envdoctor.findings import Evidence
from envdoctor.preflight.outcome import Cost, Estimate, Price, Tier
from envdoctor.render import Page
from envdoctor.render.preflight.terminal import render
from tests.preflight.made import MADE, drifted, hostile, out_of_time, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, crashed, drawn, flooded, golden, obeyed, renamed, strict


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_its_golden_file(case: str) -> None:
    golden("terminal", case, "txt")


@pytest.mark.parametrize("case", CASES)
def test_every_line_fits_80_columns_but_for_what_is_there_to_be_pasted(case: str) -> None:
    for line in render(MADE[case](), Page(verbose=True)).splitlines():
        longest_word = max(map(len, line.split(" ")))
        assert len(line) <= 80 or re.match(r" {12}\S", line) or longest_word > 40, line


def test_without_colour_there_is_no_escape_and_with_it_the_words_stay_the_same() -> None:
    for case in CASES:
        plain, colored = render(MADE[case](), Page()), render(MADE[case](), Page(color=True))
        assert "\x1b" not in plain
        assert "\x1b[" in colored
        assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_what_the_same_commands_mend_stands_under_them_a_line_each() -> None:
    page = render(drifted(), Page())
    assert page.count("uv pip install") == 1
    assert "  the same mends:\n    - DRIFT-MISSING peft 0.19.1 is in the lock and not installed\n" in page
    other = msgspec.structs.replace(drifted().problems[1], says="Install it alone.")
    apart = render(changed(drifted(), problems=(drifted().problems[0], other)), Page())
    assert "Install it alone. The commands stand above: DRIFT-VERSION" in apart.replace("\n          ", " ")


def test_of_what_the_same_commands_mend_ten_are_shown_and_v_shows_all() -> None:
    found = drifted()
    many = tuple(renamed(number, found.problems[0]) for number in range(14))
    short, full = (render(changed(found, problems=many), Page(verbose=verbose)) for verbose in (False, True))
    assert short.count("    - DRIFT-VERSION") == 10
    assert "    - and 3 more (-v shows them)" in short
    assert full.count("    - DRIFT-VERSION") == 13


def test_more_than_ten_of_a_tier_are_cut_and_v_shows_them() -> None:
    found = drifted()
    many = tuple(renamed(number, found.problems[0], says=f"Do {number}.") for number in range(13))
    found = changed(found, problems=many)
    short, full = render(found, Page()), render(found, Page(verbose=True))
    assert short.count("ERROR DRIFT-VERSION") == 10
    assert "drift: and 3 more (-v shows them)" in short
    assert full.count("ERROR DRIFT-VERSION") == 13
    assert "and 12 more problems" in full.replace("\n  ", " ")


def test_what_a_code_says_every_time_stands_once() -> None:
    found = wrong_torch()
    twice = changed(found, problems=(found.problems[0], renamed(1, found.problems[0], says="Do it.")))
    assert render(twice, Page()).count("Extensions compiled for another torch") == 1
    assert render(twice, Page(verbose=True)).count("Extensions compiled for another torch") == 2


def test_verbose_shows_questions_and_the_layer_of_truth() -> None:
    short, full = render(strict(), Page()), render(strict(), Page(verbose=True))
    assert "could not tell: 1 open question (-v shows them)" in short
    assert "ED101 Is the driver new enough?\n      because there is no driver" in full
    assert short.splitlines()[-1] == "COULD NOT TELL: 1 open question, and --strict lets none pass"
    assert "known from: what packages declare" in render(wrong_torch(), Page(verbose=True))


def test_a_crash_is_told_as_our_bug() -> None:
    page = render(crashed(), Page())
    assert "BUG: ED201 crashed, which is a bug of envdoctor, not of your environment:" in page
    assert page.splitlines()[-1] == "CRASHED: ED201 and ED602 of envdoctor crashed, and nothing else failed"


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (None, "7.0 s (from a guess)."),
        (Price(per_hour=24.0, currency="$"), "7.0 s (from a guess): $0.05 at $24/h."),
        (Price(per_hour=36.5, currency="EUR"), "7.0 s (from a guess): 0.07 EUR at 36.5 EUR/h."),
        (Price(per_hour=100, currency=""), "7.0 s (from a guess): 0.19 at 100/h."),
        (Price(per_hour=0.5, currency="$"), "7.0 s (from a guess): less than $0.01 at $0.5/h."),
    ],
)
def test_what_stopping_early_spared_is_told_with_the_price_where_it_is_known(price: Price | None, said: str) -> None:
    spared = (Estimate(tier=Tier.DEEP, seconds=7.0, via="a guess"),)
    page = render(changed(wrong_torch(), cost=Cost(price=price, spent_s=0.7, spared=spared)), Page(width=200))
    assert f"It failed after 0.70 s; that spared deep, {said}" in page


def test_each_estimate_says_where_it_is_from() -> None:
    spared = (
        Estimate(tier=Tier.DRIFT, seconds=0.5, via="the last preflight"),
        Estimate(tier=Tier.DEEP, seconds=20.0, via="the deadline"),
        Estimate(tier=Tier.SMOKE, seconds=900.0, via="the deadline"),
    )
    page = render(changed(wrong_torch(), cost=Cost(price=None, spent_s=0.7, spared=spared)), Page(width=200))
    assert "spared drift, 0.50 s (from the last preflight); deep and smoke, 15 min (from the deadline)." in page


def test_a_tier_without_an_answer_is_told_with_its_reason() -> None:
    last = render(out_of_time(), Page(width=200)).splitlines()[-1]
    assert last == "COULD NOT TELL: deep (no answer in 299 s) and smoke (the budget of 300 s was spent)"


def test_a_hostile_target_moves_no_cursor_and_forges_no_line() -> None:
    for verbose in (False, True):
        page = render(hostile(), Page(verbose=verbose))
        assert not re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
        assert len(page) < 60_000


def test_text_of_a_target_is_no_command_for_a_ci_runner() -> None:
    evil = "::set-output name=a::b ##[add-mask]c ##vso[task.setvariable variable=d]e " + "x " * 33
    one = wrong_torch().problems[0]
    one = msgspec.structs.replace(
        one, title=evil * 3, why=evil, says=evil, evidence=(Evidence(evil, evil, evil),), commands=(("::error::x", evil),)
    )
    found = changed(wrong_torch(), problems=(one,), notes=(evil,), target=evil)
    assert obeyed("  ::error::x\na ##[x]\n")  # the reading itself can find one
    assert not obeyed(drawn("terminal", found))
    assert not obeyed(drawn("markdown", found))


def test_names_that_are_no_utf_8_can_be_printed() -> None:
    found = wrong_torch()
    one = msgspec.structs.replace(found.problems[0], title=BLUNT, why=BLUNT, subjects=(BLUNT,))
    assert "\\ud800" in drawn("terminal", changed(found, problems=(one,), target=BLUNT))


def test_a_flood_is_cut_and_counted() -> None:
    short, full = (render(flooded(3000), Page(verbose=verbose)) for verbose in (False, True))
    assert "check: and 2990 more (-v shows them)" in short
    assert "check: and 2000 more (--report json=FILE has all)" in full
    assert len(short) < 60_000
