"""Sparklines and curves: every value has its place, whatever the width; what is no number is shown as such."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.render.sparkline import ASCII, BLOCKS, NONE, curve, mean, needs_ascii, runs, sparkline

NUMBERS = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=60)


def test_the_lowest_and_the_highest_mark_are_the_ends_of_the_range() -> None:
    assert sparkline([0.0, 1.0], 10) == BLOCKS[0] + BLOCKS[-1]
    assert sparkline([-5.0, 9.0], 10) == BLOCKS[0] + BLOCKS[-1]
    assert sparkline([place / 8 + 0.01 for place in range(8)], 8) == BLOCKS
    assert sparkline([place / 8 + 0.01 for place in range(8)], 8, ascii=True) == ASCII


def test_a_range_of_the_callers_own_is_kept() -> None:
    assert sparkline([2.0, 4.0], 2, low=2.0, high=4.0) == BLOCKS[0] + BLOCKS[-1]
    assert sparkline([2.0, 2.0], 2, low=2.0, high=2.0) == BLOCKS[0] * 2


def test_what_is_no_number_is_shown_and_takes_its_run() -> None:
    assert sparkline([0.0, None, math.nan, math.inf, 1.0], 5) == BLOCKS[0] + NONE * 3 + BLOCKS[-1]
    assert sparkline([0.0, None, 1.0, 1.0], 2) == NONE + BLOCKS[-1]


def test_more_values_than_columns_are_averaged_in_order() -> None:
    assert [list(run) for run in runs([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4, 5]]
    assert mean([1.0, 2.0]) == 1.5
    assert mean([]) is None
    assert sparkline([], 5) == ""
    assert len(sparkline([0.5] * 1000, 60)) == 60
    assert len(sparkline([0.5], 0)) == 1


@given(NUMBERS, st.integers(min_value=1, max_value=80), st.booleans())
def test_any_values_give_a_line_of_known_marks(values: list[float | None], width: int, plain: bool) -> None:
    line = sparkline(values, width, ascii=plain)
    assert len(line) == min(width, len(values))
    assert set(line) <= set((ASCII if plain else BLOCKS) + NONE)


@given(NUMBERS, st.integers(min_value=1, max_value=80), st.integers(min_value=1, max_value=8), st.booleans())
def test_any_values_give_a_curve_of_its_height_and_width(
    values: list[float | None], width: int, height: int, plain: bool
) -> None:
    rows, taken = curve(values, width, height, ascii=plain)
    assert len(rows) == height
    assert {len(row) for row in rows} == {taken}
    assert taken <= width
    assert not plain or all(row.isascii() for row in rows)


def test_a_curve_stands_on_its_ground() -> None:
    rows, taken = curve([0.0, 0.5, 1.0, None], 4, 2)
    assert rows == ["  █ ", "▁██?"]
    assert taken == 4
    assert curve([0.0, 0.5, 1.0, None], 4, 2, ascii=True)[0] == ["  # ", ".##?"]
    assert curve([1.0], 80, 1) == (["███"], 3)


@pytest.mark.parametrize(
    ("encoding", "needs"),
    [("utf-8", False), ("UTF-8", False), ("ascii", True), ("latin-1", True), (None, True), ("no-such-thing", True)],
)
def test_whether_an_encoding_has_the_marks(encoding: str | None, needs: bool) -> None:
    assert needs_ascii(encoding) is needs
