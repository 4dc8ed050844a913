"""ED109: packages without kernels for the GPU. Counts of containers are those of the wheels that are named."""

from __future__ import annotations

import time

import pytest

from envdoctor.architectures import in_wheel
from envdoctor.examine import Wishes, examine
from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.linkage import DeviceCode
from envdoctor.suppose import supposing
from tests.factory import MATRIX, SITE, blind, device_code, dist, edit, gpu, healthy, judged, put, with_driver, with_torch

RULE = "ed109_device_code_missing"
H100, A100, L4, RTX_4090 = ("NVIDIA H100 80GB HBM3", "9.0"), ("NVIDIA A100", "8.0"), ("NVIDIA L4", "8.9"), ("RTX 4090", "8.9")
B200, B300, T4 = ("NVIDIA B200", "10.0"), ("NVIDIA B300 SXM6", "10.3"), ("Tesla T4", "7.5")

VLLM_0_8_5 = (
    ("vllm/_flashmla_C.abi3.so", {"sm_90a": 3}),
    ("vllm/_moe_C.abi3.so", {"sm_80 sm_86 sm_89 sm_90": 7, "sm_70 sm_75 sm_80 sm_86 sm_89 sm_90": 3}),
    (
        "vllm/_C.abi3.so",
        {
            "sm_70 sm_75 sm_80 sm_86 sm_89 sm_90": 27, "sm_90a": 18, "sm_80 sm_86 sm_89 sm_90": 7, "sm_80 sm_86 sm_89": 2,
            "sm_75 sm_80 sm_86 sm_89 sm_90": 1, "sm_52 compute_52": 1,
        },
    ),
    ("vllm/vllm_flash_attn/_vllm_fa3_C.abi3.so", {"sm_80 sm_90a": 172}),
    ("vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so", {"sm_80 sm_90": 60}),
)  # fmt: skip
SGL_KERNEL_0_3_21 = (
    ("lib/mscclpp_nccl.so", {"sm_80 sm_90 compute_80 compute_90": 2}),
    ("sgl_kernel/flash_ops.abi3.so", {"sm_80 sm_86 sm_90a": 182}),
    ("sgl_kernel/sm100/common_ops.abi3.so", {"sm_80 sm_89 sm_90 sm_90a sm_100a sm_120a": 74}),
)
FLASH_ATTENTION_3 = (("flash_attn_3/_C.abi3.so", {"sm_90a": 60}),)


def holding(facts: Facts, package: str, *libraries: tuple[str, dict[str, int]]) -> Facts:
    """The facts with these libraries of a package in the place of those it had."""
    leaf = facts.device_code
    assert isinstance(leaf, Known)
    kept = tuple(one for one in leaf.value if one.package != package)
    return edit(
        facts,
        device_code=Known(
            kept + tuple(DeviceCode(package=package, path=path, containers=containers) for path, containers in libraries),
            leaf.via,
        ),
    )


def on(*cards: tuple[str, str], facts: Facts | None = None) -> Facts:
    devices = tuple(gpu(index, name, sm) for index, (name, sm) in enumerate(cards))
    return edit(facts or healthy(), gpus__devices=Known(devices, "NVML"))


def of_vllm(version: str, facts: Facts | None = None) -> Facts:
    """With the kernels that the data knows of a vLLM wheel."""
    row = next(row for row in MATRIX.vllm_releases() if row.vllm == version)
    return holding(facts or healthy(), "vllm", *((one.path, one.containers) for one in in_wheel(row)))


@pytest.mark.parametrize("card", [H100, A100, L4, RTX_4090])
@pytest.mark.parametrize("version", ["0.6.6.post1", "0.8.5.post1", "0.10.2", "0.32.0", "0.33.0"])
def test_wheels_of_vllm_are_no_more_than_information_on_the_gpus_they_were_made_for(card: tuple[str, str], version: str) -> None:
    findings = judged(RULE, on(card, facts=of_vllm(version)))[1]
    assert {one.severity for one in findings} <= {Severity.INFO}


@pytest.mark.parametrize("card", [B200, B300, ("RTX 5090", "12.0"), ("NVIDIA GB10", "12.1"), H100, L4, T4])
@pytest.mark.parametrize("version", ["0.32.0", "0.33.0"])
def test_a_vllm_of_cuda_13_runs_on_everything_from_turing_to_blackwell(card: tuple[str, str], version: str) -> None:
    only_vllm = edit(
        of_vllm(version), device_code=Known(tuple(one for one in code(of_vllm(version)) if one.package == "vllm"), SITE)
    )
    assert {one.severity for one in judged(RULE, on(card, facts=only_vllm))[1]} <= {Severity.INFO}


def code(facts: Facts) -> tuple[DeviceCode, ...]:
    assert isinstance(facts.device_code, Known)
    return facts.device_code.value


def test_the_healthy_node_has_kernels_for_its_gpu() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_torch_2_5_on_a_b200_has_none_and_the_number_is_said() -> None:
    outcome, (finding,), _ = judged(RULE, on(B200))
    assert (outcome, finding.severity) == (Outcome.FAIL, Severity.ERROR)
    assert (
        finding.title
        == "0 of 340 kernel images of libtorch_cuda of torch 2.5.1 run on NVIDIA B200 (sm_100), and no PTX (vllm too)"
    )
    assert finding.subjects == ("torch", "vllm", "__gpu")
    shown = {one.what: one.value for one in finding.evidence}
    assert shown["kernel images of torch/lib/libtorch_cuda.so that run"] == (
        "0 of 340; sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90 sm_90a"
    )
    assert shown["kernel images of vllm/_C.abi3.so that run"].startswith("1 of 31, 1 of them by PTX; sm_52 ")


def test_it_folds_under_the_finding_on_the_list_of_torch() -> None:
    (diagnosis,) = examine(on(B200), MATRIX, Wishes(), time.monotonic())[1].diagnoses
    assert diagnosis.root.code == "ED107"
    assert [one.code for one in diagnosis.symptoms] == ["ED109"]


def test_a_vllm_alone_without_kernels_is_an_error_of_its_own() -> None:
    """Release 0.8.5.post1 on a B200 under a torch that runs there: one stray image of 280 is PTX for everything."""
    facts = with_torch(with_driver(healthy(), "580.65.06", "13.0"), "2.8.0+cu128", "12.8", ("sm_90", "sm_100", "sm_120"))
    facts = holding(facts, "torch", ("torch/lib/libtorch_cuda.so", {"sm_70 sm_75 sm_80 sm_86 sm_90 sm_100 sm_120": 393}))
    facts = put(holding(facts, "vllm", *VLLM_0_8_5), dist("vllm", "0.8.5.post1"))
    (finding,) = judged(RULE, on(B200, facts=facts))[1]
    assert finding.severity is Severity.ERROR
    assert finding.title == "1 of 280 kernel images of vllm 0.8.5.post1 run on NVIDIA B200 (sm_100)"
    assert finding.changes[0].install == {"vllm": "==0.10.2"}


def test_the_remedy_is_proven_by_the_kernels_that_the_data_knows() -> None:
    facts = with_torch(with_driver(healthy(), "580.65.06", "13.0"), "2.8.0+cu128", "12.8", ("sm_90", "sm_100", "sm_120"))
    facts = holding(facts, "torch", ("torch/lib/libtorch_cuda.so", {"sm_90 sm_100 sm_120": 393}))
    facts = on(B200, facts=put(holding(facts, "vllm", *VLLM_0_8_5), dist("vllm", "0.8.5.post1")))
    diagnoses = examine(facts, MATRIX, Wishes(), time.monotonic())[1].diagnoses
    (own,) = (one for one in diagnoses if one.root.code == RULE[:5].upper())
    assert [one.proven for one in own.remedies] == [True]


def test_a_t4_runs_the_few_general_kernels_of_vllm_0_8_5_and_is_no_error() -> None:
    """Most of its kernels are FlashAttention's, for Ampere and newer: vLLM takes others on a T4."""
    (finding,) = judged(RULE, on(T4, facts=holding(healthy(), "vllm", *VLLM_0_8_5)))[1]
    assert finding.severity is Severity.INFO
    assert finding.title == "kernels for other GPUs than sm_75: _flashmla_C, _vllm_fa2_C, _vllm_fa3_C"


def test_sgl_kernel_on_a_b300_has_only_a_communication_library_with_ptx() -> None:
    """sm_100a runs on 10.0 only; two kernels of mscclpp with PTX do not make the package run."""
    facts = put(holding(healthy(), "sgl-kernel", *SGL_KERNEL_0_3_21), dist("sgl-kernel", "0.3.21"))
    only = edit(facts, device_code=Known(tuple(one for one in code(facts) if one.package == "sgl-kernel"), SITE))
    (finding,) = judged(RULE, on(B300, facts=only))[1]
    assert finding.severity is Severity.ERROR
    assert finding.title == "2 of 258 kernel images of sgl-kernel 0.3.21 run on NVIDIA B300 SXM6 (sm_103)"
    assert {one.severity for one in judged(RULE, on(B200, facts=only))[1]} == {Severity.INFO}


def test_a_package_for_one_other_gpu_alone_is_information() -> None:
    facts = put(holding(healthy(), "flash-attn-3", *FLASH_ATTENTION_3), dist("flash-attn-3", "3.0.0"))
    (finding,) = judged(RULE, on(A100, facts=facts))[1]
    assert (finding.severity, finding.cause) == (Severity.INFO, "kernels-for-other-gpus")
    assert judged(RULE, on(H100, facts=facts))[0] is Outcome.PASS


def test_a_package_that_one_installs_for_its_kernels_is_a_warning() -> None:
    facts = put(holding(healthy(), "flash-attn", ("flash_attn_2_cuda.so", {"sm_80 sm_90": 64})), dist("flash-attn", "2.7.4"))
    (finding,) = (one for one in judged(RULE, on(T4, facts=facts))[1] if one.severity is not Severity.INFO)
    assert finding.severity is Severity.WARNING
    assert finding.title == "0 of 64 kernel images of flash-attn 2.7.4 run on Tesla T4 (sm_75), and no PTX"


def test_where_another_gpu_runs_them_it_is_a_warning_that_says_which() -> None:
    (finding,) = judged(RULE, on(H100, B200))[1]
    assert finding.severity is Severity.WARNING
    assert finding.why.endswith("The other GPUs can be used alone: CUDA_VISIBLE_DEVICES=0.")


def test_ptx_makes_a_package_run_on_newer_gpus() -> None:
    (xformers,) = (one for one in device_code() if one.package == "xformers")
    facts = edit(healthy(), device_code=Known((xformers,), SITE))
    assert judged(RULE, on(B200, facts=facts))[0] is Outcome.PASS


def test_cuda_libraries_themselves_and_their_bundled_copies_are_not_judged() -> None:
    facts = edit(healthy(), device_code=Known((), SITE))
    facts = holding(facts, "nvidia-cufft-cu12", ("nvidia/cufft/lib/libcufft.so.11", {"sm_52": 1}))
    facts = holding(facts, "torchvision", ("torchvision.libs/libnvjpeg.02b6d700.so.12", {"sm_90": 11}))
    facts = holding(facts, "torch", ("torch/lib/libcusparseLt-294d6944.so.0", {"sm_80": 9}))
    assert judged(RULE, on(B200, facts=facts))[0] is Outcome.PASS


def test_without_a_gpu_there_is_nothing_to_judge_even_if_nobody_looked_at_the_code() -> None:
    assert judged(RULE, blind(edit(healthy(), gpus__devices=Known((), "NVML")), "device_code"))[0] is Outcome.PASS


@pytest.mark.parametrize("leaf", ["device_code", "gpus__devices"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(healthy(), leaf))[0] is Outcome.UNKNOWN


def test_kernels_of_a_supposed_package_that_the_data_does_not_know_cannot_be_told() -> None:
    outcome, _, (doubt,) = judged(RULE, supposing(healthy(), {"xformers": "0.0.30"}, MATRIX))
    assert outcome is Outcome.UNKNOWN
    assert doubt.why == "the kernels of xformers 0.0.30 are not known: only a wheel that is installed can be read"


def test_kernels_of_a_supposed_vllm_come_from_the_data() -> None:
    supposed = supposing(healthy(), {"vllm": "0.8.5.post1", "gpu": "b200"}, MATRIX)
    (finding,) = judged(RULE, supposed)[1]
    assert finding.subjects == ("torch", "vllm", "__gpu")
    supposed = supposing(healthy(), {"vllm": "0.33.0", "torch": "2.14.0", "gpu": "b200"}, MATRIX)
    assert judged(RULE, supposed)[0] is Outcome.PASS


def test_where_a_package_does_not_run_kernels_for_other_gpus_are_not_said_beside_it() -> None:
    facts = put(holding(healthy(), "flash-attn-3", *FLASH_ATTENTION_3), dist("flash-attn-3", "3.0.0"))
    assert [one.severity for one in judged(RULE, on(B200, facts=facts))[1]] == [Severity.ERROR]
