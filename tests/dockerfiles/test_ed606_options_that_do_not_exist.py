"""ED606: options that the installer does not have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.dockerfiles.linted import CUDA, MATRIX, found, titles


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("pip install torch --torch-backend=auto", "pip install has no option --torch-backend"),
        ("pip install --system torch", "pip install has no option --system"),
        ("pip install -y torch", "pip install has no option -y"),
        ("pip install -upgrade torch", "pip install has no option -u"),
        (
            "pip install --no-build-isolation-package flash-attn flash-attn",
            "pip install has no option --no-build-isolation-package",
        ),
        ("uv pip install --use-pep517 torch", "uv pip install has no option --use-pep517"),
        ("uv pip install --prefer-binary torch", "uv pip install has no option --prefer-binary"),
        ("uv pip install --user torch", "uv pip install refuses --user"),
        ("uv sync --system", "uv sync has no option --system"),
    ],
)
def test_an_option_of_another_tool_or_of_none_is_found(line: str, says: str) -> None:
    assert titles("ED606", f"{CUDA}RUN {line}\n") == [f"2: {says}"]


@pytest.mark.parametrize(
    "line",
    [
        "pip --disable-pip-version-check install --no-cache-dir --no-cache -qU --pre --root-user-action=ignore torch",
        "pip install --break-system-packages --resume-retries 999 --no-build-iso torch",
        "uv pip install --system --no-cache-dir --torch-backend=cu128 --force-reinstall --index-strategy unsafe-best-match torch",
        "uv pip install --no-build-isolation-package flash-attn flash-attn -p /venv",
        "uv sync --frozen --no-dev --all-extras --no-install-project",
        "pip install --global-option=--cuda_ext ./apex",
        "pip install $OPTIONS --$X torch",
    ],
)
def test_real_options_beginnings_that_pip_takes_and_unknown_words_are_no_fault(line: str) -> None:
    assert titles("ED606", f"{CUDA}RUN {line}\n") == []


def test_what_the_newest_pip_has_dropped_is_found_where_the_dockerfile_takes_the_newest_pip() -> None:
    install = 'RUN pip install --global-option="--cuda_ext" ./apex\n'
    (one,) = titles("ED606", f"{CUDA}RUN pip install --upgrade pip\n{install}")
    assert one == "3: the newest pip has no option --global-option, and this Dockerfile takes the newest pip"
    assert titles("ED606", f"{CUDA}RUN pip install pip==24.3.1\n{install}") == []


def test_debians_own_pip_had_a_system_option() -> None:
    assert titles("ED606", "FROM nvidia/cuda:11.8.0-devel-ubuntu20.04\nRUN pip3 install --system torch\n") == []


def test_the_finding_names_the_tool_that_has_the_option_and_what_was_asked() -> None:
    (one,) = found("ED606", f"{CUDA}RUN pip install --torch-backend=auto torch\n")
    assert one.advice == "It is an option of uv pip install: run that, or leave it away."
    assert "pip: 7 releases" in one.sources[0].where


def test_the_table_agrees_with_the_pip_that_runs_this_test() -> None:
    helped = subprocess.run([sys.executable, "-m", "pip", "install", "--help"], capture_output=True, text=True, check=True).stdout
    known = {row.option for row in MATRIX.installer_options() if row.tool == "pip install"}
    shown = {
        word.strip(",")
        for line in helped.splitlines()
        if line.startswith("  -")
        for word in line.split()[:2]
        if word.startswith("-") and len(word) > 1
    }
    assert len(shown) > 50
    assert shown <= known
