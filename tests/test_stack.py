"""The stack as layers with the state of each joint."""

from __future__ import annotations

from envdoctor.check import check
from envdoctor.facts import Facts, Known
from envdoctor.stack import State, gpu_summary, layers
from tests.factory import MATRIX, blind, drop, edit, gpu, healthy, with_torch, without_driver
from tests.linked import linking, module, undefined


def states(facts: Facts) -> dict[str, State]:
    return {row.name: row.state for row in layers(facts, check(facts, MATRIX))}


def test_a_healthy_machine_holds_from_the_machine_to_the_trainer() -> None:
    assert set(states(healthy()).values()) == {State.HOLDS}


def test_a_broken_joint_names_the_rules_that_broke_it() -> None:
    facts = with_torch(healthy(), "2.11.0+cu130", "13.0", ("sm_90",))
    rows = {row.name: row for row in layers(facts, check(facts, MATRIX))}
    assert rows["cuda"].state is State.BROKEN
    assert rows["cuda"].codes == ("ED102",)
    assert rows["cuda"].found == "13.0 in torch; the driver goes up to 12.4"


def test_a_layer_that_is_not_there_is_absent_and_one_that_cannot_be_read_is_unknown() -> None:
    bare = drop(without_driver(healthy()), "vllm", "transformers")
    bare = edit(bare, gpus__pci=Known((), "/sys/bus/pci/devices"))
    assert states(bare)["trainer"] is State.ABSENT
    assert states(bare)["engine"] is State.ABSENT
    assert states(bare)["driver"] is State.ABSENT
    assert states(blind(healthy(), "builds__torch"))["torch"] is State.UNKNOWN


def test_a_layer_that_has_nothing_of_its_own_names_whom_the_findings_at_its_joint_are_about() -> None:
    facts = drop(healthy(), "vllm")
    broken = edit(facts, linking=linking(module("xformers", "xformers/_C.so", undefined(file="xformers/_C.so"))))
    row = next(row for row in layers(broken, check(broken, MATRIX)) if row.name == "engine")
    assert row.state is State.BROKEN
    assert row.found == "none; found in xformers"


def test_gpus_are_counted_by_kind() -> None:
    mixed = (gpu(0), gpu(1), gpu(2, name="NVIDIA A100-SXM4-80GB", sm="8.0"))
    facts = edit(healthy(), gpus__devices=Known(mixed, "NVML"))
    assert gpu_summary(facts) == "2 x NVIDIA H100 80GB HBM3 (sm_90, 80 GiB), 1 x NVIDIA A100-SXM4-80GB (sm_80, 80 GiB)"
    assert gpu_summary(blind(facts, "gpus__devices")) == "GPUs unknown"
