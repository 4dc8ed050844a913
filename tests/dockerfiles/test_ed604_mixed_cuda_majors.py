"""ED604: two CUDA majors."""

from __future__ import annotations

import pytest

from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, found, titles

INDEX = "--index-url https://download.pytorch.org/whl"


@pytest.mark.parametrize(
    "line",
    [
        f"RUN pip install torch==2.9.1 {INDEX}/cu130",
        "RUN uv pip install torch==2.9.1 --torch-backend=cu130",
        "RUN pip install torch==2.9.1+cu130",
        "RUN pip install torch==2.15.0",
    ],
)
def test_a_torch_for_another_major_than_the_base_is_found_however_it_is_said(line: str) -> None:
    (one,) = found("ED604", f"{CUDA}{line}\n")
    assert (one.line, one.severity) == (2, Severity.WARNING)
    assert "is CUDA 12" in one.title
    assert one.title.endswith("is CUDA 13")
    assert one.evidence[1].what == "line 1"


def test_it_is_an_error_where_something_is_compiled_there() -> None:
    text = f"{CUDA}RUN pip install torch==2.9.1 {INDEX}/cu130\nRUN pip install flash-attn==2.8.3 --no-build-isolation\n"
    assert [one.severity for one in found("ED604", text)] == [Severity.ERROR]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("RUN pip install nvidia-cudnn-cu12==9.1.0.70", Severity.WARNING),
        ("RUN pip install cupy-cuda12x==13.3.0", Severity.WARNING),
        ("RUN pip install https://x/flash_attn-2.8.3+cu12torch2.9cxx11abiTRUE-cp312-cp312-linux_x86_64.whl", Severity.ERROR),
        ("RUN pip install --no-deps vllm==0.8.5", Severity.ERROR),
    ],
)
def test_what_is_made_for_the_other_major_is_found(line: str, severity: Severity) -> None:
    text = f"FROM nvidia/cuda:13.0.1-devel-ubuntu24.04\nRUN pip install torch==2.9.1 {INDEX}/cu130\n{line}\n"
    (one,) = found("ED604", text)
    assert (one.line, one.severity) == (3, severity)


@pytest.mark.parametrize(
    "text",
    [
        f"{CUDA}RUN pip install torch==2.8.0 {INDEX}/cu128\nRUN pip install nvidia-cudnn-cu12==9.10 cupy-cuda12x==13\n",
        f"{CUDA}RUN pip install torch==2.6.0\n",
        f"{CUDA}RUN if x; then pip install torch==2.9.1 {INDEX}/cu130; fi\n",
        "FROM python:3.12\nRUN pip install torch==2.15.0\n",
        f"FROM nvidia/cuda:12.8.1-devel-ubuntu22.04 AS a\nFROM nvidia/cuda:13.0.1-devel-ubuntu24.04\nRUN pip install torch==2.9.1 {INDEX}/cu130\n",
        f"{CUDA}RUN pip install torch==2.9.1 --index-url https://mirror.example/simple\n",
    ],
)
def test_one_major_unknown_ones_and_other_stages_are_no_fault(text: str) -> None:
    assert titles("ED604", text) == []


def test_the_torch_that_is_installed_last_counts() -> None:
    text = f"{CUDA}RUN pip install torch==2.9.1 {INDEX}/cu130\nRUN pip install torch==2.8.0 {INDEX}/cu128\n"
    assert titles("ED604", text) == []


def test_the_torch_that_an_engine_pins_and_brings_counts_too() -> None:
    base = "FROM nvidia/cuda:13.0.1-devel-ubuntu24.04\n"
    assert titles("ED604", f"{base}RUN pip install vllm==0.11.0\n") == [
        "2: the base image nvidia/cuda:13.0.1-devel-ubuntu24.04 is CUDA 13, but torch (vllm 0.11.0 pins torch 2.8.0) is CUDA 12"
    ]
    assert titles("ED604", f"{CUDA}RUN pip install torch==2.15.0\nRUN pip install vllm==0.11.0\n") == []


@pytest.mark.parametrize("between", [" ", "\nRUN pip install ", " && pip install "])
def test_packages_for_two_majors_are_found_without_a_torch(between: str) -> None:
    (one,) = found("ED604", f"FROM x\nRUN pip install nvidia-cublas-cu12==12.4.5.8{between}nvidia-cudnn-cu13==9.20.0.48\n")
    assert one.title == "nvidia-cudnn-cu13==9.20.0.48 is for CUDA 13, but nvidia-cublas-cu12==12.4.5.8 is for CUDA 12"
    assert one.severity is Severity.WARNING


def test_packages_in_two_environments_or_for_one_major_are_no_fault() -> None:
    first = "FROM x\nRUN pip install nvidia-cublas-cu12==12.4.5.8"
    assert titles("ED604", f"{first}\nRUN /opt/b/bin/pip install nvidia-cudnn-cu13==9.20.0.48\n") == []
    assert titles("ED604", f"{first} nvidia-cudnn-cu12==9.20.0.48 cupy-cuda12x==13.3.0\n") == []
    both = "nvidia-cutlass-dsl-libs-cu12==4.6.2 nvidia-cutlass-dsl-libs-cu13==4.6.2"
    assert titles("ED604", f"FROM x\nRUN pip install {both}\n") == []


@pytest.mark.parametrize("extra", ["", f" {INDEX.replace('index', 'extra-index')}/cu130"])
def test_a_torch_that_an_engine_pins_and_finds_stays_and_is_held_against_the_engine(extra: str) -> None:
    text = f"FROM x\nRUN pip install torch==2.13.0 {INDEX}/cu126\nRUN pip install vllm==0.31.0{extra}\n"
    (one,) = found("ED604", text)
    assert (one.title, one.severity) == ("vllm==0.31.0 is CUDA 13, but torch (torch==2.13.0) is CUDA 12", Severity.ERROR)
    assert found("ED604", text.replace("cu126", "cu130")) == []


@pytest.mark.parametrize("torch", ["torch", "torch==2.9.0"])
@pytest.mark.parametrize("engine", ["vllm==0.31.0", "vllm"])
def test_two_indexes_for_torch_and_its_engine_are_found_though_torch_may_be_replaced(torch: str, engine: str) -> None:
    text = f"FROM x\nRUN pip install {torch} {INDEX}/cu126\nRUN pip install {engine} --extra-index-url https://x/whl/cu130\n"
    assert titles("ED604", text) == ["3: line 3 takes torch for CUDA 13, but line 2 takes it for CUDA 12"]
    assert titles("ED604", text.replace("cu130", "cu128")) == []
