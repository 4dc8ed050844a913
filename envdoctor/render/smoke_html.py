"""The proof as one self-contained HTML file: no scripts, nothing from elsewhere, everything escaped.

What the page says is gathered here as plain values; the template (data/templates/smoke.html.j2) escapes each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor import __version__
from envdoctor.proving.proof import State
from envdoctor.render import shell
from envdoctor.render.curves import curves
from envdoctor.render.smoke_words import STATES, counted, headline, in_order, memory, setting, times, verdict
from envdoctor.render.templates import environment
from envdoctor.wording import brief

if TYPE_CHECKING:
    from envdoctor.proving.proof import Cause, Failure, Invariant, Proof

TEMPLATE = "smoke.html.j2"
STYLES = {State.HELD: "good", State.BROKEN: "bad", State.UNMEASURED: "open"}
MAX_LINES, MAX_FRAMES = 200, 40


def render(proof: Proof) -> str:
    """The whole HTML document."""
    return environment().get_template(TEMPLATE).render(**_values(proof))


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
        "curves": [] if measured is None else curves(measured),
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
