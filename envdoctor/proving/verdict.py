"""The verdict: what must be so in every healthy run, each with its value, its bound and what is broken where it is not so.

Pure: :class:`Measured` in, invariants out. A number that is missing because it was not finite breaks its invariant; one that this
engine cannot measure (it says why) leaves it unmeasured. What the bounds rest on stands beside them; docs/smoke.md has the
measurements, and ``make smoke-sabotage`` shows which faults each of them catches.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from envdoctor.proving.proof import Invariant, State
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from envdoctor.measured import Measured, Sample

MIB = 1 << 20
LAST = 10
"""Steps at the end whose mean reward counts."""
REWARD_WANTED = 0.90
"""Of the tiny model, mean of the last steps: the lowest of 30 healthy seeds and the best of all faults lie on its two sides."""
GREEDY_WANTED = 0.75
"""Of the tiny model on prompts that training never saw."""
STANDARD_ERRORS = 5.0
"""A healthy run exceeds it once in 1.7 million (normal distribution)."""
EARLY = 3
"""Steps after which the entropy must still be there."""
KL_LIMIT = 20.0
"""Nats a token. The tiny model starts near uniform, so that a fully learnt answer is ln 16 = 2.8 away; k3 scatters above it."""
NEEDED = frozenset({"rewards-are-true", "all-finite", "every-layer-moves", "reward-rises"})
"""Without these there is no proof, whatever the engine can show."""

GAP = {
    ("float32", "cpu"): (1e-4, 1e-5),
    # attention kernels of GPU engines may round float32 to TF32 (10 bits of mantissa: 1e-3 a product)
    ("float32", "cuda"): (2e-2, 2e-3),
    # 8 bits of mantissa: 4e-3 a product; measured 4.4e-2 at most and 1.3e-2 in the mean, a stale engine 1 and more
    ("bfloat16", "cpu"): (0.25, 0.03),
    ("bfloat16", "cuda"): (0.25, 0.03),
    ("float16", "cuda"): (0.05, 0.01),
}
"""(dtype of the engine, kind of device) -> largest and mean difference of log-probabilities that rounding explains."""
KL_AT_START = {"cpu": 1e-7, "cuda": 2e-6}
"""On a GPU the pass without gradients may take another attention kernel, and exp(x) - x - 1 keeps the rounding of 1: 6e-8."""
RATIO = {"cpu": 1e-5, "cuda": 1e-3}
"""The same forward pass twice: the same bits on a CPU; on a GPU sums may be added in another order."""
GRADIENT = {"cpu": 1e-4, "cuda": 2e-3}
"""float32 against float64, relative. Measured 1e-6 on a CPU; a dropped answer of 128 changes it by 1e-2."""


def judge(measured: Measured) -> tuple[Invariant, ...]:
    """Every invariant that is one for this run, in the order of cause and effect."""
    found: list[Invariant] = []
    for one in INVARIANTS:
        found += one(measured)
    return tuple(found)


def proven(invariants: Iterable[Invariant]) -> bool:
    """Nothing is broken, and what is required was measured."""
    told = tuple(invariants)
    return bool(told) and all(one.state is State.HELD or (one.state is State.UNMEASURED and not one.required) for one in told)


def made(measured: Measured, key: str, title: str, bound: str, why: str, value: float | None, *, holds: bool) -> Invariant:
    """An invariant about one number; None is a number that was not finite, unless the run says why it has none."""
    if key in measured.unmeasured:
        return unmeasured(key, title, bound, measured.unmeasured[key])
    state = State.HELD if value is not None and holds else State.BROKEN
    shown = "not a finite number" if value is None else f"{value:.4g}"
    return Invariant(key=key, title=title, state=state, value=shown, bound=bound, why=why)


def unmeasured(key: str, title: str, bound: str, why: str) -> Invariant:
    """One that could not be measured."""
    return Invariant(
        key=key, title=title, state=State.UNMEASURED, value="not measured", bound=bound, why=why, required=key in NEEDED
    )


def at_most(  # the number, what bounds it, and what that rests on
    measured: Measured, key: str, title: str, value: float | None, limit: float, why: str, basis: str = ""
) -> Invariant:
    """A number that may not exceed a limit."""
    bound = f"at most {limit:g}" + (f" ({basis})" if basis else "")
    return made(measured, key, title, bound, why, value, holds=value is not None and abs(value) <= limit)


def mean(values: list[float]) -> float:
    """Of some numbers; each is divided first, since a sum of hostile ones overflows."""
    return sum(one / len(values) for one in values)


def largest(values: Iterable[float | None]) -> float | None:
    """The largest absolute value; None if one of them is not finite, or there is none."""
    told = list(values)
    finite = [abs(one) for one in told if one is not None]
    return max(finite) if finite and len(finite) == len(told) else None


def too_few(measured: Measured) -> str:
    """Why something that needs more steps was not measured."""
    by = f"; the budget of {measured.asked.budget_s:g} s ended it" if measured.ended_by == "budget" else ""
    return f"training came to {plural(len(measured.steps), 'step')}{by}"


def kind_of_device(measured: Measured) -> str:
    """The kind of the device: cpu or cuda."""
    return "cuda" if measured.asked.device.startswith("cuda") else "cpu"


def finite(measured: Measured) -> Iterator[Invariant]:
    """No NaN, no Inf."""
    where = "; ".join(measured.not_finite)
    yield Invariant(
        key="all-finite",
        title="no loss, weight or gradient is NaN or Inf",
        state=State.BROKEN if where else State.HELD,
        value=where or "none",
        bound="none",
        why="Training cannot go on from NaN: a kernel that computes wrongly, an overflow in a low precision, or a broken layer.",
    )


def rewards(measured: Measured) -> Iterator[Invariant]:
    """Each answer has the reward of its own text, and answers of a group differ."""
    why = "The rewards that reach the loss are not those of the answers: shuffled, constant, or of another batch."
    title = "each answer has the reward of its own tokens, read a second time"
    yield at_most(measured, "rewards-are-true", title, largest(step.reward_error for step in measured.steps), 1e-6, why)
    early = [step.reward_spread for step in measured.steps[:EARLY] if step.reward_spread is not None]
    spread = mean(early) if early else None
    why = "All answers of a group are alike: there is nothing to learn from. Is the sampler greedy, the seed fixed?"
    title = f"answers of a group differ in the first {EARLY} steps (mean spread of their rewards)"
    yield made(measured, "groups-differ", title, "more than 0.01", why, spread, holds=(spread or 0) > 0.01)  # noqa: PLR2004


def advantages(measured: Measured) -> Iterator[Invariant]:
    """Those of the formula, and centred within each group."""
    why = "The loss does not get the advantages of these answers: a sign, a scale, groups mixed up, or the wrong rewards."
    title = "advantages are those of the formula in float64 (largest difference)"
    value = largest(one.advantage_error for one in measured.steps)
    yield at_most(measured, "advantages-are-right", title, value, 2e-3, why, "float32 over a spread of 1e-4 and more")
    if measured.asked.loss == "ppo":
        return
    why = "Advantages were normalised over other answers than those to the same prompt: groups are mixed up."
    title = "advantages of each group sum to zero"
    yield at_most(
        measured, "advantages-centred", title, largest(one.advantage_sum for one in measured.steps), 1e-4, why, "float32"
    )


def agreement(measured: Measured) -> Iterator[Invariant]:
    """The engine's log-probabilities are the trainer's: before training, and after every push of weights."""
    dtype = measured.asked.engine_dtype
    limits = GAP.get((dtype, kind_of_device(measured)), GAP["bfloat16", "cuda"])
    named = f"{measured.asked.engine} in {dtype} on {kind_of_device(measured)}"
    why_first = (
        "Engine and trainer compute different probabilities of the same tokens from the same weights: another temperature or "
        "processing of logits, an off-by-one between tokens and log-probabilities, dropout, or a wrong kernel."
    )
    why_later = (
        "The engine does not have the trainer's weights after a push: stale, pushed to another layer, or only some of them."
    )
    for key, title, some, why in (
        ("engine-agrees", "engine and trainer agree on the same tokens before training", measured.steps[:1], why_first),
        ("engine-agrees-after-push", "they agree after every push of weights", measured.steps[1:], why_later),
    ):
        gap, mean = largest(one.logp_gap_max for one in some), largest(one.logp_gap_mean for one in some)
        if not some:
            yield unmeasured(key, title, f"at most {limits[0]:g}", too_few(measured))
            continue
        bound = f"at most {limits[0]:g}, in a step's mean {limits[1]:g} ({named})"
        holds = gap is not None and mean is not None and gap <= limits[0] and mean <= limits[1]
        yield made(measured, key, f"{title} (largest gap of log p)", bound, why, gap, holds=holds)


def sampler(measured: Measured) -> Iterator[Invariant]:
    """Tokens are drawn from the policy at temperature 1: their surprise is the entropy, by a z-test over all steps."""
    over = [
        (one.surprise - one.entropy, one.surprise_error, one.tokens)
        for one in measured.steps
        if one.surprise is not None and one.entropy is not None and one.surprise_error is not None
    ]
    value = None
    if len(over) == len(measured.steps):
        error = math.hypot(*(spread * tokens for _, spread, tokens in over))
        value = sum(excess * tokens for excess, _, tokens in over) / error if error else 0.0
    title = "sampled tokens are as surprising as the policy's entropy says (standard errors)"
    why = "The sampler does not draw from the policy: another temperature, top-p or top-k, a penalty, or a fixed seed."
    yield at_most(measured, "sampler-follows-policy", title, value, STANDARD_ERRORS, why)


def ratio(measured: Measured) -> Iterator[Invariant]:
    """Nothing has moved yet on the first inner step."""
    title = "the ratio is 1 on the first inner step (largest |ratio - 1|)"
    why = "The old log-probabilities are not those of the policy that is trained: of another batch, shifted, or dropout is on."
    value = largest(one.ratio_deviation for one in measured.steps)
    yield at_most(measured, "ratio-is-one", title, value, RATIO[kind_of_device(measured)], why, "the same pass twice")


def gradient(measured: Measured) -> Iterator[Invariant]:
    """The gradient is that of the formula."""
    key, title = "gradient-is-right", "the gradient is that of the formula in float64 (relative error)"
    limit = GRADIENT[kind_of_device(measured)]
    checks = measured.gradients
    value = largest(one.relative_error for one in checks)
    why = "What the optimizer gets is not the gradient of this loss: a sign, a scale, a clip, a mask, a KL or a kernel is wrong."
    told = at_most(measured, key, title, value, limit, why, f"{len(checks)} gradients")
    # a check in which nothing was clipped and the KL was zero says nothing of either
    if told.state is State.HELD and not (any(one.clipped for one in checks) and any(one.kl for one in checks)):
        told = unmeasured(key, title, told.bound, "in none of the checked gradients were tokens clipped and the KL above zero")
    yield told


def update(measured: Measured) -> Iterator[Invariant]:
    """The optimizer makes of the gradient what AdamW makes of it."""
    why = "The optimizer does something else with the gradient than AdamW: another learning rate, noise, or weights left out."
    title = "the first update is AdamW's in float64 (relative error)"
    limit = 1e-3 if measured.asked.model is None else 0.1
    yield at_most(measured, "update-is-right", title, measured.update_error, limit, why, "weights in float32")


def divergence(measured: Measured) -> Iterator[Invariant]:
    """KL to the frozen reference."""
    values = [one.kl for one in measured.steps]
    why = "The frozen reference is not the model that training began with: other weights, or another precision."
    first = values[0] if values else None
    title = "KL to the frozen reference is 0 before training (nats)"
    yield at_most(measured, "kl-is-zero-at-start", title, first, KL_AT_START[kind_of_device(measured)], why)
    top = largest(values)
    holds = top is not None and top <= KL_LIMIT and min(one for one in values if one is not None) >= -1e-6  # noqa: PLR2004
    why = "The policy has left its reference, or the estimate is wrong: k3 is never negative."
    bound = f"from 0 to {KL_LIMIT:g}"
    yield made(measured, "kl-in-range", "KL stays finite and in range (largest, nats a token)", bound, why, top, holds=holds)


def entropy(measured: Measured) -> Iterator[Invariant]:
    """It does not collapse at once."""
    steps = measured.steps
    title = f"entropy does not collapse at once (share of the first step's left after {EARLY} steps)"
    if len(steps) <= EARLY and not measured.not_finite:
        yield unmeasured("entropy-holds", title, "at least 0.3", too_few(measured))
        return
    value = None
    if len(steps) > EARLY:
        first, later = steps[0].entropy, steps[EARLY].entropy
        value = None if first is None or later is None else later / first if first else 0.0
    why = "The policy gives one answer before it can have learnt which: too large a learning rate, or a wrong sign."
    yield made(measured, "entropy-holds", title, "at least 0.3", why, value, holds=(value or 0) >= 0.3)  # noqa: PLR2004


def movement(measured: Measured) -> Iterator[Invariant]:
    """Every tensor of parameters has moved."""
    changes = {one.name: one.change for one in measured.moved}
    least = min(changes, key=lambda name: -1.0 if changes[name] is None else float(changes[name] or 0), default="")
    value = changes.get(least)
    still = [name for name, change in changes.items() if not change or change <= 1e-6]  # noqa: PLR2004
    named = f" (least: {least})" if least else ""
    why = "Some layers do not learn: frozen, not given to the optimizer, no gradient, or a learning rate of 0."
    why += f" They stand still: {', '.join(still[:3])}{' and others' if len(still) > 3 else ''}." if still else ""  # noqa: PLR2004
    title = f"parameters of every layer move, ||w - w0|| / ||w0||{named}"
    yield made(measured, "every-layer-moves", title, "more than 1e-06", why, value, holds=not still and bool(changes))


def rise(measured: Measured) -> Iterator[Invariant]:
    """The reward rises against the same model untrained, and for the tiny model to where it always does."""
    before, after = measured.untrained, measured.trained
    value = None
    errors = [standard_error(one) for one in (before, after)]
    if before.mean is not None and after.mean is not None and None not in errors:
        error = math.hypot(*(one for one in errors if one is not None))
        rise_by = after.mean - before.mean
        value = rise_by / error if error else (math.inf if rise_by > 0 else 0.0)
    tail = [one.reward for one in measured.steps[-LAST:] if one.reward is not None]
    last = mean(tail) if tail else 0.0
    tiny = measured.asked.model is None
    enough = last >= REWARD_WANTED or not tiny
    title = f"reward rises on held-out prompts, {shown(before.mean)} to {shown(after.mean)} (standard errors)"
    bound = f"at least {STANDARD_ERRORS:g}" + (
        f", and at least {REWARD_WANTED:g} in the last {LAST} steps (is {last:.3f})" if tiny else ""
    )
    why = "The policy does not learn this task, which every healthy run learns."
    if measured.ended_by == "budget":
        done = f"{len(measured.steps)} of {measured.asked.steps} steps"
        why = f"The budget of {measured.asked.budget_s:g} s ended training after {done}; give it more with --budget."
    yield made(measured, "reward-rises", title, bound, why, value, holds=(value or 0) >= STANDARD_ERRORS and enough)
    greedy, first = measured.greedy_after, measured.greedy_before
    improved = greedy is not None and first is not None and greedy > first and (greedy >= GREEDY_WANTED or not tiny)
    title = f"greedy answers to held-out prompts improve (mean reward, before {shown(first)})"
    bound = f"at least {GREEDY_WANTED:g}" if tiny else f"above {shown(first)}"
    if measured.ended_by != "budget":
        why = "What was sampled got better and the policy's best answer did not."
    yield made(measured, "greedy-improves", title, bound, why, greedy, holds=improved)


def standard_error(sample: Sample) -> float | None:
    """Of the mean; None of no values, or of a variance that is none."""
    if sample.variance is None or sample.variance < 0 or sample.count < 1:
        return None
    return math.sqrt(sample.variance / sample.count)


def shown(value: float | None) -> str:
    """Three places."""
    return "nothing" if value is None else f"{value:.3f}"


def memory(measured: Measured) -> Iterator[Invariant]:
    """No growth from step to step, by the medians of the last two quarters."""
    key, title = "memory-is-steady", "memory in use does not grow (MiB a step, second half)"
    bytes_used = [one.memory_bytes for one in measured.steps if one.memory_bytes is not None]
    quarter = len(bytes_used) // 4
    if quarter < 2:  # noqa: PLR2004
        why = measured.unmeasured.get(key, f"{plural(len(bytes_used), 'step')} cannot tell growth from noise")
        yield unmeasured(key, title, "at most 1", why)
        return
    growth = (median(bytes_used[-quarter:]) - median(bytes_used[-2 * quarter : -quarter])) / quarter / MIB
    why = "Something is kept from step to step: a graph that is never freed, rollouts that are collected, an engine's cache."
    yield made(measured, key, title, "at most 1", why, growth, holds=growth <= 1)


def repetition(measured: Measured) -> Iterator[Invariant]:
    """The same seed gives the same run: bits on a CPU, within a bound elsewhere."""
    key, again = "same-seed-same-run", measured.repeat
    if again is None:
        if not measured.not_finite:
            why = measured.unmeasured.get(key, "the run was asked for without a repeat")
            yield unmeasured(key, "the same seed gives the same run", "no difference", why)
        return
    exact = kind_of_device(measured) == "cpu" and measured.asked.engine in {"bare", "transformers"}
    limit = 0.0 if exact else 0.1
    title = f"the same seed gives the same {again.steps} first steps (largest difference of a reward)"
    bound = "the same bits" if exact else f"at most {limit:g}"
    holds = again.largest is not None and again.largest <= limit and (again.same_bits or not exact)
    why = f"Step {again.first_difference} differs: something is drawn or added in another order, or state was left over."
    yield made(measured, key, title, bound, why if again.first_difference is not None else "", again.largest, holds=holds)


def ranks(measured: Measured) -> Iterator[Invariant]:
    """All ranks of a data-parallel run end with the same weights."""
    if measured.asked.gpus < 2:  # noqa: PLR2004
        return
    title = f"all {len(measured.ranks)} ranks end with the same weights (largest difference)"
    why = "Gradients were not averaged over all ranks, or a collective changed what it carried."
    yield at_most(measured, "ranks-agree", title, largest(one.weights_differ for one in measured.ranks), 1e-6, why)


def value_network(measured: Measured) -> Iterator[Invariant]:
    """PPO's value network comes nearer to the returns."""
    if measured.asked.loss != "ppo":
        return
    told = measured.value_network
    title = "the value network learns (its error, last against first five steps)"
    if told is None:
        yield unmeasured("value-network-learns", title, "at most 0.7", "the engine tells nothing of its value network")
        return
    value = None if told.error_first is None or told.error_last is None else told.error_last / (told.error_first or math.inf)
    why = "The value network does not come nearer to the returns: no gradient, or the wrong targets."
    yield at_most(measured, "value-network-learns", title, value, 0.7, why)


INVARIANTS: tuple[Callable[[Measured], Iterator[Invariant]], ...] = (
    finite,
    rewards,
    advantages,
    agreement,
    sampler,
    ratio,
    gradient,
    update,
    divergence,
    entropy,
    movement,
    rise,
    memory,
    repetition,
    ranks,
    value_network,
)
