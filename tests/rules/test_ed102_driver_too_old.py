"""ED102: the driver against the CUDA runtime."""

from envdoctor import facts as f
from envdoctor.facts import Known
from envdoctor.findings import Outcome, Severity
from envdoctor.sources.pasted import facts_of
from tests.factory import MATRIX, blind, dist, drop, edit, healthy, judged, put, with_driver, with_torch, without_driver

RULE = "ed102_driver_too_old"


def test_cu124_on_driver_535_is_healthy_by_minor_version_compatibility() -> None:
    outcome, findings, _ = judged(RULE, with_driver(healthy(), "535.161.08", "12.2"))
    assert outcome is Outcome.PASS
    assert findings == ()


def test_cu130_on_driver_550_is_an_error_that_names_both_versions_and_the_floor() -> None:
    outcome, findings, _ = judged(RULE, with_torch(healthy(), "2.11.0+cu130", "13.0"))
    assert outcome is Outcome.FAIL
    (finding,) = findings
    assert finding.severity is Severity.ERROR
    assert finding.title == "driver 550.54.15 is too old for CUDA 13.0: torch needs driver 580.65.06 or newer"
    assert [(one.value, one.via) for one in finding.evidence] == [
        ("550.54.15", "/proc/driver/nvidia/version"),
        ("13.0", "~/venv/lib/python3.11/site-packages/torch/version.py"),
    ]
    assert finding.changes[0].suppose == {"driver": "580.65.06"}


def test_a_cuda_compat_libcuda_that_reaches_the_wanted_cuda_covers_an_old_driver() -> None:
    facts = edit(
        with_torch(healthy(), "2.11.0+cu130", "13.0"),
        driver__libcuda=Known((f.LibCuda(path="/usr/local/cuda-13.0/compat/libcuda.so.580.65.06", version="580.65.06", kind="compat", origin="LD_LIBRARY_PATH"),), "x"),
        driver__cuda_api=Known("13.0", "cuDriverGetVersion"),
    )  # fmt: skip
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_a_cpu_build_or_a_machine_without_driver_is_not_this_rules_business() -> None:
    assert judged(RULE, with_torch(healthy(), "2.5.1+cpu", None))[0] is Outcome.PASS
    assert judged(RULE, without_driver(healthy()))[0] is Outcome.PASS


def test_an_unknown_driver_or_torch_build_cannot_be_told() -> None:
    facts = blind(healthy(), "driver__kernel_module", "driver__sys_module", "driver__nvml", "driver__smi")
    outcome, _, doubts = judged(RULE, facts)
    assert outcome is Outcome.UNKNOWN
    assert doubts[0].why == "no answer in 5 s"
    assert judged(RULE, blind(healthy(), "builds__torch"))[0] is Outcome.UNKNOWN


def test_who_cannot_change_the_driver_is_offered_the_newest_stack_that_starts_on_it() -> None:
    facts = put(with_torch(healthy(), "2.13.0+cu130", "13.0"), dist("vllm", "0.32.0", "torch==2.13.0"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.changes[1].install == {"vllm": "==0.19.1"}
    (finding,) = judged(RULE, drop(facts, "vllm"))[1]
    assert finding.changes[1].install == {"torch": "==2.10.0"}


def test_a_driver_version_that_is_none_cannot_be_compared() -> None:
    outcome, _, (doubt,) = judged(RULE, with_driver(healthy(), "N/A", "ERR!"))
    assert outcome is Outcome.UNKNOWN
    assert doubt.why == "the driver's version, 'N/A', is not a version"


def test_in_a_report_the_cuda_that_the_driver_names_decides() -> None:
    head = "| NVIDIA-SMI 535.129.03   Driver Version: 535.129.03   CUDA Version: {} |\nPyTorch version: 2.11.0+cu130\n"
    assert judged(RULE, facts_of(head.format("13.0").encode(), "a test", MATRIX))[0] is Outcome.PASS, "cuda-compat in a container"
    assert judged(RULE, facts_of(head.format("12.2").encode(), "a test", MATRIX))[0] is Outcome.FAIL


def test_in_a_report_torch_for_cuda_12_4_is_healthy_on_driver_535() -> None:
    text = b"PyTorch version: 2.5.1+cu124\nCUDA used to build PyTorch: 12.4\nNvidia driver version: 535.183.01\n"
    assert judged(RULE, facts_of(text, "a test", MATRIX))[0] is Outcome.PASS
