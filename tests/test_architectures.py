"""GPU architectures: which compiled code runs where."""

import pytest

from envdoctor.architectures import Reach, capability, coverage, parse, reach
from envdoctor.facts import Known, NotObserved
from tests.factory import blind, edit, gpu, healthy, with_torch

TORCH_26 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
TORCH_211 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


@pytest.mark.parametrize(
    ("name", "gpu_capability", "runs"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 9), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("sm_100f", (10, 3), True),
        ("sm_100f", (12, 0), False),
        ("sm_120", (12, 1), True),
        ("compute_80", (9, 0), True),
        ("compute_90", (8, 9), False),
        ("compute_90a", (10, 0), False),
        ("compute_100f", (12, 0), False),
    ],
)
def test_an_architecture_runs_where_nvcc_says(name: str, gpu_capability: tuple[int, int], runs: bool) -> None:
    found = parse(name)
    assert found is not None
    assert found.runs_on(gpu_capability) is runs


@pytest.mark.parametrize("name", ["gfx942", "sm_", "sm_9", "sm_90b", "compute", ""])
def test_another_name_is_not_an_architecture(name: str) -> None:
    assert parse(name) is None


def test_reach_tells_native_jit_too_new_and_too_old_apart() -> None:
    assert reach(TORCH_26, (8, 9)) is Reach.NATIVE
    assert reach((*TORCH_26, "compute_90"), (12, 0)) is Reach.FAR
    assert reach(("sm_80", "compute_80"), (8, 9)) is Reach.NATIVE
    assert reach(("sm_70", "compute_80"), (8, 9)) is Reach.JIT
    assert reach(TORCH_26, (10, 0)) is Reach.TOO_NEW
    assert reach(TORCH_211, (7, 0)) is Reach.TOO_OLD


def test_a_gap_in_the_list_counts_as_too_new_because_code_for_that_gpu_is_missing() -> None:
    assert reach(("sm_80", "sm_100"), (9, 0)) is Reach.TOO_NEW


def test_gpus_are_grouped_by_compute_capability_lowest_first() -> None:
    cards = (gpu(0), gpu(1, "NVIDIA L4", "8.9"), gpu(2))
    groups = coverage(edit(healthy(), gpus__devices=Known(cards, "NVML")))
    assert [(one.capability, len(one.gpus), one.reach) for one in groups] == [("8.9", 1, Reach.NATIVE), ("9.0", 2, Reach.NATIVE)]


def test_without_gpus_or_without_a_cuda_build_there_is_nothing_to_cover() -> None:
    assert coverage(edit(healthy(), gpus__devices=Known((), "NVML"))) == ()
    assert coverage(with_torch(healthy(), "2.5.1+cpu", None)) == ()


def test_an_unknown_list_or_a_strange_capability_is_not_guessed() -> None:
    with pytest.raises(NotObserved, match="no answer in 5 s"):
        coverage(blind(healthy(), "builds__torch__gpu_archs"))
    with pytest.raises(NotObserved, match="lists no GPU architecture"):
        coverage(with_torch(healthy(), "2.5.1+cu124", "12.4", ()))
    with pytest.raises(NotObserved, match="not of the form"):
        capability("Hopper")
