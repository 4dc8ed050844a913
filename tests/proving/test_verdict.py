"""The verdict over documents of real runs, and over the same with one number changed."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.measured import GradientCheck, Measured, Rank, Repeat, Sample, Step, ValueNetwork, decode
from envdoctor.proving.broken import TELLERS, of_broken
from envdoctor.proving.proof import Invariant, State
from envdoctor.proving.verdict import NEEDED, judge, proven

RECORDED = Path(__file__).parent / "recorded"
GRPO, PPO = (decode((RECORDED / f"bare-cpu-{loss}.json").read_bytes()) for loss in ("grpo", "ppo"))


def states(measured: Measured) -> dict[str, Invariant]:
    return {one.key: one for one in judge(measured)}


def broken(measured: Measured) -> set[str]:
    return {one.key for one in judge(measured) if one.state is State.BROKEN}


def at(measured: Measured, place: int, **changed: Any) -> Measured:
    """The same run with numbers of one step changed."""
    steps = list(measured.steps)
    steps[place] = msgspec.structs.replace(steps[place], **changed)
    return msgspec.structs.replace(measured, steps=tuple(steps))


def with_(measured: Measured, **changed: Any) -> Measured:
    return msgspec.structs.replace(measured, **changed)


@pytest.mark.parametrize("measured", [GRPO, PPO], ids=["grpo", "ppo"])
def test_a_recorded_healthy_run_is_proven(measured: Measured) -> None:
    told = judge(measured)
    assert proven(told)
    assert of_broken(told, measured) is None
    assert len({one.key for one in told}) == len(told)


@pytest.mark.parametrize("count", [1, 3])
def test_of_few_steps_nothing_is_made_up_and_the_budget_is_the_cause(count: int) -> None:
    few = with_(GRPO, steps=GRPO.steps[:count], ended_by="budget")
    told = states(few)
    assert told["entropy-holds"].state is State.UNMEASURED
    assert (told["engine-agrees-after-push"].state is State.UNMEASURED) == (count == 1)
    cause = of_broken(judge(few), few)
    assert cause is not None
    assert cause.title.startswith("The budget ended the training after")


def test_whole_numbers_that_nothing_can_count_are_refused() -> None:
    text = (RECORDED / "bare-cpu-grpo.json").read_text(encoding="utf-8")
    hostile = re.sub(r'"memory_bytes": ?\d+', '"memory_bytes": 1' + "0" * 400, text, count=1)
    assert hostile != text
    with pytest.raises(ValueError, match="larger than anything that can be counted"):
        decode(hostile.encode())


def test_numbers_whose_sum_overflows_are_judged() -> None:
    huge = at(at(GRPO, 0, reward_spread=8.99e307), 1, reward_spread=8.99e307)
    assert "groups-differ" not in broken(huge)


def test_every_invariant_has_a_teller() -> None:
    keys = {one.key for one in judge(GRPO)} | {one.key for one in judge(PPO)} | {"ranks-agree"}
    assert keys <= set(TELLERS)


def test_the_page_about_the_smoke_lists_every_invariant_and_no_other() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "smoke.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)`( \(required\))?.*\|.*\|.*\|$", page.partition("## The verdict")[2], re.MULTILINE)
    # the names of engines stand in a table further up
    assert {key for key, _ in listed} == {*states(GRPO), *states(PPO), "ranks-agree"}
    assert {key for key, required in listed if required} == NEEDED


@pytest.mark.parametrize(
    ("place", "changed", "key"),
    [
        (7, {"reward_error": 0.25}, "rewards-are-true"),
        (7, {"advantage_sum": 0.1}, "advantages-centred"),
        (7, {"advantage_error": 0.1}, "advantages-are-right"),
        (0, {"logp_gap_max": 0.01}, "engine-agrees"),
        (0, {"logp_gap_mean": 0.001}, "engine-agrees"),
        (7, {"logp_gap_max": 0.01}, "engine-agrees-after-push"),
        (7, {"ratio_deviation": 0.001}, "ratio-is-one"),
        (0, {"kl": 1e-5}, "kl-is-zero-at-start"),
        (7, {"kl": 25.0}, "kl-in-range"),
        (7, {"kl": -0.1}, "kl-in-range"),
        (3, {"entropy": 0.1}, "entropy-holds"),
    ],
)
def test_a_number_outside_its_bound_breaks_its_invariant_alone(place: int, changed: dict[str, float], key: str) -> None:
    assert broken(at(GRPO, place, **changed)) - {"sampler-follows-policy"} == {key}


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("reward_error", "rewards-are-true"),
        ("advantage_sum", "advantages-centred"),
        ("advantage_error", "advantages-are-right"),
        ("logp_gap_max", "engine-agrees-after-push"),
        ("ratio_deviation", "ratio-is-one"),
        ("kl", "kl-in-range"),
        ("surprise", "sampler-follows-policy"),
    ],
)
def test_a_number_that_is_not_finite_breaks_its_invariant(field: str, key: str) -> None:
    told = states(at(GRPO, 7, **{field: None}))[key]
    assert told.state is State.BROKEN
    assert told.value == "not a finite number"


def test_what_an_engine_says_it_cannot_measure_is_unmeasured_and_no_proof_needs_it() -> None:
    steps = tuple(msgspec.structs.replace(one, ratio_deviation=None) for one in GRPO.steps)
    measured = with_(GRPO, steps=steps, unmeasured={"ratio-is-one": "this trainer does not show its ratio"})
    told = states(measured)["ratio-is-one"]
    assert (told.state, told.required) == (State.UNMEASURED, False)
    assert "does not show" in told.why
    assert proven(judge(measured))


@pytest.mark.parametrize("key", ["rewards-are-true", "reward-rises", "every-layer-moves"])
def test_without_what_is_needed_there_is_no_proof_whatever_the_engine_says(key: str) -> None:
    measured = with_(GRPO, unmeasured={key: "cannot"})
    assert states(measured)[key].required
    assert not proven(judge(measured))
    cause = of_broken(judge(measured), measured)
    assert cause is not None
    assert "Not measured" in cause.title


def test_a_sampler_at_another_temperature_shows_over_all_steps_though_in_none_of_them() -> None:
    steps = tuple(
        msgspec.structs.replace(one, surprise=(one.entropy or 0) - 1.5 * (one.surprise_error or 0)) for one in GRPO.steps
    )
    assert broken(with_(GRPO, steps=steps)) == {"sampler-follows-policy"}


def test_a_gradient_check_without_clip_or_kl_says_nothing_of_either() -> None:
    some = tuple(one for one in GRPO.gradients if one.inner == 0 and one.step == 0)
    told = states(with_(GRPO, gradients=some))["gradient-is-right"]
    assert told.state is State.UNMEASURED
    assert "clipped" in told.why


def test_no_gradient_check_at_all_is_no_proof_of_the_gradient() -> None:
    assert states(with_(GRPO, gradients=()))["gradient-is-right"].state is State.BROKEN


def test_a_layer_that_stands_still_is_named() -> None:
    moved = tuple(
        msgspec.structs.replace(one, change=0.0) if one.name == "model.layers.1.mlp.up_proj.weight" else one for one in GRPO.moved
    )
    told = states(with_(GRPO, moved=moved))["every-layer-moves"]
    assert told.state is State.BROKEN
    assert "model.layers.1.mlp.up_proj.weight" in told.why
    assert broken(with_(GRPO, moved=())) == {"every-layer-moves"}


def test_a_reward_that_does_not_rise_against_the_untrained_model_is_no_proof_however_high() -> None:
    same = Sample(mean=0.95, variance=0.01, count=8)
    assert "reward-rises" in broken(with_(GRPO, untrained=same, trained=same))


def test_of_a_real_model_a_rise_is_enough() -> None:
    low = tuple(msgspec.structs.replace(one, reward=0.3) for one in GRPO.steps)
    tiny = with_(GRPO, steps=low, greedy_after=0.4)
    assert broken(tiny) == {"reward-rises", "greedy-improves"}
    real = with_(tiny, asked=msgspec.structs.replace(GRPO.asked, model="/models/small"))
    assert broken(real) == set()


def test_memory_that_grows_breaks_and_few_steps_cannot_tell() -> None:
    grown = tuple(msgspec.structs.replace(one, memory_bytes=(400 + 4 * place) << 20) for place, one in enumerate(GRPO.steps))
    assert broken(with_(GRPO, steps=grown)) == {"memory-is-steady"}
    few = states(with_(GRPO, steps=GRPO.steps[:6]))["memory-is-steady"]
    assert few.state is State.UNMEASURED
    assert "6 steps" in few.why


def test_on_a_cpu_a_repeat_has_the_same_bits_and_on_a_gpu_it_is_near() -> None:
    near = Repeat(steps=8, same_bits=False, first_difference=5, largest=0.01)
    assert broken(with_(GRPO, repeat=near)) == {"same-seed-same-run"}
    on_gpu = with_(GRPO, repeat=near, asked=msgspec.structs.replace(GRPO.asked, device="cuda:0"))
    assert broken(on_gpu) == set()


def test_ranks_that_drift_apart_are_seen() -> None:
    asked = msgspec.structs.replace(GRPO.asked, gpus=2)
    same = (Rank(rank=0, device="cpu", weights_differ=0.0), Rank(rank=1, device="cpu", weights_differ=0.0))
    assert broken(with_(GRPO, asked=asked, ranks=same)) == set()
    apart = (same[0], msgspec.structs.replace(same[1], weights_differ=0.01))
    assert broken(with_(GRPO, asked=asked, ranks=apart)) == {"ranks-agree"}
    assert broken(with_(GRPO, asked=asked, ranks=())) == {"ranks-agree"}


def test_a_value_network_that_does_not_learn_is_seen() -> None:
    assert isinstance(PPO.value_network, ValueNetwork)
    still = msgspec.structs.replace(PPO.value_network, error_last=PPO.value_network.error_first)
    assert broken(with_(PPO, value_network=still)) == {"value-network-learns"}


def test_training_that_ended_at_nan_names_it_first() -> None:
    where = "step 3: gradient of model.layers.1.mlp.up_proj.weight"
    measured = with_(GRPO, steps=GRPO.steps[:3], not_finite=(where,), greedy_after=None, repeat=None)
    told = judge(measured)
    assert told[0].key == "all-finite"
    assert told[0].value == where
    cause = of_broken(told, measured)
    assert cause is not None
    assert any(where in one.value for one in cause.evidence)


def test_no_steps_at_all_are_no_proof() -> None:
    measured = with_(GRPO, steps=(), gradients=(), moved=())
    assert not proven(judge(measured))


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.tuples(numbers, numbers, numbers), max_size=12),
    numbers,
    st.lists(numbers, max_size=3),
    st.integers(-5, 10**9),
)
def test_hostile_numbers_are_judged_and_nothing_crashes(
    steps: list[tuple[float | None, ...]], greedy: float | None, errors: list[float | None], count: int
) -> None:
    like: Step = GRPO.steps[0]
    changed = tuple(
        msgspec.structs.replace(like, reward=a, entropy=b, surprise=c, surprise_error=a, logp_gap_max=b, kl=c, memory_bytes=count)
        for a, b, c in steps
    )
    check: GradientCheck = GRPO.gradients[0]
    measured = with_(
        GRPO,
        steps=changed,
        greedy_after=greedy,
        gradients=tuple(msgspec.structs.replace(check, relative_error=one, clipped=one, kl=one) for one in errors),
        trained=Sample(mean=greedy, variance=greedy, count=count),
        untrained=Sample(mean=greedy, variance=greedy, count=count),
    )
    for one in judge(measured):
        assert one.value
        assert not math.isnan(float(len(one.bound)))
