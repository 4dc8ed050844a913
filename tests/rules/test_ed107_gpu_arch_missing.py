"""ED107: GPUs newer than the torch build."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from tests.factory import blind, edit, gpu, healthy, judged, with_driver, with_torch

RULE = "ed107_gpu_arch_missing"
TORCH_26 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")


def cards(*found: tuple[str, str], archs: tuple[str, ...] = TORCH_26) -> Facts:
    devices = tuple(gpu(index, name, sm) for index, (name, sm) in enumerate(found))
    facts = with_torch(with_driver(healthy(), "570.124.04", "12.8"), "2.6.0+cu126", "12.6", archs)
    return edit(facts, gpus__devices=Known(devices, "NVML"))


def test_an_h100_on_a_build_with_sm_90_is_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS


def test_an_l4_runs_on_sm_80_and_sm_86_of_its_own_major() -> None:
    assert judged(RULE, cards(("NVIDIA L4", "8.9")))[0] is Outcome.PASS


def test_the_real_report_pytorch_150733_rtx_5090_on_torch_2_6() -> None:
    outcome, (finding,), _ = judged(RULE, cards(("NVIDIA GeForce RTX 5090 D", "12.0")))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "torch 2.6.0+cu126 has no code for NVIDIA GeForce RTX 5090 D (compute capability 12.0)"
    assert [(one.what, one.value) for one in finding.evidence] == [
        ("compute capability of GPU 0", "12.0"),
        ("architectures torch is built for (sm_120 is not among them)", "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"),
    ]


def test_the_remedy_is_the_oldest_newer_release_with_code_for_the_gpu() -> None:
    _, (finding,), _ = judged(RULE, cards(("NVIDIA B200", "10.0")))
    assert finding.changes[0].install == {"torch": "==2.8.0"}


def test_no_release_is_proposed_that_the_driver_cannot_start() -> None:
    facts = with_driver(cards(("NVIDIA B200", "10.0")), "470.86", "11.4")
    _, (finding,), _ = judged(RULE, facts)
    assert finding.changes == ()


@pytest.mark.parametrize("archs", [("sm_90", "compute_120"), ("sm_90", "sm_100", "sm_120")])
def test_ptx_or_code_of_the_same_major_covers_a_newer_gpu(archs: tuple[str, ...]) -> None:
    assert judged(RULE, cards(("NVIDIA GB10", "12.1"), archs=archs))[0] is Outcome.PASS


def test_ptx_of_an_older_generation_is_a_warning_as_torch_gives_one() -> None:
    """hpcaitech/ColossalAI#5050: torch 1.12 (sm_86 and compute_37) on an H100."""
    _, (finding,), _ = judged(RULE, cards(("NVIDIA GB10", "12.1"), archs=(*TORCH_26, "compute_90")))
    assert finding.severity is Severity.WARNING
    assert "not compatible" in finding.why


def test_architecture_specific_code_of_another_minor_does_not() -> None:
    assert judged(RULE, cards(("NVIDIA B300", "10.3"), archs=("sm_90", "sm_100a")))[0] is Outcome.FAIL


def test_gpus_of_one_capability_are_one_finding() -> None:
    _, findings, _ = judged(RULE, cards(*[("NVIDIA B200", "10.0")] * 8))
    assert len(findings) == 1


def test_where_another_gpu_can_be_used_it_is_a_warning_that_says_which() -> None:
    _, (finding,), _ = judged(RULE, cards(("NVIDIA H100 80GB HBM3", "9.0"), ("NVIDIA GeForce RTX 5090", "12.0")))
    assert finding.severity is Severity.WARNING
    assert "CUDA_VISIBLE_DEVICES=0." in finding.why


def test_an_older_gpu_is_left_to_ed108() -> None:
    assert judged(RULE, cards(("Tesla V100-SXM2-32GB", "7.0"), archs=("sm_80", "sm_90")))[0] is Outcome.PASS


@pytest.mark.parametrize("leaf", ["builds__torch", "builds__torch__gpu_archs", "gpus__devices"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(cards(("NVIDIA B200", "10.0")), leaf))[0] is Outcome.UNKNOWN
