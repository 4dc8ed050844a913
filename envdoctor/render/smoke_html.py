"""The proof as one self-contained HTML file: no scripts, nothing from elsewhere, everything escaped.

What the page says is gathered here as plain values; the template (data/templates/smoke.html.j2) escapes each of them.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import jinja2

from envdoctor import __version__
from envdoctor.proving.proof import State
from envdoctor.render import harmless, shell, shortened
from envdoctor.render.smoke_words import STATES, counted, headline, in_order, memory, number, setting, times, verdict
from envdoctor.wording import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.measured import Measured
    from envdoctor.proving.proof import Cause, Failure, Invariant, Proof

FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "templates")
TEMPLATE = "smoke.html.j2"
STYLES = {State.HELD: "good", State.BROKEN: "bad", State.UNMEASURED: "open"}
LEFT, RIGHT, TOP, BOTTOM = 48.0, 350.0, 20.0, 140.0
"""The plot inside the picture, in its own units; the template draws the frame at the same places."""
MAX_LINES, MAX_FRAMES = 200, 40
MAX_DOTS = 60
"""Steps up to which each one gets a dot."""


def render(proof: Proof) -> str:
    """The whole HTML document."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(**_values(proof))


def _clean(value: object) -> object:
    """What came from a target without control characters, and not endless; the template escapes it afterwards."""
    return harmless(shortened(value)) if isinstance(value, str) else value


def _values(proof: Proof) -> dict[str, Any]:
    measured = proof.measured
    tables: list[tuple[str, list[tuple[str, str]]]] = []
    if measured is not None:
        tables = [
            ("Times", list(times(measured, proof.seconds))),
            ("Memory", list(memory(measured))),
            ("What was run", list(setting(measured))),
        ]
    return {
        "verdict": verdict(proof),
        "headline": headline(proof),
        "passed": proof.passed,
        "cause": None if proof.cause is None or proof.passed else _cause(proof.cause),
        "failure": None if proof.failure is None else _failure(proof.failure),
        "counted": counted(proof.invariants),
        "invariants": [_invariant(one) for one in in_order(proof.invariants)],
        "curves": [] if measured is None else _curves(measured),
        "tables": [(title, rows) for title, rows in tables if rows],
        "notes": list(proof.notes),
        "version": __version__,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "why": cause.why,
        "evidence": [{"what": one.what, "value": one.value, "via": brief(one.via)} for one in cause.evidence],
        "says": cause.says,
        "commands": [shell(argv) for argv in cause.commands],
        "sources": [{"where": one.where, "read": one.read} for one in cause.sources],
        "code": cause.code,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    lines = [line for line in failure.said.splitlines() if line.strip()]
    return {
        "phase": failure.phase,
        "seconds": f"{failure.seconds:.1f} s",
        "how": failure.how,
        "trace": list(failure.trace[-MAX_FRAMES:]),
        "said": lines[-MAX_LINES:],
        "left_out": max(0, len(lines) - MAX_LINES),
    }


def _invariant(one: Invariant) -> dict[str, Any]:
    why = one.why if one.state is not State.HELD else ""
    if one.state is State.UNMEASURED:
        why = f"{'not proven without it' if one.required else 'not needed for a proof'}: {why}"
    return {
        "state": STATES[one.state],
        "style": STYLES[one.state],
        "title": one.title,
        "value": one.value or "-",
        "bound": one.bound,
        "why": why,
    }


def _curves(measured: Measured) -> list[dict[str, Any]]:
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
            lines[-1].append((f"{x:.1f}", f"{BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low):.1f}"))
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
