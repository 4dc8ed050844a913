"""Which broken invariant leads, and what it says: over the faults that the sabotage injects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from envdoctor.measured import GradientCheck, LayerMoved, Measured
from envdoctor.proving.broken import TELLERS, of_broken
from envdoctor.proving.proof import Cause, Invariant, State
from tests.proving.made import INVARIANTS, asked, invariant, measured, stale, step
from tests.proving.recorded import Faulty, faults, proof


def broke(*keys: str, **more: Any) -> Cause:
    cause = of_broken(tuple(invariant(key, f"what {key} says", State.BROKEN, why="x") for key in keys), measured(**more))
    assert cause is not None
    return cause


def gradient(number: int, **more: Any) -> GradientCheck:
    values: dict[str, Any] = {
        "relative_error": 1e-6,
        "cosine": 1.0,
        "norm": 0.4,
        "reference_norm": 0.4,
        "clipped": 0.0,
        "kl": 0.0,
    }
    return GradientCheck(step=number, inner=0, **(values | more))


@pytest.mark.parametrize("key", TELLERS)
def test_every_invariant_says_what_is_broken_and_what_to_look_at(key: str) -> None:
    cause = broke(key)
    assert len(cause.title) <= 110
    assert not cause.title.endswith(".")
    assert cause.why.endswith(".")
    assert cause.says.endswith(".")
    assert cause.evidence[0].what == f"what {key} says"
    assert cause.commands


@pytest.mark.parametrize(
    ("keys", "leads"),
    [
        (("reward-rises", "all-finite", "gradient-is-right"), "NaN or Inf"),
        (("reward-rises", "gradient-is-right", "groups-differ"), "All answers to a prompt get the same reward"),
        (("reward-rises", "gradient-is-right", "rewards-are-true"), "The loss has other rewards"),
        (("gradient-is-right", "advantages-are-right", "advantages-centred", "reward-rises"), "Advantages do not sum to zero"),
        (("gradient-is-right", "advantages-are-right", "reward-rises"), "The loss does not get the advantages"),
        (("sampler-follows-policy", "engine-agrees-after-push"), "The engine does not have the trainer's weights after a push"),
        (("engine-agrees", "kl-is-zero-at-start", "gradient-is-right"), "The trainer's log-probabilities are of other tokens"),
        (("reward-rises", "engine-agrees-after-push"), "The engine does not have the trainer's weights after a push"),
        (("engine-agrees-after-push", "engine-agrees", "reward-rises"), "Engine and trainer disagree"),
        (("ratio-is-one", "reward-rises"), "The ratio is not 1"),
        (("ratio-is-one", "engine-agrees", "gradient-is-right"), "The trainer does not give the same log-probabilities twice"),
        (("every-layer-moves", "reward-rises", "greedy-improves"), "Some layers"),
        (("greedy-improves", "reward-rises"), "The reward does not rise"),
        (("memory-is-steady",), "Memory grows"),
    ],
)
def test_the_cause_leads_and_not_its_consequence(keys: tuple[str, ...], leads: str) -> None:
    assert broke(*keys).title.startswith(leads)


def test_the_one_that_leads_is_the_evidence_and_how_many_follow_is_said() -> None:
    cause = broke("reward-rises", "ratio-is-one", "kl-in-range")
    assert [(one.what, one.value) for one in cause.evidence] == [("what ratio-is-one says", "1 (bound: at most 1)")]
    assert cause.why.endswith(" 2 other invariants broke with it.")
    assert "broke with it" not in broke("ratio-is-one").why


def test_a_budget_that_was_too_short_is_the_cause_only_of_a_reward_that_did_not_rise() -> None:
    some = tuple(step(number) for number in range(10))
    cause = broke("reward-rises", ended_by="budget", steps=some)
    assert cause.title == "The budget ended the training after 10 of 40 steps, before the reward had risen"
    assert cause.commands == (("envdoctor", "smoke", "--budget", "360s"),)
    assert cause.says == "Give it more time."
    assert broke("reward-rises", "ratio-is-one", ended_by="budget", steps=some).title.startswith("The ratio is not 1")


def test_an_invariant_we_have_no_words_for_yet_speaks_for_itself() -> None:
    cause = broke("something-new")
    assert cause.title == "Broken: what something-new says"
    assert broke("something-new", "reward-rises").title.startswith("The reward does not rise")


def test_the_first_nan_is_named() -> None:
    assert broke("all-finite", not_finite=("step 3: gradient of model.layers.1", "later")).title == (
        "NaN or Inf: step 3: gradient of model.layers.1"
    )


@pytest.mark.parametrize(
    ("surprise", "says"),
    [
        (0.9, "more sharply than the policy: its temperature is below 1"),
        (2.1, "shifted by one"),
        (1.51, "disagree on the same tokens"),
    ],
)
def test_the_surprise_parts_a_temperature_from_a_shift(surprise: float, says: str) -> None:
    steps = (step(0, entropy=1.5, surprise=surprise, surprise_error=0.02),)
    assert says in broke("engine-agrees", "sampler-follows-policy", steps=steps).title


def test_a_sampler_that_only_cuts_is_named_by_its_direction() -> None:
    steps = (step(0, surprise=None), step(1, entropy=1.5, surprise=1.0, surprise_error=0.02))
    assert "samples more sharply than the policy" in broke("sampler-follows-policy", steps=steps).title
    wide = (step(0, entropy=1.5, surprise=2.0, surprise_error=0.02),)
    assert "samples more widely than the policy" in broke("sampler-follows-policy", steps=wide).title
    assert "samples not as the policy" in broke("sampler-follows-policy", steps=()).title


def test_stale_weights_are_told_from_the_step_on_at_which_they_show() -> None:
    gaps = tuple(step(number, logp_gap_max=gap) for number, gap in enumerate((2e-6, 3e-6, 2.7, 3.1)))
    assert broke("engine-agrees-after-push", steps=gaps).title.endswith("after a push, from step 2 on")
    assert broke("engine-agrees-after-push", steps=()).title.endswith("after a push")
    unknown = (step(0, logp_gap_max=None), step(1, logp_gap_max=None))
    assert broke("engine-agrees-after-push", steps=unknown).title.endswith("after a push")


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ((gradient(0, relative_error=2.0, cosine=-1.0),), "at step 0, update 0 points the opposite way"),
        ((gradient(0, relative_error=1.0, cosine=0.0, norm=0.0),), "is zero"),
        ((gradient(0, relative_error=0.99, cosine=1.0, norm=0.004),), "0.01 times the length"),
        (
            (gradient(0), gradient(3, relative_error=0.6, cosine=0.8, clipped=0.1)),
            "step 3, update 0 is wrong where the clip and the KL",
        ),
        ((gradient(0, relative_error=0.6, cosine=0.8),), "points another way than it must"),
        ((gradient(0, relative_error=None, cosine=None),), "points another way than it must"),
        ((gradient(0, relative_error=0.002),), "is not that of a float64 reference"),
    ],
)
def test_a_wrong_gradient_is_described_by_length_and_direction(checks: tuple[GradientCheck, ...], says: str) -> None:
    assert says in broke("gradient-is-right", gradients=checks).title


def test_layers_that_stand_still_lead_over_the_gradient_and_the_update_that_they_make_wrong() -> None:
    still, moving = LayerMoved(name="a", change=0.0), LayerMoved(name="b", change=0.2)
    wrong = ("gradient-is-right", "update-is-right", "every-layer-moves")
    assert broke(*wrong, moved=(still, moving)).title.startswith("Some layers do not move")
    assert broke(*wrong, moved=(still, still)).title.startswith("The gradient")
    assert broke(*wrong[1:], moved=(still, still)).title == "No layer moves"
    assert broke(*wrong, moved=(moving, moving)).title.startswith("The gradient")


def test_no_layer_and_some_layers_are_told_apart() -> None:
    still = tuple(LayerMoved(name=f"layer {number}", change=0.0) for number in range(5))
    moving = LayerMoved(name="head", change=0.2)
    assert broke("every-layer-moves", moved=still).title == "No layer moves"
    assert broke("every-layer-moves", moved=(*still, moving)).title == "Some layers do not move: layer 0 and 4 more"
    assert broke("every-layer-moves", moved=(moving,)).title == "Some layers hardly move"


def test_the_command_parts_the_engine_from_the_rest_and_for_bare_the_kernels() -> None:
    cause = broke("ratio-is-one", asked=asked(device="cpu", seed=4))
    assert cause.commands == (("envdoctor", "smoke", "--engine", "bare", "--device", "cpu", "--seed", "4"),)
    assert "vllm is at fault" in cause.says
    hostile = broke("ratio-is-one", asked=asked(device="cpu; reboot"))
    assert hostile.commands == (("envdoctor", "smoke", "--engine", "bare", "--seed", "0"),)
    bare = broke("ratio-is-one", asked=asked(engine="bare"))
    assert bare.commands == (("envdoctor", "check", "--deep"),)
    assert "at fault" not in bare.says


def test_without_a_broken_one_a_required_one_that_was_not_measured_leads() -> None:
    missing = invariant(
        "gradient-is-right", "the gradient is right", State.UNMEASURED, why="the model is too large", required=True
    )
    cause = of_broken((*INVARIANTS, missing), measured())
    assert cause is not None
    assert cause.title == "Not measured: the gradient is right"
    assert "the model is too large" in cause.why


def test_where_all_held_or_what_is_missing_is_not_needed_there_is_no_cause() -> None:
    assert of_broken(INVARIANTS, measured()) is None
    assert of_broken((), measured()) is None


def test_a_whole_run_with_an_engine_that_kept_its_weights() -> None:
    proof = stale()
    assert isinstance(proof.measured, Measured)
    cause = of_broken(proof.invariants, proof.measured)
    assert cause is not None
    assert cause.title == "The engine does not have the trainer's weights after a push, from step 1 on"


RECORDED = {
    "advantage sign": "The loss does not get the advantages of these answers",
    "gradients zero": "The gradient at step 0, update 0 is zero",
    "gradients scaled": "The gradient at step 0, update 0 has the right direction and 0.01 times the length",
    "clip swapped": "The gradient at step 0, update 1 is wrong where the clip and the KL term act, and right before",
    "KL sign": "The gradient at step 0, update 1 is wrong where the clip and the KL term act, and right before",
    "mask short": "The gradient at step 0, update 0 points another way",
    "reference moves": "The KL to the reference is not 0 before training",
    "learning rate 0": "No layer moves",
    "layer frozen": "Some layers do not move: model.layers.0.",
    "head alone": "Some layers do not move: model.embed_tokens.weight and",
    "rewards constant": "The loss has other rewards than the answers earn",
    "rewards shuffled": "The loss has other rewards than the answers earn",
    "groups mixed": "The loss does not get the advantages of these answers",
    "groups wrong": "Advantages do not sum to zero",
    "engine stale": "The engine does not have the trainer's weights after a push, from step 2 on",
    "engine lags": "The engine does not have the trainer's weights after a push, from step 2 on",
    "wrong layer": "The engine does not have the trainer's weights after a push, from step 1 on",
    "norms not pushed": "The engine does not have the trainer's weights after a push, from step 1 on",
    "off by one": "The trainer's log-probabilities are of other tokens: shifted by one?",
    "off by one back": "The trainer's log-probabilities are of other tokens: shifted by one?",
    "temperature": "The engine samples more sharply than the policy: its temperature is below 1",
    "temperature hidden": "The engine samples more sharply than the policy says",
    "greedy sampler": "All answers to a prompt get the same reward",
    "old log-probs stale": "The ratio is not 1 on the first update",
    "dropout on": "The trainer does not give the same log-probabilities twice",
    "reference in bf16": "The KL to the reference is not 0 before training",
    "NaN": "NaN or Inf: step 3: gradient of model.layers.1.mlp.up_proj.weight",
    "gradients noisy": "The optimizer makes something else of the gradient than AdamW does",
    "learning rate x 50": "The optimizer makes something else of the gradient than AdamW does",
    "memory leak": "Memory grows with every step",
    "seed ignored": "The same seed gives another run",
}


@pytest.mark.parametrize("one", faults(), ids=lambda one: one.fault)
def test_a_run_with_a_fault_that_really_happened_is_called_by_its_name(one: Faulty) -> None:
    cause = of_broken(one.broken, one.measured)
    assert cause is not None
    assert cause.title.startswith(RECORDED[one.fault])


def test_every_fault_that_was_recorded_has_its_name_and_the_healthy_run_has_none() -> None:
    assert [one.fault for one in faults()] == list(RECORDED)
    assert proof("bare-cpu").passed
    assert proof("bare-cpu").cause is None
    assert not proof("engine-stale").passed


def test_the_document_of_a_made_run_is_one_that_a_worker_could_have_sent() -> None:
    from envdoctor.measured import decode  # noqa: PLC0415 - here it is the subject

    assert decode(msgspec.json.encode(measured())) == measured()
    assert all(isinstance(one, Invariant) for one in INVARIANTS)
