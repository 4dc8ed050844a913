"""Which cause leads in a pasted report: the one behind its failure; the same thing said twice is one diagnosis."""

from __future__ import annotations

import msgspec
import pytest

from envdoctor.examine import Wishes, examine, exit_code, too_little
from envdoctor.findings import Diagnosis, Severity
from envdoctor.pasted import Quote
from envdoctor.quoting import ordered
from envdoctor.sources import pasted
from tests.factory import MATRIX


def diagnosed(text: str) -> tuple[Diagnosis, ...]:
    facts = pasted.facts_of(text.encode(), "x", MATRIX)
    return examine(facts, MATRIX, Wishes(), 0.0, remedies=False)[1].diagnoses


def causes(text: str) -> list[str]:
    return [one.root.cause for one in diagnosed(text) if one.root.severity is not Severity.INFO]


MISSING = "ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params' (/x/vllm/sampling_params.py)\n"


def test_a_rule_and_an_error_of_one_cause_are_one_diagnosis_with_both_as_evidence() -> None:
    (one,) = [found for found in diagnosed(f"trl==0.25.0\nvllm==0.12.0\n{MISSING}") if found.root.severity is Severity.ERROR]
    assert one.root.cause == "trl-vllm-unsupported"
    assert one.root.code == "ED401"
    assert one.root.evidence[0].via == "line 3"
    assert len(one.root.evidence) > 1


def test_what_failed_leads_and_what_is_wrong_besides_follows() -> None:
    text = "trl==0.25.0\nvllm==0.12.0\nRuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized\n"
    assert causes(text)[:2] == ["fabric-manager", "trl-vllm-unsupported"]


def test_versions_alone_name_the_cause_where_the_traceback_hides_it() -> None:
    text = "PyTorch version: 2.6.0+cu124\nGPU 0: NVIDIA GeForce RTX 5090\nRuntimeError: Engine core initialization failed. See root cause above.\n"
    assert causes(text) == ["arch-not-in-torch-build"]


@pytest.mark.parametrize(
    "text",
    [
        "PyTorch version: 2.5.1+cu124\nNvidia driver version: 535.183.01\nGPU 0: NVIDIA A100-SXM4-80GB\nIs CUDA available: True\n",
        "PyTorch version: 2.5.1+cu124\nCUDA runtime version: 12.1.105\nNvidia driver version: 550.54.15\nGPU 0: NVIDIA H100 80GB HBM3\n",
        "PyTorch version: 2.5.1+cu124\ncuDNN version: Probably one of the following:\n/usr/lib/x86_64-linux-gnu/libcudnn.so.8.9.6\n[pip3] nvidia-cudnn-cu12==9.1.0.70\n",
        "Python platform: Linux-5.15.153.1-microsoft-standard-WSL2-x86_64-with-glibc2.35\nPyTorch version: 2.6.0+cu124\nNvidia driver version: 576.40\nGPU 0: NVIDIA GeForce RTX 4090\nIs CUDA available: True\n",
    ],
    ids=["cu124 on driver 535", "another nvcc", "system cuDNN 8", "a Windows driver under WSL"],
)
def test_what_only_looks_wrong_is_healthy(text: str) -> None:
    assert causes(text) == []


def test_error_803_804_802_and_35_are_told_apart() -> None:
    for number, words, cause in (
        (803, "system has unsupported display driver / cuda driver combination", "cuda-compat-conflict"),
        (804, "forward compatibility was attempted on non supported HW", "cuda-compat-conflict"),
        (802, "system not yet initialized", "fabric-manager"),
    ):
        assert causes(f"RuntimeError: Unexpected error from cudaGetDeviceCount(). Error {number}: {words}") == [cause]
    assert causes("The NVIDIA driver on your system is too old (found version 11040).") == ["driver-too-old-for-cuda"]


def quote(cause: str, **values: str) -> Quote:
    return Quote(signature="x", cause=cause, depth=2, line=1, text="", values=values)


def test_of_one_family_the_one_that_names_its_package_leads_and_an_explanation_before_what_it_explains() -> None:
    unnamed, named = quote("kernel-ext-torch-abi"), quote("xformers-torch-mismatch", package="xformers")
    assert ordered((unnamed, named)) == [named, unnamed]
    old, python = quote("trl-too-old"), quote("python-version-unsupported")
    assert ordered((old, python)) == [python, old]
    assert ordered((named, python)) == [named, python]


def test_too_little_is_told_strictly_and_a_healthy_report_passes() -> None:
    for text, little in (
        ("it does not work", True),
        ("torch==2.5.1", True),
        ("torch==2.5.1\nvllm==0.6.6", False),
        ("Nvidia driver version: 550.54.15", False),
    ):
        facts = pasted.facts_of(text.encode(), "x", MATRIX)
        judged, report = examine(facts, MATRIX, Wishes(), 0.0, remedies=False)
        assert too_little(judged) is little, text
        assert exit_code(report, fail_on=Severity.ERROR, strict=True, facts=judged) == (3 if little else 0), text
        assert exit_code(report, fail_on=Severity.ERROR, strict=False, facts=judged) == 0


def found(text: str) -> list[tuple[str, str]]:
    return [(one.root.code, one.root.cause) for one in diagnosed(text) if one.root.severity is not Severity.INFO]


def test_a_rule_that_a_text_names_and_that_found_another_fault_stays_another_diagnosis() -> None:
    text = "[pip3] torch==2.7.1\n[pip3] vllm==0.11.0\nKeyError: 'qwen3_moe'\n"
    assert found(text) == [("ED801", "transformers-too-old"), ("ED201", "torch-vllm-pin-mismatch")]


def test_where_the_text_leaves_open_whose_part_fails_the_versions_decide() -> None:
    text = "torch==2.9.0\nvllm==0.11.0\nundefined symbol: _ZN3c104cuda9SetDeviceEi\n"
    assert found(text) == [("ED201", "torch-vllm-pin-mismatch")]
    named = "torch==2.9.0\nvllm==0.11.0\nImportError: /v/site-packages/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZN3c104cuda9SetDeviceEi\n"
    assert found(named) == [("ED801", "flash-attn-abi"), ("ED201", "torch-vllm-pin-mismatch")]


def test_an_error_by_versions_goes_before_a_warning_of_a_log_and_after_an_error() -> None:
    warned = (
        "WARNING 11-01 10:12:01 cuda.py:22] You are using a deprecated `pynvml` package. Please install `nvidia-ml-py` instead\n"
    )
    pins = "[pip3] torch==2.7.0\n[pip3] vllm==0.6.6\n"
    assert [cause for _, cause in found(pins + warned)] == ["torch-vllm-pin-mismatch", "pynvml-conflict"]
    failed = "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.\n"
    assert [cause for _, cause in found(pins + failed)] == ["cuda-home-mismatch", "torch-vllm-pin-mismatch"]


def test_beside_a_known_failure_of_another_kind_what_tables_say_is_a_warning_and_marked() -> None:
    memory = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 GiB of which 1.00 GiB is free.\n"
    (one,) = diagnosed("[pip3] torch==2.7.0\n[pip3] vllm==0.6.6\n" + memory)
    assert (one.root.severity, one.root.cause) == (Severity.WARNING, "torch-vllm-pin-mismatch")
    assert one.standing is not None
    assert one.standing.beside
    assert "line 3" in one.standing.why


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"trl==0.25.0\nvllm==0.12.0\n{MISSING}", ["Line 3 names it, and that is an error that ends a run; rule ED401 finds it"]),
        ("trl==0.25.0\nvllm==0.12.0\n", ["no known error text is in it"]),
        (
            "[pip3] torch==2.7.0\n[pip3] vllm==0.6.6\nRuntimeError: Engine core initialization failed. See root cause above.\n",
            ["the error in line 3 does not name its cause"],
        ),
        (
            "trl==0.25.0\nvllm==0.12.0\nRuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized\n",
            ["Line 3 names it", "what failed is told before it"],
        ),
        ("undefined symbol: _ZN3c104cuda9SetDeviceEi\n", ["whose compiled part fails is not said there"]),
        (
            "WARNING 11-01 10:12:01 cuda.py:22] You are using a deprecated `pynvml` package. Please install `nvidia-ml-py` instead\n",
            ["Line 1 warns of it; that text can have other causes too"],
        ),
    ],
)
def test_each_diagnosis_says_why_it_stands_where_it_does(text: str, said: list[str]) -> None:
    ranked = [one for one in diagnosed(text) if one.root.severity is not Severity.INFO]
    for one, words in zip(ranked, said, strict=False):
        assert one.standing is not None
        assert words in one.standing.why
    assert [one.standing.beside for one in ranked if one.standing] == [number > 0 for number in range(len(ranked))]


def test_other_targets_have_no_ranking() -> None:
    from envdoctor.ranking import ranked  # noqa: PLC0415
    from tests.factory import healthy  # noqa: PLC0415

    plain = tuple(msgspec.structs.replace(one, standing=None) for one in diagnosed("trl==0.25.0\nvllm==0.12.0\n"))
    assert ranked(plain, healthy()) == plain


def test_wheels_of_two_majors_that_write_one_file_explain_that_a_symbol_of_it_is_missing() -> None:
    symbol = "ImportError: /v/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommRegister\n"
    both = "torch==2.1.0\nnvidia-nccl-cu11==2.14.3\nnvidia-nccl-cu12==2.18.1\n"
    assert found(both + symbol) == [("ED304", "mixed-cuda-majors")]
    assert found("torch==2.1.0\nnvidia-nccl-cu12==2.18.1\nnvidia-cublas-cu11==11.10.3.66\n" + symbol) == [
        ("ED801", "nccl-version-mismatch")
    ]


def test_where_torch_started_cuda_no_table_says_that_the_driver_is_too_old() -> None:
    dump = "PyTorch version: 2.6.0+cu126\nNvidia driver version: 470.161.03\nGPU 0: NVIDIA A800-SXM4-80GB\n"
    assert found(dump + "Is CUDA available: True\n") == []
    assert found(dump + "Is CUDA available: False\n") == [("ED102", "driver-too-old-for-cuda")]
    facts = pasted.facts_of((dump + "Is CUDA available: True\n").encode(), "x", MATRIX)
    _, report = examine(facts, MATRIX, Wishes(suppose={"driver": "470.82.01"}), 0.0, remedies=False)
    assert [one.root.code for one in report.diagnoses if one.root.severity is Severity.ERROR] == ["ED102"]


def test_a_symbol_of_the_project_itself_is_not_told_as_one_of_torch() -> None:
    (one,) = diagnosed("ImportError: /x/site-packages/vllm/_C.abi3.so: undefined symbol: _Z14cutlass_mm_smPv\n")
    assert one.root.cause == "source-build-bug"
    assert "another torch" not in one.root.title
    assert "cutlass_mm_sm" in one.root.title


def test_a_healthy_report_has_no_diagnosis_and_what_is_worth_knowing_stands_beside() -> None:
    text = "Is CUDA available: True\n[pip3] torch==2.7.0\n[pip3] transformers==4.53.1\nvLLM Version: 0.9.2\n"
    _, report = examine(pasted.facts_of(text.encode(), "x", MATRIX), MATRIX, Wishes(), 0.0, remedies=False)
    assert report.diagnoses == ()
    assert [one.root.code for one in report.asides] == ["ED404"]
