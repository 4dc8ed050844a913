"""ED605: torch installed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, MATRIX, context, found, judged, titles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_torch_is_found_with_both_lines() -> None:
    (one,) = found("ED605", f"{CUDA}RUN pip install torch==2.6.0\nRUN pip install \\\n   torch==2.7.1\n")
    assert one.title == "line 4 replaces torch 2.6.0 of line 2 by 2.7.1"
    assert (one.line, one.severity) == (4, Severity.WARNING)
    assert [seen.what for seen in one.evidence] == ["line 4", "line 2"]


def test_an_engine_that_pins_another_torch_is_found_with_the_data_that_says_so() -> None:
    (one,) = found("ED605", f"{CUDA}RUN pip install torch==2.6.0\nRUN pip install vllm==0.11.0\n")
    assert one.title == "line 3 replaces torch 2.6.0 of line 2 by 2.8.0, which vllm 0.11.0 pins"
    assert any("METADATA of the wheel vllm-0.11.0" in source.where for source in one.sources)


def test_what_no_resolver_can_join_is_an_error() -> None:
    (one,) = found("ED605", f"{CUDA}RUN pip install torch==2.6.0 vllm==0.11.0\n")
    assert one.severity is Severity.ERROR
    assert "in the same command" in one.title


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel", "torch 2.6.0"),
        ("nvcr.io/nvidia/pytorch:25.03-py3", "NVIDIA's torch"),
    ],
)
def test_the_torch_of_a_base_image_counts(base: str, says: str) -> None:
    assert titles("ED605", f"FROM {base}\nRUN pip install vllm==0.11.0\n") == [
        f"2: line 2 replaces {says} of the base image by 2.8.0, which vllm 0.11.0 pins"
    ]


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
        "RUN pip install torch==2.5.1\nRUN pip install vllm==0.6.6",
        "RUN pip install torch==2.4.0 vllm",
        "RUN pip install torch vllm==0.6.0",
        "RUN pip install torch==2.6.0\nRUN pip install torch",
        "RUN pip install torch==2.6.0\nRUN pip install 'torch>=2.5'",
        "RUN pip install torch\nRUN pip install torch",
        "RUN pip install torch==2.6.0\nRUN pip install accelerate==1.15.0",
        "RUN pip install torch==2.6.0\nRUN pip install -U accelerate",
        "RUN pip install accelerate\nRUN pip install torch==2.6.0",
        "RUN pip install torch==2.11.0 vllm==0.24.0 torchvision\nRUN pip install torchvision",
        "RUN pip install torch==2.6.0\nRUN pip install --no-deps vllm",
        "RUN pip install torch==2.6.0\nRUN pip install -c /c.txt vllm",
        "RUN pip install torch\nRUN pip install torch==$TORCH\nRUN pip install torch",
        "RUN pip install 'torch==2.6.0; python_version < \"3.9\"' 'torch==2.7.1; python_version >= \"3.9\"'",
    ],
)
def test_what_fits_or_is_another_environment_stage_or_branch_is_no_fault(lines: str) -> None:
    assert titles("ED605", f"{CUDA}{lines}\n") == []


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        (
            "RUN pip install torch\nRUN pip install torch==2.4.0 --index-url https://download.pytorch.org/whl/cu118",
            "line 3 may replace the torch of line 2, which has no exact version, by 2.4.0",
        ),
        (
            "RUN pip install torch\nRUN pip install vllm==0.6.0",
            "line 3 may replace the torch of line 2, which has no exact version, by 2.4.0, which vllm 0.6.0 pins",
        ),
        (
            "RUN pip install torch==2.4.0\nRUN pip install -U vllm",
            "line 3 may replace torch 2.4.0 of line 2: vllm has no exact version there",
        ),
        (
            "RUN pip install torch==2.4.0\nRUN pip install torchvision",
            "line 3 may replace torch 2.4.0 of line 2: torchvision has no exact version there",
        ),
        (
            "RUN pip install torch\nRUN pip install vllm",
            "line 3 may replace the torch of line 2, which has no exact version: vllm has no exact version there",
        ),
        (
            "RUN pip install vllm\nRUN pip install torch==2.4.0",
            "line 3 may replace the torch of line 2, where vllm has no exact version, by 2.4.0",
        ),
        (
            "RUN pip install torch==2.4.0\nRUN pip install -U torch",
            "line 3 may replace torch 2.4.0 of line 2: torch has no exact version there",
        ),
        (
            "RUN pip install torch==2.4.0\nRUN pip install 'torch>=2.6'",
            "line 3 replaces torch 2.4.0 of line 2: it wants torch>=2.6",
        ),
        (
            "RUN pip install torch==2.4.0 && pip install torch==2.5.0",
            "a later command of line 2 replaces torch 2.4.0 of line 2 by 2.5.0",
        ),
    ],
)
def test_what_has_no_exact_version_may_replace_or_be_replaced(lines: str, title: str) -> None:
    (one,) = found("ED605", f"{CUDA}{lines}\n")
    assert (one.title, one.severity) == (title, Severity.WARNING)


def test_what_base_images_have_stays_unless_it_is_upgraded() -> None:
    ngc = "FROM nvcr.io/nvidia/pytorch:25.03-py3\nRUN pip install accelerate==1.0.0 torchvision torch\n"
    assert titles("ED605", ngc) == []
    assert titles("ED605", "FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel\nRUN pip install torchvision\n") == []
    assert titles("ED605", f"{ngc}RUN pip install -U torch\n") == [
        "3: line 3 may replace NVIDIA's torch of the base image: torch has no exact version there"
    ]


def test_where_the_newest_release_fits_today_it_is_a_question() -> None:
    newest = MATRIX.vllm_releases()[-1].vllm
    (claim,) = [one for one in MATRIX.claims("vllm", "pins") if one.admits("vllm", Version(newest))]
    text = f"{CUDA}RUN pip install torch{claim.then['torch']}\nRUN pip install vllm\n"
    answer = judged("ED605", text)
    assert answer.findings == ()
    ((_, doubt),) = answer.doubts
    assert doubt.question.startswith("Does line 3 keep torch")
    assert "vllm in line 3 has no exact version" in doubt.why


def test_requirements_files_are_read_and_one_that_cannot_be_is_a_question(tmp_path: Path) -> None:
    text = f"{CUDA}COPY r.txt /r.txt\nRUN pip install torch==2.5.1\nRUN pip install -U vllm -r /r.txt\n"
    assert judged("ED605", text).findings == ()
    assert "/r.txt, which may hold it, cannot be read" in judged("ED605", text).doubts[0][1].why
    named = text.replace(" -U vllm", "")
    assert judged("ED605", named, context(tmp_path, {"r.txt": "torch==2.5.1\nvllm==0.6.6\n"})).findings == ()
    (one,) = found("ED605", named, context(tmp_path, {"r.txt": "numpy\ntorch==2.4.0\n"}))
    assert one.title == "line 4 replaces torch 2.5.1 of line 3 by 2.4.0"
    assert "line 2 of r.txt" in [seen.what for seen in one.evidence]
    assert found("ED605", named, context(tmp_path, {"r.txt": "torch==2.4.0; python_version < '3.9'\n"})) == []


def test_constraints_hold_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    text = f"{CUDA}COPY c.txt /c.txt\nRUN pip install torch==2.5.1\nRUN pip install -c /c.txt vllm\n"
    assert found("ED605", text, context(tmp_path, {"c.txt": "torch==2.5.1\n"})) == []
    assert found("ED605", text, context(tmp_path, {"c.txt": "vllm==0.6.6\n"})) == []
    assert [one.line for one in found("ED605", text, context(tmp_path, {"c.txt": "numpy==1.26\n"}))] == [4]
    assert [one.line for one in found("ED605", text, context(tmp_path, {"c.txt": "vllm==0.11.0\n"}))] == [4]


def test_a_stage_that_begins_with_another_inherits_its_torch_and_is_told_once() -> None:
    text = (
        f"{CUDA}".replace("\n", " AS a\n")
        + "RUN pip install torch==2.6.0\nFROM a AS b\nRUN pip install torch==2.7.1\nFROM b AS c\nFROM b\n"
    )
    assert len(found("ED605", text)) == 1
