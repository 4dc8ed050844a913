"""The whole battery on this CPU, as the doctor runs it: what must pass passes, and what a CPU does not have is not called tested."""

from __future__ import annotations

import pytest

from envdoctor.deep import between, devices
from envdoctor.facts import Known
from tests.factory import healthy
from tests.smoke.places import torch_python

pytestmark = pytest.mark.torch
PASS = {
    "context", "allocation", "copy within device", "matmul float32", "matmul bfloat16", "matmul float16", "attention flash",
    "attention math",
}  # fmt: skip
FOR_GPUS = {"copy host to device", "copy device to host", "matmul float4", "cuda graph", "triton kernel"}


def test_the_battery_on_a_cpu() -> None:
    said: list[str] = []
    one = devices.tried(healthy(), torch_python(), "cpu", said.append, first=False)
    assert (one.device, one.name, one.compute_capability) == ("cpu", "CPU", None)
    assert (one.ended, one.during) == (None, None), one.said
    states = {check.name: check.state for check in one.checks}
    assert {states[name] for name in PASS} == {"passed"}
    assert {states[name] for name in FOR_GPUS} == {"skipped"}
    assert states["torch.compile"] in {"passed", "skipped"}  # skipped where there is no C++ compiler
    assert set(states.values()) <= {"passed", "skipped"}
    assert len(states) == len(one.checks) == 18
    for check in one.checks:
        assert check.says
        if check.bound is not None and check.state == "passed":
            assert check.value is not None
            assert check.value <= check.bound
    assert [name.partition(": ")[2] for name in said[:3]] == ["import torch", "context", "allocation"]


def test_an_all_reduce_on_a_cpu_through_the_doctor() -> None:
    said: list[str] = []
    found = between.collective(torch_python(), 2, "gloo", said.append)
    assert isinstance(found, Known)
    assert found.value is not None
    assert (found.value.state, found.value.devices) == ("passed", 2), found.value.says
    assert said[-1] == "all-reduce, 2 processes: the end"
