"""What the smoke measured, as values of the HTML page: its curves, the reward's and the KL's first, and its invariants. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor.proving.proof import State
from envdoctor.render.curves import curves
from envdoctor.render.preflight.html_words import BAD, GOOD, OPEN, capped
from envdoctor.render.smoke_words import STATES, counted, headline, in_order, setting, times, verdict

if TYPE_CHECKING:
    from envdoctor.proving.proof import Failure, Invariant, Proof

STYLES = {State.HELD: GOOD, State.BROKEN: BAD, State.UNMEASURED: OPEN}
MAX_INVARIANTS, MAX_LINES, MAX_FRAMES = 60, 60, 20
FIRST = ("Reward", "KL")


def smoke(proof: Proof) -> dict[str, Any]:
    """All that the page tells of a proof."""
    measured, failure = proof.measured, proof.failure
    drawn = [] if measured is None else curves(measured)
    kept, left = capped(in_order(proof.invariants), MAX_INVARIANTS)
    return {
        "verdict": verdict(proof),
        "style": GOOD if proof.passed else BAD,
        "headline": headline(proof),
        "curves": sorted(drawn, key=lambda one: not one["title"].startswith(FIRST)),
        "counted": counted(proof.invariants),
        "invariants": [_invariant(one) for one in kept],
        "invariants_left": left,
        "rows": [] if measured is None else [*setting(measured), *times(measured, proof.seconds)],
        "failure": None if failure is None else _failure(failure),
        "notes": list(proof.notes[:MAX_LINES]),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    lines = [line for line in failure.said.splitlines() if line.strip()]
    return {
        "phase": failure.phase,
        "how": failure.how,
        "trace": list(failure.trace[-MAX_FRAMES:]),
        "said": lines[-MAX_LINES:],
        "left": max(0, len(lines) - MAX_LINES),
    }


def _invariant(one: Invariant) -> dict[str, Any]:
    need = "" if one.state is not State.UNMEASURED else "not proven without it: " if one.required else "not needed for a proof: "
    return {
        "state": STATES[one.state].lower(),
        "style": STYLES[one.state],
        "title": one.title,
        "value": one.value or "no value",
        "bound": one.bound,
        "why": "" if one.state is State.HELD else need + one.why,
    }
