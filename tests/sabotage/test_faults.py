"""Every fault fails the verdict, with the right invariant named; the table over more seeds is `make smoke-sabotage`."""

from __future__ import annotations

import pytest

from envdoctor.proving.broken import TELLERS, of_broken
from envdoctor.proving.verdict import judge

from .runs import TORCH_PYTHON, broken, faults, measured

pytestmark = [pytest.mark.torch, pytest.mark.skipif(not TORCH_PYTHON, reason="ENVDOCTOR_TORCH_PYTHON names no Python with torch")]
FAULTS = faults() if TORCH_PYTHON else []


@pytest.mark.parametrize(("name", "says", "names"), FAULTS, ids=[name for name, _, _ in FAULTS])
def test_a_fault_breaks_the_invariant_that_it_violates(name: str, says: str, names: str) -> None:
    (told,) = measured([(name, {"seed": 3})])
    found = broken(told)
    assert names in found
    cause = of_broken(judge(told), told)
    assert cause is not None
    assert names in TELLERS


def test_there_are_at_least_fifteen_faults_and_each_has_another_place() -> None:
    assert len(FAULTS) >= 15
    assert len({name for name, _, _ in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "ppo"])
@pytest.mark.parametrize("reward", ["outcome", "process"])
def test_every_loss_and_reward_is_proven_without_a_fault(loss: str, reward: str) -> None:
    (told,) = measured([("", {"loss": loss, "reward": reward})])
    assert broken(told) == {}


def test_a_budget_that_is_too_small_is_said() -> None:
    (told,) = measured([("", {"budget_s": 0.2})])
    assert told.ended_by == "budget"
    assert 0 < len(told.steps) < told.asked.steps
    assert "--budget" in broken(told)["reward-rises"].why


def test_the_value_network_of_ppo_costs_what_the_policy_costs_again() -> None:
    (told,) = measured([("", {"loss": "ppo"})])
    network = told.value_network
    assert network is not None
    # parameters, gradients and two moments of float32
    assert network.state_bytes >= 16 * network.parameters
    assert 0.9 < network.state_bytes / network.policy_state_bytes < 1.1
