"""A row of characters that shows how a number went. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"
"""Eight marks that rise from the line, for encodings that have no blocks."""
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
