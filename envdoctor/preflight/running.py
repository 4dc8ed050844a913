"""The whole preflight: the tiers in their order, stopped at the first that fails or when the budget is spent."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from envdoctor import session
from envdoctor.errors import UserError
from envdoctor.locks import files as locks
from envdoctor.preflight import assembling, baseline, costs, live, tiers
from envdoctor.preflight.budget import Budget, OutOfTime, within
from envdoctor.preflight.going import Going, Stand
from envdoctor.preflight.outcome import Preflight, State, Tier, TierResult
from envdoctor.preflight.places import Repository, root_of
from envdoctor.preflight.problems import distinct
from envdoctor.sources import lock as locked
from envdoctor.sources import parse_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.preflight.going import Asked
    from envdoctor.session import Plan

RUN = frozenset({Tier.DEEP, Tier.SMOKE})
"""Tiers that run the target."""
LATE = frozenset({Tier.FILES, *RUN})
"""Tiers in which a target that was there can be gone: what was found before is told all the same."""


def run(asked: Asked, plan: Plan, say: Callable[[Tier, str], None]) -> Preflight:
    """Run it.

    Args:
        asked: on the command line.
        plan: the configuration with the command line over it, and the compatibility data.
        say: told the tier and in a few words what is done now.

    Raises:
        UserError: a target, a lock or a Dockerfile that was named is not there or cannot be read.
    """
    budget = Budget(asked.budget_s)
    began = dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    wanted = wanted_tiers(asked)
    here = session.here()
    requirements = None
    if asked.lock is not None:
        requirements = os.path.abspath(locked.requirements_of(locked.read(asked.lock), asked.lock))
    going = Going(asked, plan, Repository(here, requirements, plan.config.path, root_of(here, os.environ)), say)
    results: list[TierResult] = []
    stopped: str | None = None
    for tier in Tier:
        left_s = budget.left_s()
        if isinstance(wanted[tier], str):
            results.append(_not(tier, State.NOT_ASKED, str(wanted[tier])))
        elif stopped is not None:
            results.append(_not(tier, State.NOT_RUN, stopped))
        elif left_s <= 0:
            results.append(_not(tier, State.NOT_RUN, f"the budget of {asked.budget_s:g} s was spent"))
        else:
            results.append(_one(tier, going, budget, left_s))
            if results[-1].state is State.FAILED:
                stopped = f"{tier.value} failed"
    problems = assembling.ordered(distinct(going.problems))
    every = (*problems, *(one.problem for one in going.waived))
    facts = going.facts
    return Preflight(
        target=facts.target.spec if facts else session.shown(asked.target or "the active environment"),
        chosen=facts.target.chosen if facts else "not read yet",
        profile=plan.profile,
        lock=going.repository.shown(requirements) if requirements else None,
        began=began,
        seconds=budget.spent_s(),
        budget_s=asked.budget_s,
        verdict=assembling.verdict(problems, results, tuple(going.crashes), tuple(going.questions), strict=asked.strict),
        tiers=tuple(results),
        problems=problems,
        waived=tuple(going.waived),
        questions=tuple(going.questions),
        crashes=tuple(going.crashes),
        notes=tuple(going.notes),
        stack=assembling.stacked(facts, going.verdicts, going.proof, problems) if facts else (),
        since=baseline.since(asked.baseline, every, results, facts) if asked.baseline else None,
        cost=costs.cost(results, budget.spent_s(), asked.price, asked.baseline),
        facts=facts,
        proof=going.proof,
    )


def wanted_tiers(asked: Asked) -> dict[Tier, bool | str]:
    """Each tier with True, or with why it is not asked for.

    Raises:
        UserError: what is asked for cannot be had of this target.
    """
    spec = parse_target(asked.target, os.environ)
    runs = spec.scheme == "venv"
    if asked.smoke and asked.static:
        raise UserError("--static runs nothing, and --smoke trains", "Leave one of them away.")
    if asked.smoke and not runs:
        what = f"nothing of {asked.target} can be run from here, so no smoke can be"
        raise UserError(what, "Name an environment. In an image: docker run --gpus all IMAGE envdoctor preflight --smoke")
    if asked.lock is not None and spec.scheme == "lock":
        hint = f"Leave --lock away, or name the environment: envdoctor preflight --lock {asked.lock} .venv"
        raise UserError(f"{asked.target} is a lock itself, and --lock holds an environment against one", hint)
    found: dict[Tier, bool | str] = dict.fromkeys(Tier, True)
    if asked.lock is None:
        found[Tier.DRIFT] = found[Tier.FILES] = "--lock NAME asks for it"
    if not asked.smoke:
        found[Tier.SMOKE] = "--smoke asks for it"
    if asked.static:
        found |= {tier: "--static runs nothing" for tier in (Tier.FILES, *RUN) if found[tier] is True}
    if not runs:
        found |= {tier: f"nothing of {spec.scheme}: is run from here" for tier in RUN if found[tier] is True}
    return found


def _not(tier: Tier, state: State, why: str) -> TierResult:
    return TierResult(tier=tier, state=state, seconds=0.0, said=why)


def _one(tier: Tier, going: Going, budget: Budget, left_s: float) -> TierResult:
    """Run one tier within what is left."""
    began = budget.spent_s()
    going.say(tier, "begins")
    try:
        with within(left_s):
            stand = _stand(tier, going, left_s)
    except OutOfTime:
        stand = Stand("broken off", untold=f"no answer in the {left_s:.0f} s that were left of the budget")
    except UserError as wrong:
        if tier not in LATE:
            raise  # what was named is not there: nothing has been found yet that could be lost
        stand = Stand("not run", untold=f"{wrong.what}. {wrong.hint}")
    state = State.FAILED if going.failed(tier) else State.PASSED if stand.untold is None else State.UNTOLD
    said = f"{stand.said}: {stand.untold}" if state is State.UNTOLD else stand.said
    return TierResult(tier=tier, state=state, seconds=budget.spent_s() - began, said=said)


def _stand(tier: Tier, going: Going, left_s: float) -> Stand:
    if tier is Tier.SMOKE:
        return live.smoke_tier(going, left_s)
    if tier is Tier.DEEP:
        return live.deep_tier(going)
    return {Tier.LINT: tiers.lint_tier, Tier.CHECK: tiers.check_tier, Tier.DRIFT: tiers.drift_tier, Tier.FILES: tiers.files_tier}[
        tier
    ](going)


def lock_named(text: str | None) -> str | None:
    """The lock that --lock names, with or without "lock:". Raises UserError: there is none."""
    if text is None:
        return None
    spec = text.removeprefix("lock:")
    locks.locate(spec)
    return spec
