"""Which broken invariant leads, what it says is broken, and what to look at. Pure.

The order is that of causes: what is wrong with the numbers themselves, then with rewards and advantages, then with the engine
beside the trainer, then with the loss and its gradient, then with the update; that nothing is learnt is a consequence of any.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.findings import Evidence
from envdoctor.proving.proof import Cause, State
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from envdoctor.measured import GradientCheck, Measured, Step
    from envdoctor.proving.proof import Invariant

_DEVICE = re.compile(r"cpu|cuda(?::\d{1,3})?")
WRONG_GRADIENT = 0.01
"""A relative error above it is no rounding: healthy ones are near 1e-6, the smallest of a fault was .52."""
SURPRISED = 4.0
"""So many standard errors between surprise and entropy are no chance."""
SMALL_GAP, GROWN = 1e-5, 10.0
"""A gap of so many times the first step's (or of the small one, where that is larger) is no rounding."""
OPPOSITE, ALIGNED = -0.9, 0.99


class Says(NamedTuple):
    """What is broken and what to look at."""

    title: str
    why: str
    look: str
    command: tuple[str, ...] = ()
    """Where another one than the usual helps."""


def of_broken(invariants: Sequence[Invariant], measured: Measured) -> Cause | None:
    """The invariant that leads, of those that broke; else the required one that was not measured; None where there is neither."""
    broken = {one.key: one for one in invariants if one.state is State.BROKEN}
    if broken:
        order = _order(broken, measured)
        listed = sorted(broken.values(), key=lambda one: order.index(one.key) if one.key in order else len(order))
        leads = listed[0]
        teller = TELLERS.get(leads.key)
        says = (
            Says(f"Broken: {leads.title}", leads.why, "Look at what this invariant measures.")
            if teller is None
            else teller(set(broken), measured)
        )
        # what broke with it stands in the table of invariants
        evidence = Evidence(leads.title, f"{leads.value} (bound: {leads.bound})", "the run's own numbers")
        follows = f" {plural(len(listed) - 1, 'other invariant')} broke with it." if len(listed) > 1 else ""
        return _cause(says._replace(why=says.why + follows), evidence, measured)
    missing = [one for one in invariants if one.state is State.UNMEASURED and one.required]
    if missing:
        says = Says(
            f"Not measured: {missing[0].title}",
            f"Nothing broke, but without it a run is no proof: {missing[0].why}",
            "Run it with an engine, a device or a budget that can measure it.",
        )
        return _cause(says, Evidence(missing[0].title, "not measured", "the verdict"), measured)
    return None


def _order(broken: Collection[str], measured: Measured) -> list[str]:
    """Keys in order of precedence. Layers that stand still make the whole gradient and update wrong, and say more than those."""
    order = list(TELLERS)
    still = [not one.change for one in measured.moved]
    if any(still) and (not all(still) or "gradient-is-right" not in broken):
        order.remove("every-layer-moves")
        order.insert(order.index("gradient-is-right"), "every-layer-moves")
    return order


def _cause(says: Says, evidence: Evidence, measured: Measured) -> Cause:
    """With a command that parts the stack: the same run without the engine, or the kernels alone."""
    asked = measured.asked
    # the document comes from a target: only a device that is one goes into a command
    device = ("--device", asked.device) if _DEVICE.fullmatch(asked.device) else ()
    bare = ("envdoctor", "smoke", "--engine", "bare", *device, "--seed", str(asked.seed))
    if says.command:
        apart, more = says.command, ""
    elif asked.engine == "bare":
        apart, more = ("envdoctor", "check", "--deep"), " The command tries the kernels on their own."
    else:
        apart = bare
        more = f" The command runs the same without {asked.engine}: where that is proven, {asked.engine} is at fault."
    return Cause(
        title=says.title,
        why=says.why,
        evidence=(evidence,),
        says=says.look + more,
        commands=(apart,),
    )


def _said(title: str, why: str, look: str) -> Callable[[set[str], Measured], Says]:
    def tell(_broken: set[str], _measured: Measured) -> Says:
        return Says(title, why, look)

    return tell


def _not_finite(_broken: set[str], measured: Measured) -> Says:
    first = measured.not_finite[0] if measured.not_finite else "where, the run does not tell"
    return Says(
        f"NaN or Inf: {first}",
        "From there on every number that depends on it is none, so that nothing else in this run tells anything.",
        "Look at the operation that made the first one: an overflow of a 16-bit type, a log of 0, a division by "
        "0, or a broken kernel.",
    )


def _engine(broken: set[str], measured: Measured) -> Says:
    """The engine and the trainer differ on the same tokens with the same weights."""
    if "ratio-is-one" in broken:
        return Says(
            "The trainer does not give the same log-probabilities twice",
            "They differ from the engine's, and from the trainer's own of a moment before: the ratio is not 1, its pass is not "
            "deterministic.",
            "Look for dropout that was left on (model.eval()), and for kernels that are not deterministic.",
        )
    sharper = _sharper(measured.steps) if "sampler-follows-policy" in broken else None
    if sharper is True:
        return Says(
            "The engine samples more sharply than the policy: its temperature is below 1, or it cuts the tail",
            "The sampled tokens surprise the policy less than its own entropy says, and the log-probabilities differ.",
            "Look at temperature, top_p, top_k and min_p: training needs 1, 1, none and 0.",
        )
    if sharper is False:
        return Says(
            "Tokens and log-probabilities do not belong together: shifted by one, or a temperature above 1",
            "The sampled tokens surprise the policy more than its own entropy says, and the log-probabilities differ.",
            "Look at where the answer begins: the logits of position t say what comes at t + 1; then at the temperature.",
        )
    if "kl-is-zero-at-start" in broken:
        return Says(
            "The trainer's log-probabilities are of other tokens: shifted by one?",
            "With the same weights engine and frozen reference both disagree with the trainer before anything was trained.",
            "Look at where the answer begins: the logits of position t say what comes at t + 1; then at masks and padding.",
        )
    return Says(
        "Engine and trainer disagree on the same tokens before anything was trained",
        "With the same weights both must give the same log-probabilities, and they do not.",
        "Look at the weights that the engine loaded, its number type, positions and masks, and whether its "
        "log-probabilities are those "
        "before temperature and penalties.",
    )  # fmt: skip


def _sharper(steps: Sequence[Step]) -> bool | None:
    """Whether the sampled tokens surprise less than the entropy says, by the first step that tells; None where none does."""
    for one in steps:
        if one.surprise is None or one.entropy is None or one.surprise_error is None:
            continue
        if abs(one.surprise - one.entropy) > SURPRISED * one.surprise_error:
            return one.surprise < one.entropy
    return None


def _sampler(_broken: set[str], measured: Measured) -> Says:
    sharper = _sharper(measured.steps)
    how = "not as" if sharper is None else "more sharply than" if sharper else "more widely than"
    return Says(
        f"The engine samples {how} the policy says",
        "Its log-probabilities are right, but the tokens do not come from them: their surprise is not the policy's entropy.",
        "Look at temperature, top_p, top_k, min_p, penalties and guided decoding of the sampler: training needs none of them.",
    )


def _stale(_broken: set[str], measured: Measured) -> Says:
    gaps = [one.logp_gap_max for one in measured.steps]
    begins = max(gaps[0] or 0.0, SMALL_GAP) if gaps else SMALL_GAP
    first = next((place for place, gap in enumerate(gaps) if place and gap is not None and gap > GROWN * begins), None)
    since = "" if first is None else f", from step {first} on"
    return Says(
        f"The engine does not have the trainer's weights after a push{since}",
        "Before training both agreed; after the first updates they no longer do. The pushed weights did not "
        "arrive, arrived late, or went "
        "into the wrong layers.",
        "Look at the push: whether it is called after every update, the names of the weights, fused ones "
        "(qkv_proj, gate_up_proj), and caches.",
    )  # fmt: skip


def _gradient(_broken: set[str], measured: Measured) -> Says:
    wrong = [one for one in measured.gradients if one.relative_error is None or one.relative_error > WRONG_GRADIENT]
    worst = wrong[0] if wrong else None
    where = "" if worst is None else f" at step {worst.step}, update {worst.inner}"
    look = "Look at the loss: sign of the advantage, masks, means over tokens and answers, what is detached, and scaling."
    if worst is None:
        return Says("The gradient is not that of a float64 reference", "It differs by more than rounding does.", look)
    return Says(
        f"The gradient{where} {_how_wrong(worst, measured.gradients)}",
        "It is compared with a float64 reference written on its own.",
        look,
    )


def _how_wrong(one: GradientCheck, checks: Sequence[GradientCheck]) -> str:
    """In which way a gradient is wrong, from its length and direction."""
    if not one.norm:
        return "is zero"
    if one.cosine is not None and one.cosine < OPPOSITE:
        return "points the opposite way: the sign of the loss or of the advantage is wrong"
    before = [other for other in checks if (other.step, other.inner) < (one.step, one.inner)]
    if before and (one.clipped or one.kl):
        return "is wrong where the clip and the KL term act, and right before: one of those two is wrong"
    if one.cosine is not None and one.cosine > ALIGNED and one.reference_norm:
        return f"has the right direction and {one.norm / one.reference_norm:.3g} times the length: it is scaled"
    return "points another way than it must"


def _moves(_broken: set[str], measured: Measured) -> Says:
    still = [one.name for one in measured.moved if not one.change]
    every = bool(measured.moved) and len(still) == len(measured.moved)
    if every:
        return Says(
            "No layer moves",
            "After all updates the parameters are what they were.",
            "Look at the learning rate (0?), at which parameters the optimizer was given, and whether its step is called.",
        )
    named = still[0] + (f" and {len(still) - 1} more" if len(still) > 1 else "") if still else ""
    return Says(
        f"Some layers do not move: {named}" if still else "Some layers hardly move",
        "After all updates their parameters are what they were, while others have changed.",
        "Look for requires_grad = False, layers that the optimizer was not given, and detached tensors below them.",
    )


def _rise(_broken: set[str], measured: Measured) -> Says:
    if measured.ended_by == "budget":
        done, of = len(measured.steps), measured.asked.steps
        return Says(
            f"The budget ended the training after {done} of {of} steps, before the reward had risen",
            f"What was measured inside each step holds; {measured.asked.budget_s:g} s were too short for this machine.",
            "Give it more time.",
            ("envdoctor", "smoke", "--budget", f"{math.ceil(measured.asked.budget_s * 1.5 * of / max(1, done))}s"),
        )
    return Says(
        "The reward does not rise, although each step by itself is right",
        "What is measured inside a step holds; what lies between steps does not work.",
        "Look at the optimizer (learning rate, state, clipping of gradients), at the clip, and at whether enough steps were run.",
    )


TELLERS: dict[str, Callable[[set[str], Measured], Says]] = {
    "all-finite": _not_finite,
    "rewards-are-true": _said(
        "The loss has other rewards than the answers earn",
        "Each answer's reward was read a second time on its own, and the two differ: rewards are constant, "
        "shuffled, or of other answers.",
        "Look at how rewards are put beside answers: order, repeats of the prompts, and gathering across processes.",
    ),
    "groups-differ": _said(
        "All answers to a prompt get the same reward",
        "Without a difference inside a group every advantage is 0 and nothing can be learnt.",
        "Look at the reward function, and whether the engine samples at all (greedy, or one seed for all answers).",
    ),
    "advantages-centred": _said(
        "Advantages do not sum to zero over the answers to a prompt",
        "The groups that the advantage is normalised over are not the answers to one prompt.",
        "Look at the order of the answers: each prompt repeated G times in a row (repeat_interleave), not the "
        "whole batch G times (repeat).",
    ),
    "advantages-are-right": _said(
        "The loss does not get the advantages of these answers",
        "Advantages were made a second time, in float64, from rewards read again, and the two differ.",
        "Look at their sign and scale, at the order of the answers (each prompt G times in a row), and at the group's size.",
    ),
    "engine-agrees": _engine,
    "engine-agrees-after-push": _stale,
    "sampler-follows-policy": _sampler,
    "ratio-is-one": _said(
        "The ratio is not 1 on the first update",
        "Before the first update of a batch new and old policy are the same; the old log-probabilities in the "
        "loss are of other weights or tokens.",
        "Look at where the loss takes its old log-probabilities from: an earlier batch, another order, or a pass with dropout.",
    ),
    "kl-is-zero-at-start": _said(
        "The KL to the reference is not 0 before training",
        "The reference is a copy of the policy, so both must give the same: it has other weights, or another number type.",
        "Look at how the reference is made: from the same weights, in the same type, in eval mode.",
    ),
    "gradient-is-right": _gradient,
    "update-is-right": _said(
        "The optimizer makes something else of the gradient than AdamW does",
        "The first update was made a second time in float64 from the same clipped gradient, and the weights went another way.",
        "Look at the learning rate, at what changes gradients after the backward pass, and at what the optimizer was given.",
    ),
    "every-layer-moves": _moves,
    "ranks-agree": _said(
        "The ranks no longer hold the same weights",
        "In data-parallel training every rank must make the same update; these have drifted apart.",
        "Look at whether gradients are averaged over all ranks before the optimizer's step, and whether all "
        "began with the same weights.",
    ),
    "kl-in-range": _said(
        "The KL to the reference leaves its range",
        "The policy runs away from the reference, or the estimate is not the k3 one, which is never below 0.",
        "Look at the sign and the weight of the KL term, and at the learning rate.",
    ),
    "entropy-holds": _said(
        "The policy collapses at once",
        "Its entropy is gone before the reward has risen: it repeats itself instead of trying.",
        "Look at the learning rate, at the clip, and at the sign of the advantage.",
    ),
    "reward-rises": _rise,
    "greedy-improves": _said(
        "The held-out greedy answers do not improve",
        "The reward in training rises and that of prompts that were not trained on does not.",
        "Look at whether training and evaluation use the same prompt format and the same weights.",
    ),
    "value-network-learns": _said(
        "The value network does not learn",
        "It explains no more of the returns after the training than before.",
        "Look at its targets, its learning rate, and whether the optimizer was given its parameters.",
    ),
    "same-seed-same-run": _said(
        "The same seed gives another run",
        "Everything else holds, but the run cannot be repeated: something in it does not depend on the seed alone.",
        "Look at generators that are not seeded, at the order in which processes finish, and at kernels that are "
        "not deterministic.",
    ),
    "memory-is-steady": _said(
        "Memory grows with every step",
        "Everything else holds, but a longer run will end for want of memory.",
        "Look for tensors that are kept with their graph (losses in a list without .item()), and for caches of the engine.",
    ),
}
"""Key of an invariant -> what its breaking says; in the order of precedence."""
