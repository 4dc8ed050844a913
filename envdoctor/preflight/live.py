"""The tiers that run the target: the deep check, and the smoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.deep import Asked, look
from envdoctor.errors import UserError
from envdoctor.facts import Known, Unknown
from envdoctor.findings import Evidence, Joint, Layer, Severity
from envdoctor.preflight.going import Stand
from envdoctor.preflight.outcome import Problem, Tier
from envdoctor.preflight.problems import fingerprint, of_smoke
from envdoctor.preflight.tiers import judged, of_report
from envdoctor.proving.asked import Wishes, ask
from envdoctor.proving.proof import State
from envdoctor.proving.running import prove
from envdoctor.wording import plural

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.leaf import Leaf
    from envdoctor.loaded import DeviceTried
    from envdoctor.preflight.going import Going

SMOKE_BUDGET_S = 60.0
"""For the training itself, as `envdoctor smoke` has it."""
EVERY = 10
"""Steps after which the smoke's progress is told."""
NO_PYTHON = "the target's Python does not start, or nothing of it can be run from here"


def deep_tier(going: Going) -> Stand:
    """Load everything, compute on every device. Raises UserError: the target's Python does not start."""
    if going.interpreter is None or going.probed is None:
        return Stand("nothing was run", untold=NO_PYTHON)
    live = look(going.probed, going.interpreter, Asked(), lambda doing: going.say(Tier.DEEP, doing))
    going.probed = msgspec.structs.replace(going.probed, live=live)
    report = judged(going, Tier.DEEP)
    going.add(Tier.DEEP, of_report(going, report, Tier.DEEP))
    imports = len(live.imports.value) if isinstance(live.imports, Known) else 0
    said = f"{computed(live.devices)}, {plural(imports, 'import')} tried"
    # a gate that was to see something compute does not open where nothing could, nor where a CPU stood in for the GPU
    if isinstance(live.devices, Unknown):
        return Stand(said, untold=live.devices.why)
    if going.plan.profile is not None and not any(one.device.startswith("cuda") for one in live.devices.value):
        return Stand(
            said, untold=f"the profile is {going.plan.profile}, and no GPU computed anything; --static judges without one"
        )
    return Stand(said)


def computed(devices: Leaf[tuple[DeviceTried, ...]]) -> str:
    """Which devices did their work: "cuda:0 and cuda:1 computed", "the CPU computed", "nothing computed"."""
    tried = devices.value if isinstance(devices, Known) else ()
    names = [one.device for one in tried if any(check.state == "passed" for check in one.checks)]
    if names == ["cpu"]:
        return "the CPU computed (this proves nothing of a GPU)"
    return f"{plural(len(names), 'GPU')} computed" if names else "nothing computed"


def smoke_tier(going: Going, left_s: float) -> Stand:
    """Train by GRPO for some seconds.

    Args:
        going: what is known.
        left_s: of the budget; the run is ended when it is spent.
    """
    if going.interpreter is None or going.probed is None:
        return Stand("nothing was run", untold=NO_PYTHON)
    facts: Facts = going.probed
    try:
        asked = ask(Wishes(budget_s=max(1.0, min(SMOKE_BUDGET_S, left_s))), facts, going.interpreter)
    except UserError as lacks:
        going.add(Tier.SMOKE, [_impossible(lacks)])
        return Stand(lacks.what)
    short = left_s < asked.deadline_s
    asked = msgspec.structs.replace(asked, deadline_s=min(asked.deadline_s, left_s))

    def hear(event: dict[str, Any]) -> None:
        if event["event"] == "phase":
            going.say(Tier.SMOKE, str(event.get("name", ""))[:100])
        elif event["event"] == "step" and isinstance(event.get("step"), int) and event["step"] % EVERY == 0:
            going.say(Tier.SMOKE, f"step {event['step']} of {event.get('of')}: reward {event.get('reward')}")

    proof = prove(asked, facts, going.plan.matrix, hear, going.asked.target)
    going.proof = proof
    going.notes += [note for note in proof.notes if note not in going.notes]
    if short and proof.failure is not None and proof.failure.late:
        return Stand(f"NOT PROVEN by {proof.engine}", untold=f"{proof.failure.how}, which was what was left of the budget")
    problem = of_smoke(proof)
    if problem is not None:
        going.add(Tier.SMOKE, [problem])
        return Stand(f"NOT PROVEN by {proof.engine}")
    held = sum(one.state is State.HELD for one in proof.invariants)
    return Stand(f"PROVEN by {proof.engine}, {plural(held, 'invariant')} held")


def _impossible(lacks: UserError) -> Problem:
    """A smoke that was asked for and that this environment cannot run."""
    return Problem(
        tier=Tier.SMOKE,
        code="SMOKE-IMPOSSIBLE",
        title=lacks.what,
        why="A smoke was asked for, and what it needs is not there.",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        joint=Joint.TRAINER,
        cause="smoke-impossible",
        subjects=("torch",),
        evidence=(Evidence("asked for", "--smoke", "the command line"),),
        says=lacks.hint,
        fingerprint=fingerprint("SMOKE-IMPOSSIBLE"),
        counts=True,
    )
