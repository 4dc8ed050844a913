"""How a run's numbers went, step by step, as pictures for HTML: places in a drawing, and the same in words. Pure.

The macro in data/templates/curves.html.j2 draws them, for the page of a proof and for a preflight's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from envdoctor.render.smoke_words import number
from envdoctor.render.sparkline import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.measured import Measured

LEFT, RIGHT, TOP, BOTTOM = 48.0, 350.0, 20.0, 140.0
"""The plot inside the picture, in its own units; the template draws the frame at the same places."""
MAX_DOTS = 60
"""Steps up to which each one gets a dot."""


def curves(measured: Measured) -> list[dict[str, Any]]:
    """One picture a number that the steps tell; none where there is no step."""
    steps = measured.steps
    if not steps:
        return []
    others = (
        ("Entropy (nats)", [one.entropy for one in steps]),
        ("KL to the reference (nats)", [one.kl for one in steps]),
        ("Largest gap between the engine's and the trainer's log-probability", [one.logp_gap_max for one in steps]),
    )
    return [
        _curve("Reward", [one.reward for one in steps], top=1.0),
        # an engine may be unable to tell one; the invariants say so
        *(_curve(title, values) for title, values in others if any(value is not None for value in values)),
    ]


def _curve(title: str, values: Sequence[float | None], top: float | None = None) -> dict[str, Any]:
    """One picture. A value that is no number breaks the line and stands as a mark on the ground."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low = min(0.0, *known) if known else 0.0
    high = max(known, default=1.0) if top is None else max(top, *known) if known else top
    if high <= low:
        high = low + 1.0
    lines: list[list[tuple[str, str]]] = [[]]
    gaps = []
    for place, value in enumerate(values):
        x = LEFT + (RIGHT - LEFT) * (place / (len(values) - 1) if len(values) > 1 else 0.0)
        if value is None or not math.isfinite(value):
            gaps.append(f"{x:.1f}")
            lines.append([])
        else:
            lines[-1].append((f"{x:.1f}", f"{BOTTOM - (BOTTOM - TOP) * share(value, low, high):.1f}"))
    points = [point for line in lines for point in line]
    return {
        "title": title,
        "said": _said(values, known),
        "low": number(low),
        "high": number(high),
        "last": f"step {len(values) - 1}",
        "lines": [" ".join(f"{x},{y}" for x, y in line) for line in lines if len(line) > 1],
        "dots": points if len(points) <= MAX_DOTS else [],
        "gaps": gaps,
    }


def _said(values: Sequence[float | None], known: Sequence[float]) -> str:
    if not known:
        return "was not measured"
    lost = len(values) - len(known)
    return f"{number(values[0])} to {number(values[-1])}" + (f"; {lost} of {len(values)} steps have no number" if lost else "")
