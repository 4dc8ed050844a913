"""What the pages of a proof say in the same words, on a terminal and in HTML: the verdict, settings, times, memory. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from envdoctor.proving.proof import State
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.measured import Asked, Measured, Step
    from envdoctor.proving.proof import Invariant, Proof

TOTALS = frozenset({"whole", "worker"})
"""Sums of other times, which a page need not repeat."""
STATES = {State.BROKEN: "BROKEN", State.UNMEASURED: "not measured", State.HELD: "held"}


def verdict(proof: Proof) -> str:
    """PROVEN or NOT PROVEN."""
    return "PROVEN" if proof.passed else "NOT PROVEN"


def headline(proof: Proof) -> str:
    """One sentence after the verdict: what was proven, or the one cause."""
    if proof.passed:
        held = sum(one.state is State.HELD for one in proof.invariants)
        return f"GRPO with the engine {proof.engine} really trains here: {plural(held, 'invariant')} held"
    if proof.cause is not None:
        return proof.cause.title
    broken = [one for one in proof.invariants if one.state is State.BROKEN]
    if broken:
        return f"{broken[0].title}: {broken[0].value}, {broken[0].bound}"
    return "the run did not come to its end" if proof.failure is not None else "a required invariant was not measured"


def in_order(invariants: Sequence[Invariant]) -> list[Invariant]:
    """Broken ones first, then those that were not measured, then the rest; each in the order of the verdict."""
    order = list(STATES)
    return sorted(invariants, key=lambda one: order.index(one.state))


def counted(invariants: Sequence[Invariant]) -> str:
    """How many held, broke and were not measured."""
    counts = {state: sum(one.state is state for one in invariants) for state in STATES}
    said = [f"{counts[State.HELD]} held", f"{counts[State.BROKEN]} broken"]
    if counts[State.UNMEASURED]:
        said.append(f"{counts[State.UNMEASURED]} not measured")
    return ", ".join(said)


def setting(measured: Measured) -> Iterator[tuple[str, str]]:
    """What was run: rows of a label and a text."""
    asked = measured.asked
    device = measured.device_name or asked.device
    capability = f", compute capability {measured.compute_capability}" if measured.compute_capability else ""
    yield "device", f"{asked.device}: {device}{capability}{'' if asked.gpus == 1 else f'; {together(asked)}'}"
    model = asked.model or "built on the spot, random weights"
    size = f"{plural(measured.layers, 'layer')}, {measured.parameters:,} parameters, {measured.vocabulary:,} tokens"
    yield "model", f"{measured.model_kind}, {model}; {size}"
    batch = f"{asked.prompts} prompts x {asked.group} answers x {plural(asked.answer_tokens, 'token')}"
    done = f"{plural(len(measured.steps), 'step')} of {batch}, {plural(asked.inner_steps, 'update')} a step"
    rates = f"learning rate {asked.learning_rate:g}, clip {asked.clip:g}, KL weight {asked.kl_weight:g}"
    yield "run", f"{asked.loss} with {asked.reward} reward, seed {asked.seed}: {done}, {rates}; engine in {asked.engine_dtype}"
    if measured.ended_by is not None:
        left = asked.steps - len(measured.steps)
        yield "ended by", f"{measured.ended_by} ({asked.budget_s:g} s): {plural(left, 'step')} of {asked.steps} left out"
    if measured.versions:
        yield "versions", ", ".join(f"{name} {version}" for name, version in sorted(measured.versions.items()))


def together(asked: Asked) -> str:
    """What takes part in a run of several: "3 GPUs, the last one for vLLM alone"."""
    what = f"{asked.gpus} {'processes' if asked.device == 'cpu' else 'GPUs'}"
    return what + (", the last one for vLLM alone" if "vllm" in asked.engine else "")


def times(measured: Measured, seconds: float) -> Iterator[tuple[str, str]]:
    """Seconds by part, the engine's start apart from the training, and tokens a second after the first step."""
    for name in sorted(measured.times_s, key=_rank):
        if name not in TOTALS:
            yield name.replace("_", " "), f"{measured.times_s[name]:.1f} s"
    yield "in all", f"{seconds:.1f} s"
    # the first step compiles, captures and allocates
    warm = measured.steps[1:] or measured.steps
    rollout, train = _rate(warm, "rollout_s"), _rate(warm, "train_s")
    if rollout is not None and train is not None:
        more = f", each learnt from {measured.asked.inner_steps} times" if measured.asked.inner_steps > 1 else ""
        yield "tokens/s", f"{rollout:,.0f} in the rollout, {train:,.0f} in the training{more} (without the first step)"


def _rank(name: str) -> int:
    """Places in which the parts of a run are told: imports, the engine's start, the training, the rest in their own order."""
    first = ("import", "engine_start", "train")
    return next((place for place, start in enumerate(first) if name.startswith(start)), len(first))


def _rate(steps: Sequence[Step], name: str) -> float | None:
    seconds = sum(getattr(one, name) for one in steps)
    return sum(one.tokens for one in steps) / seconds if seconds > 0 else None


def memory(measured: Measured) -> Iterator[tuple[str, str]]:
    """The peak, its growth, and what PPO's value network costs beside GRPO, which has none."""
    where = "of the GPU" if measured.asked.device.startswith("cuda") else "resident set of the process"
    if measured.peak_bytes is not None:
        yield "peak", f"{size(measured.peak_bytes)} ({where})"
    held = [one.memory_bytes for one in measured.steps if one.memory_bytes is not None]
    if len(held) > 1:
        grown = held[-1] - held[0]
        a_step = grown / (len(held) - 1)
        yield "growth", f"{size(grown)} from the first step to the last, {size(a_step)} a step"
    network = measured.value_network
    if network is not None:
        more = network.state_bytes / network.policy_state_bytes if network.policy_state_bytes else math.nan
        share = f", {more * 100:.0f} % more than GRPO, which has none" if math.isfinite(more) else ""
        state = f"{size(network.state_bytes)} of weights, gradients and optimizer state"
        text = f"{network.parameters:,} parameters: {state} beside the policy's {size(network.policy_state_bytes)}{share}"
        yield "value network", text


def size(count: float) -> str:
    """Bytes in the unit that suits them: 1.2 GiB; a loss has its sign."""
    for unit, one in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(count) >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} bytes"


def number(value: float | None) -> str:
    """A number as a page shows it; one that was not finite is said to be so."""
    if value is None or not math.isfinite(value):
        return "not a number"
    return f"{value:.3g}"
