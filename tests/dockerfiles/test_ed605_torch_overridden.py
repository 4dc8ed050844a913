"""ED605: torch installed twice."""

from __future__ import annotations

import pytest

from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, found, titles


def test_a_second_torch_is_found_with_both_lines() -> None:
    (one,) = found("ED605", f"{CUDA}RUN pip install torch==2.6.0\nRUN pip install \\\n   torch==2.7.1\n")
    assert one.title == "torch 2.7.1 is installed, but torch 2.6.0 is installed"
    assert (one.line, one.severity) == (4, Severity.WARNING)
    assert [seen.what for seen in one.evidence] == ["line 4", "line 2"]


def test_an_engine_that_pins_another_torch_is_found_with_the_data_that_says_so() -> None:
    (one,) = found("ED605", f"{CUDA}RUN pip install torch==2.6.0\nRUN pip install vllm==0.11.0\n")
    assert one.title == "vllm 0.11.0 pins torch 2.8.0, but torch 2.6.0 is installed"
    assert any("METADATA of the wheel vllm-0.11.0" in source.where for source in one.sources)


def test_what_no_resolver_can_join_is_an_error() -> None:
    (one,) = found("ED605", f"{CUDA}RUN pip install torch==2.6.0 vllm==0.11.0\n")
    assert one.severity is Severity.ERROR
    assert "in the same command" in one.title


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel", "the base image brings torch 2.6.0"),
        ("nvcr.io/nvidia/pytorch:25.03-py3", "the base image brings NVIDIA's own build of torch"),
    ],
)
def test_the_torch_of_a_base_image_counts(base: str, says: str) -> None:
    assert titles("ED605", f"FROM {base}\nRUN pip install vllm==0.11.0\n") == [f"2: vllm 0.11.0 pins torch 2.8.0, but {says}"]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN pip install torch==2.8.0 torchvision==0.23.0\nRUN pip install vllm==0.11.0",
        "RUN pip install torch==2.8.0+cu128\nRUN pip install torch==2.8.0",
        "RUN pip install torch==2.6.0\nRUN pip install --no-deps vllm==0.11.0",
        "RUN pip install torch==2.6.0\nRUN pip install -c /c.txt vllm==0.11.0",
        "RUN pip install torch==2.6.0\nRUN pip uninstall -y torch\nRUN pip install vllm==0.11.0",
        "RUN pip install torch==2.6.0\nRUN /opt/other/bin/pip install vllm==0.11.0",
        "RUN if x; then pip install torch==2.6.0; else pip install torch==2.7.1; fi",
        "RUN pip install torch==2.6.0\nFROM a\nRUN pip install torch==2.7.1",
        "RUN pip install torch==2.6.0\nRUN pip install vllm",
    ],
)
def test_what_fits_or_is_another_environment_stage_or_branch_is_no_fault(lines: str) -> None:
    assert titles("ED605", f"{CUDA}{lines}\n") == []


def test_a_stage_that_begins_with_another_inherits_its_torch_and_is_told_once() -> None:
    text = (
        f"{CUDA}".replace("\n", " AS a\n")
        + "RUN pip install torch==2.6.0\nFROM a AS b\nRUN pip install torch==2.7.1\nFROM b AS c\nFROM b\n"
    )
    assert len(found("ED605", text)) == 1
