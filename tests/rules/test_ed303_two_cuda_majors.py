"""ED303: compiled packages for another CUDA major than torch's."""

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Layer, Outcome, Severity
from tests.factory import SITE, blind, dist, edit, healthy, judged, put, with_torch

RULE = "ed303_two_cuda_majors"


def with_extensions(facts: Facts, *extensions: tuple[str, str, str]) -> Facts:
    found = tuple(f.Extension(package=package, path=path, needed=("libtorch.so", needed)) for package, path, needed in extensions)
    return edit(facts, builds__extensions=Known(found, SITE))


def test_one_major_everywhere_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_wheels_of_two_majors_side_by_side_are_no_fault() -> None:
    facts = put(healthy(), dist("nvidia-cuda-runtime", "13.0.96"), dist("nvidia-cublas", "13.1.0.3"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_a_cuda_13_vllm_over_a_cuda_12_torch_is_one_error_with_both_sides_as_evidence() -> None:
    facts = put(with_torch(healthy(), "2.11.0+cu129", "12.9"), dist("vllm", "0.21.0", "torch==2.11.0"))
    facts = with_extensions(
        facts, ("vllm", "vllm/_C.abi3.so", "libcudart.so.13"), ("vllm", "vllm/_moe_C.abi3.so", "libcudart.so.13"),
        ("torch", "torch/lib/libc10_cuda.so", "libcudart.so.12"),
    )  # fmt: skip
    outcome, (finding,), _ = judged(RULE, facts)
    assert outcome is Outcome.FAIL
    assert (finding.severity, finding.layer, finding.cause) == (Severity.ERROR, Layer.LINKED, "cuda-major-mismatch")
    assert finding.title == "vllm 0.21.0 needs the CUDA 13 runtime (libcudart.so.13), but torch is built for CUDA 12.9"
    assert {one.value for one in finding.evidence} == {"libcudart.so.13", "12.9"}
    assert [change.install for change in finding.changes] == [{}, {"torch": "==2.11.0"}], "torch 2.11.0 itself is a CUDA 13 build"


def test_every_offending_package_gets_its_own_finding() -> None:
    facts = with_extensions(
        healthy(),
        ("sgl-kernel", "sgl_kernel/a.so", "libcudart.so.13"),
        ("flash-attn", "flash_attn_2_cuda.so", "libcudart.so.11.0"),
    )
    assert {finding.subjects for finding in judged(RULE, facts)[1]} == {("sgl-kernel", "torch"), ("flash-attn", "torch")}


def test_a_package_with_modules_for_several_majors_is_healthy_if_one_fits() -> None:
    facts = with_extensions(healthy(), ("sgl-kernel", "a.so", "libcudart.so.13"), ("sgl-kernel", "b.so", "libcudart.so.12"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_a_foreign_runtime_on_the_loaders_path_is_named() -> None:
    library = f.Library(
        stem="libcudart",
        soname="libcudart.so.13",
        path="/usr/local/cuda-13/lib64/libcudart.so.13",
        version=None,
        origin="ld.so.cache",
    )
    facts = edit(with_extensions(healthy(), ("sgl-kernel", "a.so", "libcudart.so.13")), cuda__libraries=Known((library,), "x"))
    assert judged(RULE, facts)[1][0].evidence[-1].value == "/usr/local/cuda-13/lib64/libcudart.so.13"


def test_a_cpu_torch_is_another_rules_business() -> None:
    assert judged(RULE, with_torch(healthy(), "2.5.1+cpu", None))[0] is Outcome.PASS


def test_unknown_builds_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "builds__torch"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "builds__extensions"))[0] is Outcome.UNKNOWN
