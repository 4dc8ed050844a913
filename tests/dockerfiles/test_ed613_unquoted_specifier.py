"""ED613: version ranges that the shell takes."""

from __future__ import annotations

import pytest

from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, found


@pytest.mark.parametrize(
    ("line", "title", "severity"),
    [
        ("pip install numpy>=1.24", '">=1.24" is a redirection for the shell, not a version range', Severity.WARNING),
        ("uv pip install torch<2.8", '"<2.8" is a redirection for the shell, not a version range', Severity.ERROR),
        ("conda install -y numpy>=1.24", '">=1.24" is a redirection for the shell, not a version range', Severity.WARNING),
    ],
)
def test_a_range_without_quotes_is_found_on_its_line(line: str, title: str, severity: Severity) -> None:
    one = found("ED613", f"{CUDA}RUN a \\\n && {line}\n")[0]
    assert (one.line, one.title, one.severity) == (3, title, severity)


@pytest.mark.parametrize(
    "line",
    [
        "pip install 'numpy>=1.24' \"torch<2.8\"",
        "pip install numpy > pip.log 2>&1",
        "pip install -r /dev/stdin < requirements.txt",
        "echo numpy>=1.24",
    ],
)
def test_quoted_ranges_and_real_redirections_are_no_fault(line: str) -> None:
    assert found("ED613", f"{CUDA}RUN {line}\n") == []
