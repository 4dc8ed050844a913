"""ED602: installs that take whatever is newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, context, found, titles

if TYPE_CHECKING:
    from pathlib import Path


def test_packages_of_the_gpu_stack_are_warned_of_first_and_others_told() -> None:
    heavy, light = found("ED602", CUDA + 'RUN pip install pandas "vllm>=0.8"\nRUN pip install pandas\n')
    assert (heavy.severity, heavy.subjects) == (Severity.WARNING, ("vllm", "pandas"))
    assert (light.severity, light.subjects) == (Severity.INFO, ("pandas",))
    assert heavy.write == ('pip install "vllm==VERSION"',)


def test_the_line_is_that_of_the_package_and_not_of_the_command() -> None:
    assert titles("ED602", CUDA + "RUN pip install a==1 \\\n    b==2 \\\n    torch\n") == ["4: torch has no exact version"]


@pytest.mark.parametrize(
    "line",
    [
        "RUN pip install torch==2.6.0",
        "ARG V=1\nRUN pip install torch==$V vllm==${UNKNOWN}",
        "RUN pip install . ./wheels/a.whl https://x/b-1-py3-none-any.whl",
        "RUN pip install --require-hashes -r x.txt torch",
        "RUN uv pip install --exclude-newer 2026-11-01 torch",
        "ENV UV_EXCLUDE_NEWER=2026-11-01\nRUN uv pip install torch",
        "RUN pip install --no-index --find-links /wheels torch",
        "RUN pip install torch==2.6.0 torchvision torchaudio",
        "RUN pip install torch==$TORCH torchvision",
        "RUN pip install -e python[all]",
        "RUN uv sync --frozen --no-dev",
        "ENV UV_LOCKED=1\nRUN uv sync",
        "RUN conda install -y pytorch=2.5.1",
    ],
)
def test_what_is_held_is_no_fault(line: str) -> None:
    assert found("ED602", f"{CUDA}{line}\n") == []


def test_a_requirements_file_is_read_where_copy_brought_it_from(tmp_path: Path) -> None:
    folder = context(tmp_path, {"req/gpu.txt": "torch==2.6.0\nvllm\n-r more.txt\n", "req/more.txt": "trl>=0.9\na==1\n"})
    text = CUDA + "WORKDIR /app\nCOPY req/gpu.txt req/more.txt ./\nRUN pip install -r gpu.txt\nRUN pip install -r /app/gpu.txt\n"
    first, second = found("ED602", text, folder)
    assert first.title == "vllm in req/gpu.txt has no exact version"
    assert (first.evidence[1].what, first.evidence[1].value) == ("line 2 of req/gpu.txt", "vllm")
    assert second.title == "trl in req/more.txt has no exact version"


@pytest.mark.parametrize(
    "text",
    [
        "COPY . /src\nRUN pip install -r /src/r.txt\n",
        "RUN --mount=type=bind,source=r.txt,target=/tmp/r.txt pip install -r /tmp/r.txt\n",
        "ADD r.txt /opt/other.txt\nRUN cd /opt && pip install -r other.txt\n",
    ],
)
def test_the_file_is_found_through_folders_bind_mounts_and_new_names(tmp_path: Path, text: str) -> None:
    folder = context(tmp_path, {"r.txt": "torch\n"})
    assert titles("ED602", CUDA + text, folder)[0].endswith("torch in r.txt has no exact version")


def test_a_file_with_hashes_or_one_that_is_not_in_the_context_says_nothing(tmp_path: Path) -> None:
    folder = context(tmp_path, {"r.txt": "torch==2.6.0 \\\n  --hash=sha256:aa\n"})
    assert found("ED602", CUDA + "COPY r.txt /\nRUN pip install -r /r.txt -r /usr/share/x.txt\n", folder) == []


def test_constraints_hold_what_they_name(tmp_path: Path) -> None:
    folder = context(tmp_path, {"c.txt": "torch==2.6.0\n"})
    text = (
        CUDA
        + "COPY c.txt /\nRUN pip install -c /c.txt torch\nRUN pip install -c /c.txt vllm\nRUN pip install -c /etc/other.txt trl\n"
    )
    assert titles("ED602", text, folder) == ["4: vllm has no exact version"]


def test_a_companion_of_torch_that_no_release_of_is_known_to_pin_it_is_found() -> None:
    assert titles("ED602", CUDA + "RUN pip install torch==2.15.0 torchaudio\n") == ["2: torchaudio has no exact version"]
    assert titles("ED602", CUDA + "RUN pip install torch==2.6.0\nRUN pip install torchvision\n") == [
        "3: torchvision has no exact version"
    ]


def test_uv_sync_is_told_of_where_it_may_write_another_lock() -> None:
    (one,) = found("ED602", f"{CUDA}RUN uv sync --no-dev\n")
    assert (one.severity, one.line) == (Severity.INFO, 2)
    assert one.write == ("uv sync --locked",)
