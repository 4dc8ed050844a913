"""What a preflight took and what stopping early spared, in seconds and at the node's price. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.preflight.outcome import Cost, Estimate, State, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.preflight.baseline import Baseline
    from envdoctor.preflight.outcome import Price, TierResult

MEASURED_S = {Tier.CHECK: 0.3, Tier.DRIFT: 0.1, Tier.FILES: 9.0, Tier.DEEP: 69.0, Tier.SMOKE: 37.0}
"""How long a tier took on two cores without a GPU, in an environment of 158 distributions with torch, vLLM and TRL."""
MEASURED = "what was measured on two CPU cores (benchmarks/README.md), for want of a baseline"
LAST = "the baseline"


def cost(tiers: Iterable[TierResult], spent_s: float, price: Price | None, base: Baseline | None) -> Cost:
    """What it came to. Only a failure spares anything: a tier that the budget left out is still to be run.

    Args:
        tiers: all of them.
        spent_s: by the whole preflight.
        price: of the node.
        base: an earlier preflight, whose times are those of this machine, perhaps.
    """
    tiers = tuple(tiers)
    failed = any(one.state is State.FAILED for one in tiers)
    left = [one.tier for one in tiers if one.state is State.NOT_RUN] if failed else []
    took = {one.tier: one.seconds for one in base.tiers if one.state == State.PASSED.value} if base else {}
    return Cost(
        price=price,
        spent_s=spent_s,
        spared=tuple(
            Estimate(tier=tier, seconds=took[tier.value], via=LAST)
            if tier.value in took
            else Estimate(tier=tier, seconds=MEASURED_S[tier], via=MEASURED)
            for tier in left
            if tier.value in took or tier in MEASURED_S
        ),
    )
