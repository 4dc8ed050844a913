"""GPU architectures: which compiled code runs where."""

import pytest

from envdoctor.architectures import Reach, Share, capability, coverage, for_one_kind, kernels, nested, parse, reach, share
from envdoctor.facts import Known, NotObserved
from envdoctor.linkage import DeviceCode
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


def test_a_container_runs_if_one_of_its_images_does_and_ptx_is_told_apart() -> None:
    held = {"sm_80 sm_90a": 172, "sm_52 compute_52": 1, "sm_100f": 6, "compute_90": 2}
    assert share(held, (9, 0)) == Share(runs=175, of=181, jit=3)
    assert share(held, (8, 9)) == Share(runs=173, of=181, jit=1)
    assert share(held, (10, 3)) == Share(runs=9, of=181, jit=3)
    assert share(held, (5, 0)) == Share(runs=0, of=181, jit=0)
    assert share({"odd sm_": 4}, (9, 0)) == Share(runs=0, of=4, jit=0)


def test_kernels_for_one_kind_of_gpu_are_told_from_those_for_gpus_in_general() -> None:
    assert for_one_kind("sm_90a")
    assert for_one_kind("sm_90a sm_100f")
    assert not for_one_kind("sm_80 sm_90a")
    assert not for_one_kind("compute_90")


def test_counts_by_architecture_become_the_fewest_containers_that_can_hold_them() -> None:
    """Release 0.8.5.post1 of vLLM: really 280 containers, of which 1 runs on sm_100."""
    images = {"sm_52": 1, "sm_70": 27, "sm_80": 37, "compute_52": 1}
    assert nested(images) == {"sm_80": 10, "sm_70 sm_80": 26, "sm_52 sm_70 sm_80 compute_52": 1}
    assert share(nested(images), (10, 0)) == Share(runs=1, of=37, jit=1)
    assert nested({}) == {}


def test_a_package_is_judged_by_its_general_kernels_and_not_by_a_stray_library() -> None:
    libraries = [
        DeviceCode(package="a", path="a/_C.so", containers={"sm_80 sm_90": 100, "sm_90a": 50}),
        DeviceCode(package="a", path="a/extra.so", containers={"compute_90": 4}),
        DeviceCode(package="b", path="b/_C.so", containers={"sm_90a": 50}),
        DeviceCode(package="c", path="c/_C.so", containers={}),
        DeviceCode(package="nvidia-cufft", path="nvidia/libcufft.so", containers={"sm_75": 1}),
    ]
    found = {one.package: one for one in kernels(libraries, (10, 0))}
    assert sorted(found) == ["a", "b"]
    assert found["a"].none
    assert found["a"].general == Share(runs=4, of=104, jit=4)
    assert found["b"].none
    assert found["b"].general.of == 0
    found = {one.package: one for one in kernels(libraries, (9, 0))}
    assert not found["a"].none
    assert not found["b"].none


def test_a_library_of_some_size_that_runs_speaks_for_its_package() -> None:
    """A T4 runs a tenth of the kernels of vLLM, in one library that is small beside FlashAttention's."""
    libraries = [
        DeviceCode(package="a", path="a/_C.so", containers={"sm_75 sm_80": 20}),
        DeviceCode(package="a", path="a/flash.so", containers={"sm_80": 332}),
    ]
    (one,) = kernels(libraries, (7, 5))
    assert not one.none
