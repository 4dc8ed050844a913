"""ED607: compiled against torch, built without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, context, found, titles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "severity", "says"),
    [
        ("pip install flash-attn==2.8.3", Severity.WARNING, "pip builds (from 25.3 on"),
        ("uv pip install flash_attn", Severity.ERROR, "uv builds"),
        ("pip install git+https://github.com/NVIDIA/apex.git", Severity.WARNING, "Its setup.py imports torch"),
        ("pip install git+https://github.com/Dao-AILab/flash-attention@v2.8.3", Severity.WARNING, "Its setup.py imports torch"),
        ("pip install 'transformer_engine[pytorch]==2.16.1'", Severity.WARNING, "gets the newest torch"),
        ("pip install 'transformer_engine[pytorch]==2.2.0'", Severity.WARNING, "Its setup.py imports torch"),
        ("uv pip install mamba-ssm==2.2.4", Severity.WARNING, "gets the newest torch"),
        ("DS_BUILD_FUSED_ADAM=1 pip install deepspeed==0.16.4", Severity.WARNING, "compiles no operator"),
    ],
)
def test_a_build_without_the_torch_of_the_image_is_found_with_what_comes_of_it(line: str, severity: Severity, says: str) -> None:
    (one,) = found("ED607", f"{CUDA}RUN {line}\n")
    assert one.severity is severity
    assert says in one.why


@pytest.mark.parametrize(
    "line",
    [
        "pip install flash-attn==2.8.3 --no-build-isolation",
        "uv pip install flash-attn --no-build-isolation-package flash-attn",
        "UV_NO_BUILD_ISOLATION=1 uv pip install flash-attn",
        "pip install https://x/flash_attn-2.8.3+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl",
        "pip install --only-binary :all: flash-attn",
        "pip install deepspeed==0.16.4",
        "pip install transformer_engine",
        "pip install torch==2.8.0 vllm==0.11.0",
    ],
)
def test_wheels_builds_without_isolation_and_pure_packages_are_no_fault(line: str) -> None:
    assert titles("ED607", f"{CUDA}RUN {line}\n") == []


def test_what_nvidias_image_brings_is_not_built() -> None:
    base = "FROM nvcr.io/nvidia/pytorch:25.11-py3\n"
    assert titles("ED607", f"{base}RUN pip install flash_attn\n") == []
    assert len(titles("ED607", f"{base}RUN pip install flash_attn==2.8.3\n")) == 1


def test_requirements_files_and_the_configuration_of_uv_count(tmp_path: Path) -> None:
    text = f"{CUDA}COPY r.txt /\nRUN uv pip install -r /r.txt\n"
    folder = context(tmp_path, {"r.txt": "torch==2.8.0\nflash-attn==2.8.3\n"})
    (one,) = found("ED607", text, folder)
    assert one.evidence[1].what == "line 2 of r.txt"
    context(tmp_path, {"pyproject.toml": '[tool.uv]\nno-build-isolation-package = ["flash-attn"]\n'})
    assert found("ED607", text, folder) == []
