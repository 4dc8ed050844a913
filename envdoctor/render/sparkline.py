"""A row of characters that shows how a number went. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"
"""Eight marks that rise from the line, for encodings that have no blocks."""
ASCII_COLUMN = ".:#"
"""Three heights of one row of a curve."""
WIDEST = 3
"""A step is drawn at most so many columns wide."""
NONE = "?"
"""A value that was not finite."""


def sparkline(values: Sequence[float | None], width: int, *, ascii: bool = False, low: float = 0.0, high: float = 1.0) -> str:  # noqa: A002
    """The values as at most ``width`` characters; more values than that are averaged in runs of nearly equal length.

    Args:
        values: one number a step; one that is None or not finite is shown as "?" and takes its whole run.
        width: columns, at least 1.
        ascii: without block characters.
        low: the value of the lowest mark; what is below counts as it.
        high: the value of the highest mark; what is above counts as it.
    """
    marks = ASCII if ascii else BLOCKS
    return "".join(_mark(run, marks, low, high) for run in runs(values, width))


def runs(values: Sequence[float | None], width: int) -> list[Sequence[float | None]]:
    """The values in at most ``width`` runs, in order, none of them empty, their lengths at most one apart."""
    count = min(max(width, 1), len(values))
    return [values[len(values) * place // count : len(values) * (place + 1) // count] for place in range(count)]


def mean(run: Sequence[float | None]) -> float | None:
    """Mean of a run; None where one of its values is none."""
    total = 0.0
    for one in run:
        if one is None or not math.isfinite(one):
            return None
        total += one
    return total / len(run) if run else None


def _mark(run: Sequence[float | None], marks: str, low: float, high: float) -> str:
    value = mean(run)
    if value is None:
        return NONE
    share = 0.0 if high <= low else (value - low) / (high - low)
    return marks[min(len(marks) - 1, max(0, math.floor(share * len(marks))))]


def curve(
    values: Sequence[float | None],
    width: int,
    height: int,
    *,
    ascii: bool = False,  # noqa: A002
    low: float = 0.0,
    high: float = 1.0,
) -> tuple[list[str], int]:
    """The values as columns, ``height`` rows of at most ``width`` characters from the top, and the width they take.

    A value that is none stands as "?" at the bottom. Fewer values than half of ``width`` are drawn wider.
    """
    marks = ASCII_COLUMN if ascii else BLOCKS
    columns = [mean(run) for run in runs(values, width)]
    wide = max(1, width // len(columns)) if columns else 1
    wide = min(wide, WIDEST)
    rows = ["".join(_cell(value, row, height, marks, low, high) * wide for value in columns) for row in range(height - 1, -1, -1)]
    return rows, wide * len(columns)


def _cell(value: float | None, row: int, height: int, marks: str, low: float, high: float) -> str:
    """What stands in one row of one column; the row counts from the bottom."""
    if value is None:
        return NONE if row == 0 else " "
    share = 0.0 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
    # in marks: a column that is not empty shows at least the lowest one
    filled = max(1, round(share * height * len(marks))) - row * len(marks)
    return " " if filled <= 0 else marks[min(filled, len(marks)) - 1]


def needs_ascii(encoding: str | None) -> bool:
    """Whether an encoding cannot write the block characters (and the lines of the curve)."""
    try:
        (BLOCKS + "│└─").encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return True
    return False
