"""ED610: patches that are promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dockerfiles.linted import CUDA, context, titles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_patch_that_is_copied_and_never_applied_is_found() -> None:
    assert titles("ED610", f"{CUDA}COPY docker/vllm.patch /tmp/\nRUN pip install vllm==0.11.0\n") == [
        "2: vllm.patch is copied into the image and nothing applies it"
    ]


@pytest.mark.parametrize(
    "after",
    [
        "RUN cd /vllm && git apply /tmp/vllm.patch",
        "RUN patch -p1 < /tmp/vllm.patch",
        "RUN for p in /tmp/*.patch; do git apply $p; done",
        "RUN bash /tmp/apply.sh",
        'CMD ["/entrypoint.sh"]',
        "RUN <<EOF\nset -e\ngit apply /tmp/vllm.patch\nEOF",
    ],
)
def test_a_patch_that_something_applies_or_may_apply_is_no_fault(after: str) -> None:
    assert titles("ED610", f"{CUDA}COPY docker/vllm.patch /tmp/\n{after}\n") == []


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("RUN cd /v && git apply /p.diff || true", '"|| true" makes a success of it'),
        ("RUN cd /v; patch -p1 < /p.patch; pip install .", "the command behind it decides alone"),
        ("RUN sed -i s/a/b/ /opt/lib/python3.12/site-packages/x.py || echo skipped", '"|| echo skipped" makes a success of it'),
    ],
)
def test_a_patch_whose_failure_nobody_sees_is_found(line: str, how: str) -> None:
    (one,) = titles("ED610", f"{CUDA}{line}\n")
    assert how in one


@pytest.mark.parametrize(
    "line",
    [
        "RUN cd /v && git apply /p.diff && pip install .",
        "RUN set -e; cd /v; git apply /p.diff; pip install .",
        "RUN git apply --check /p.diff || echo no",
        "RUN if git apply /p.diff; then a; else b; fi",
        "RUN git apply /p.diff || (echo failed; exit 1)",
        "RUN sed -i s/a/b/ /etc/hosts || true",
        "RUN a; git apply /p.diff",
    ],
)
def test_a_patch_that_stops_the_build_where_it_fails_is_no_fault(line: str) -> None:
    assert titles("ED610", f"{CUDA}{line}\n") == []


def test_a_patch_that_a_bind_mount_should_bring_must_be_in_the_context(tmp_path: Path) -> None:
    text = f"{CUDA}RUN --mount=type=bind,source=patches,target=/p git apply /p/fix.patch\n"
    assert titles("ED610", text, context(tmp_path, {"patches/other.patch": ""})) == [
        "2: fix.patch is applied, but patches/fix.patch is not in the build context"
    ]
    assert titles("ED610", text, context(tmp_path, {"patches/fix.patch": ""})) == []
