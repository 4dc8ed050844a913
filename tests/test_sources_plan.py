"""A plan as facts: named versions, what they pin exactly, and nothing else that anybody could know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.check import check
from envdoctor.errors import UserError
from envdoctor.facts import Known, Unknown, decode, encode
from envdoctor.findings import Outcome
from envdoctor.sources.plan import planned
from envdoctor.views import distributions
from tests import small
from tests.factory import MATRIX
from tests.small import Made

if TYPE_CHECKING:
    from pathlib import Path


def test_a_plan_holds_what_was_named_and_what_that_pins_exactly_and_says_whose() -> None:
    facts, brought = planned({"vllm": "0.7.3", "trl": "0.16.1"}, MATRIX)
    versions = {name: one.version for name, one in distributions(facts).items()}
    assert versions["torch"] == "2.5.1"
    assert versions["nvidia-nccl-cu12"] == "2.21.5"
    assert set(versions) == {"vllm", "trl", *brought}
    assert brought["torch"] == "vllm 0.7.3"
    assert brought["nvidia-nccl-cu12"] == "torch 2.5.1"


def test_what_was_named_stays_whatever_is_pinned() -> None:
    facts, brought = planned({"vllm": "0.7.3", "torch": "2.6.0"}, MATRIX)
    assert distributions(facts)["torch"].version == "2.6.0"
    assert "torch" not in brought


def test_pins_in_a_circle_end(tmp_path: Path) -> None:
    engine, torch = Made("1.0", "2025-03-01", ("torch==2.0",)), Made("2.0", "2024-06-01", ("vllm==1.0",))
    _, brought = planned({"vllm": "1.0"}, small.matrix(tmp_path, vllm=(engine,), torch=(torch,)))
    assert brought == {"torch": "vllm 1.0"}


def test_what_was_not_said_of_the_machine_is_unknown() -> None:
    facts, _ = planned({"vllm": "0.7.3"}, MATRIX)
    for leaf in (facts.host.libc, facts.driver.nvml, facts.gpus.devices, facts.python, facts.container.shm_bytes):
        assert leaf == Unknown("it was not said")
    assert facts.taken_at == MATRIX.packages()["vllm"]


def test_what_was_said_of_the_machine_is_known() -> None:
    facts, _ = planned({"vllm": "0.7.3", "gpu": "8xh100", "driver": "535.161.08", "python": "3.11", "glibc": "2.31"}, MATRIX)
    assert isinstance(facts.gpus.devices, Known)
    assert len(facts.gpus.devices.value) == 8
    assert isinstance(facts.driver.nvml, Known)
    assert facts.driver.nvml.value == "535.161.08"
    assert isinstance(facts.python, Known)
    assert facts.python.value.version == "3.11"
    assert isinstance(facts.host.libc, Known)
    assert facts.host.libc.value.version == "2.31"


def test_the_build_of_torch_and_of_vllm_come_from_the_bytes_that_the_data_has_read() -> None:
    facts, _ = planned({"vllm": "0.7.3"}, MATRIX)
    assert isinstance(facts.builds.torch, Known)
    assert facts.builds.torch.value is not None
    assert facts.builds.torch.value.cuda == "12.4"
    assert isinstance(facts.builds.vllm, Known)


def test_no_rule_crashes_on_a_plan_and_the_facts_can_be_saved() -> None:
    for wishes in ({}, {"vllm": "0.33.0"}, {"gpu": "b200"}, {"driver": "535"}, {"trl": "99"}, {"python": "3.11", "glibc": "2.1"}):
        facts, _ = planned(wishes, MATRIX)
        assert not [one.crash for one in check(facts, MATRIX) if one.outcome is Outcome.CRASH]
        assert decode(encode(facts)) == facts


@pytest.mark.parametrize("wishes", [{"vllm": "new"}, {"driver": "abc"}, {"gpu": "h1000"}, {"python": "x"}])
def test_a_value_that_is_none_is_an_error_of_the_user(wishes: dict[str, str]) -> None:
    with pytest.raises(UserError):
        planned(wishes, MATRIX)
