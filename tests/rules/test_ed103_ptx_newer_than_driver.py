"""ED103: PTX that the driver is too old to compile."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.sources.pasted import facts_of
from tests.factory import MATRIX, blind, dist, drop, edit, gpu, healthy, judged, put, with_driver, with_torch

RULE = "ed103_ptx_newer_than_driver"
OLD = ("535.161.08", "12.2")


def only_ptx(facts: Facts) -> Facts:
    return with_torch(facts, "2.5.1+cu124", "12.4", ("sm_80", "compute_80"))


def issue_31700() -> Facts:
    """vllm-project/vllm#31700: driver 550.144.03, torch 2.9.0+cu128, vllm 0.11.2, H100 PCIe."""
    card = gpu(name="NVIDIA H100 PCIe", pci="0x2331")
    facts = edit(with_driver(healthy(), "550.144.03", "12.4"), gpus__devices=Known((card,), "NVML"))
    return put(with_torch(facts, "2.9.0+cu128", "12.8"), dist("vllm", "0.11.2"))


def test_cu124_on_driver_535_with_machine_code_for_the_gpu_is_healthy() -> None:
    assert judged(RULE, with_driver(healthy(), *OLD))[0] is Outcome.PASS


def test_ptx_only_on_an_older_driver_is_an_error_cured_by_the_driver_of_that_cuda() -> None:
    outcome, (finding,), _ = judged(RULE, only_ptx(with_driver(healthy(), *OLD)))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "torch has only PTX for compute capability 9.0, and driver 535.161.08 cannot compile PTX of CUDA 12.4"
    assert ("CUDA of the driver", "12.2") in [(one.what, one.value) for one in finding.evidence]
    assert finding.changes[0].suppose == {"driver": "550.54.14"}


def test_ptx_only_on_the_driver_of_that_cuda_is_healthy() -> None:
    assert judged(RULE, only_ptx(healthy()))[0] is Outcome.PASS


def test_the_drivers_table_decides_where_libcuda_does_not_say() -> None:
    assert judged(RULE, blind(only_ptx(with_driver(healthy(), *OLD)), "driver__cuda_api"))[0] is Outcome.FAIL
    assert judged(RULE, blind(only_ptx(healthy()), "driver__cuda_api"))[0] is Outcome.PASS


def test_a_driver_below_the_floor_is_left_to_ed102() -> None:
    assert judged(RULE, only_ptx(with_driver(healthy(), "470.86", "11.4")))[0] is Outcome.PASS


def test_the_real_report_of_vllm_31700_warns_of_flash_attention_2() -> None:
    outcome, (finding,), _ = judged(RULE, issue_31700())
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.WARNING
    assert finding.cause == "ptx-newer-than-driver"
    assert finding.title.startswith("vLLM's FlashAttention 2 has only PTX for compute capability 9.0, and driver 550.144.03")


def test_the_same_vllm_on_compute_capability_8_has_machine_code_and_is_healthy() -> None:
    card = gpu(name="NVIDIA A100 80GB PCIe", sm="8.0")
    assert judged(RULE, edit(issue_31700(), gpus__devices=Known((card,), "NVML")))[0] is Outcome.PASS


@pytest.mark.parametrize(("version", "outcome"), [("0.8.5.post1", Outcome.PASS), ("0.9.2", Outcome.FAIL)])
def test_vllm_up_to_0_8_5_has_machine_code_for_hopper(version: str, outcome: Outcome) -> None:
    assert judged(RULE, put(issue_31700(), dist("vllm", version)))[0] is outcome


def test_flashinfer_on_an_older_driver_is_only_an_info() -> None:
    facts = put(drop(with_driver(healthy(), *OLD), "vllm"), dist("flashinfer-python", "0.2.0"))
    _, (finding,), _ = judged(RULE, facts)
    assert finding.severity is Severity.INFO


def test_unknown_architectures_are_a_doubt_beside_what_is_known_of_vllm() -> None:
    outcome, findings, doubts = judged(RULE, blind(issue_31700(), "builds__torch__gpu_archs"))
    assert outcome is Outcome.FAIL
    assert len(findings) == len(doubts) == 1


@pytest.mark.parametrize("leaf", ["builds__torch", "gpus__devices"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(only_ptx(with_driver(healthy(), *OLD)), leaf))[0] is Outcome.UNKNOWN


def test_a_driver_version_that_is_none_cannot_be_compared() -> None:
    outcome, _, (doubt,) = judged(RULE, with_driver(healthy(), "N/A", "ERR!"))
    assert outcome is Outcome.UNKNOWN
    assert doubt.why == "the driver's version, 'N/A', is not a version"


def test_in_a_report_ptx_that_may_never_be_loaded_is_told_in_passing() -> None:
    text = b"PyTorch version: 2.8.0+cu128\nvLLM Version: 0.11.0\nGPU 0: NVIDIA H100 80GB HBM3\nNvidia driver version: 550.54.15\n"
    (finding,) = judged(RULE, facts_of(text, "a test", MATRIX))[1]
    assert finding.severity is Severity.INFO
