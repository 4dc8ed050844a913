"""ED612: installs whose failure nobody sees."""

from __future__ import annotations

import pytest

from tests.dockerfiles.linted import CUDA, titles


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("RUN pip install torch || true", '2: a failing pip install does not stop the build: "|| true" makes a success of it'),
        (
            "RUN pip install a; pip install b",
            "2: a failing pip install does not stop the build: the command behind it decides alone",
        ),
        (
            "RUN if x; then uv sync; echo done; fi",
            "2: a failing uv sync does not stop the build: the command behind it decides alone",
        ),
        (
            "RUN <<EOF\npip install a\npip install b\nEOF",
            "3: a failing pip install does not stop the build: the command behind it decides alone",
        ),
        ("RUN pip install a | tee log", "2: a failing pip install does not stop the build: the status of a pipe"),
        (
            "RUN apt-get install -y a || echo no",
            '2: a failing apt-get install does not stop the build: "|| echo no" makes a success of it',
        ),
    ],
)
def test_what_goes_on_after_a_failure_is_found(lines: str, says: str) -> None:
    (one,) = titles("ED612", f"{CUDA}{lines}\n")
    assert one.startswith(says)


@pytest.mark.parametrize(
    "lines",
    [
        "RUN pip install a && pip install b",
        "RUN set -eux; pip install a; pip install b",
        "RUN <<EOF\nset -e\npip install a\npip install b\nEOF",
        'SHELL ["/bin/bash", "-ec"]\nRUN pip install a; pip install b',
        'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN pip install a | tee log',
        "RUN pip install a || pip install b",
        "RUN pip install a || exit 1",
        "RUN pip install a || { echo failed; exit 1; }",
        "RUN if pip install a; then b; fi",
        "RUN if x; then pip install a; else pip install b; fi",
        "RUN for p in a b; do pip install $p; done",
        "RUN pip install a; if [ $? -ne 0 ]; then exit 1; fi",
        "RUN a; pip install b",
    ],
)
def test_what_stops_is_tried_again_or_looked_at_is_no_fault(lines: str) -> None:
    assert titles("ED612", f"{CUDA}{lines}\n") == []
