"""ED601: base images that float."""

from __future__ import annotations

import pytest

from envdoctor.findings import Severity
from tests.dockerfiles.linted import found, judged

DIGEST = "@sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("FROM vllm/vllm-openai\n", Severity.WARNING),
        ("FROM vllm/vllm-openai:latest\n", Severity.WARNING),
        ("FROM rocm/vllm-dev:nightly_main_20250801\n", Severity.WARNING),
        ("FROM nvidia/cuda:12.8.1-devel-ubuntu22.04\n", Severity.INFO),
        ("ARG V=latest\nFROM a/b:${V}\n", Severity.WARNING),
        (f"FROM a/b:1{DIGEST}\nCOPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/\n", Severity.WARNING),
        (f"FROM a/b:1{DIGEST}\nRUN --mount=from=c/d:2,target=/x e\n", Severity.INFO),
    ],
)
def test_what_a_tag_alone_holds_is_told_and_what_moves_by_its_nature_warned_of(text: str, severity: Severity) -> None:
    (one,) = found("ED601", text)
    assert one.severity is severity
    assert any("@sha256:" in line for line in one.write)


@pytest.mark.parametrize(
    "text",
    [
        f"FROM localhost:5000/a/b:1{DIGEST}\n",
        f"ARG D={DIGEST}\nFROM a/b:latest$D\n",
        "FROM scratch\n",
        f"FROM a{DIGEST} AS build\nFROM build\nCOPY --from=build /a /b\nCOPY --from=0 /a /b\n",
        f"FROM a{DIGEST}\nCOPY --from=wheels . /w\n",
        f"ARG KIND=other\nFROM a{DIGEST} AS base-cuda\nFROM base-${{KIND}} AS last\n",
    ],
)
def test_digests_stages_scratch_and_named_contexts_are_no_fault(text: str) -> None:
    assert found("ED601", text) == []


def test_an_image_that_is_used_twice_is_told_once() -> None:
    assert len(found("ED601", "FROM a:1 AS x\nFROM a:1 AS y\nFROM a:2\n")) == 2


def test_a_base_that_only_the_build_names_cannot_be_told() -> None:
    answer = judged("ED601", "ARG BASE\nFROM $BASE\n")
    assert answer.findings == ()
    assert answer.doubts[0][1].why == "a variable in it has no default"
