"""ED108: GPUs older than the torch build."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from tests.factory import blind, edit, gpu, healthy, judged, with_driver, with_torch

RULE = "ed108_gpu_arch_dropped"
V100 = ("Tesla V100-SXM2-32GB", "7.0")
TORCH_211 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def cards(*found: tuple[str, str]) -> Facts:
    devices = tuple(gpu(index, name, sm) for index, (name, sm) in enumerate(found))
    facts = with_torch(with_driver(healthy(), "580.95.05", "13.0"), "2.11.0+cu130", "13.0", TORCH_211)
    return edit(facts, gpus__devices=Known(devices, "NVML"))


def test_a_v100_on_a_build_that_has_sm_70_is_healthy() -> None:
    assert judged(RULE, edit(healthy(), gpus__devices=Known((gpu(0, *V100),), "NVML")))[0] is Outcome.PASS


def test_a_v100_on_the_cuda_13_build_is_an_error_cured_by_the_newest_release_that_has_it() -> None:
    outcome, (finding,), _ = judged(RULE, cards(V100))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.cause == "arch-not-in-torch-build"
    assert finding.title == "torch 2.11.0+cu130 has no code for Tesla V100-SXM2-32GB (compute capability 7.0)"
    assert finding.changes[0].install == {"torch": "==2.10.0"}


def test_beside_a_usable_gpu_it_is_a_warning() -> None:
    _, (finding,), _ = judged(RULE, cards(("NVIDIA H100 80GB HBM3", "9.0"), V100))
    assert finding.severity is Severity.WARNING
    assert "CUDA_VISIBLE_DEVICES=0." in finding.why


def test_a_t4_is_the_oldest_that_the_cuda_13_build_keeps() -> None:
    assert judged(RULE, cards(("Tesla T4", "7.5")))[0] is Outcome.PASS


def test_a_newer_gpu_is_left_to_ed107() -> None:
    assert judged(RULE, cards(("NVIDIA Next", "14.0")))[0] is Outcome.PASS


@pytest.mark.parametrize("leaf", ["builds__torch", "builds__torch__gpu_archs", "gpus__devices"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(cards(V100), leaf))[0] is Outcome.UNKNOWN
