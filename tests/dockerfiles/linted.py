"""Helpers: a Dockerfile through one rule, in a context that is made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import Linted, lint
from envdoctor.matrix import Matrix

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.dockerfiles.sheet import LineFinding

MATRIX = Matrix()
CUDA = "FROM nvidia/cuda:12.8.1-devel-ubuntu22.04@sha256:" + "0" * 64 + "\n"
"""A base image, held by a digest, so that only what a test is about is found."""


def judged(code: str, text: str, folder: Path | None = None) -> Linted:
    """The whole answer of one rule."""
    assert code in {code_of(name) for name in REGISTRY}
    return lint("-", text.encode(), None if folder is None else str(folder), MATRIX, [code])


def found(code: str, text: str, folder: Path | None = None) -> list[LineFinding]:
    """What one rule finds; a crash of it fails the test."""
    answer = judged(code, text, folder)
    assert not answer.crashes
    return list(answer.findings)


def titles(code: str, text: str, folder: Path | None = None) -> list[str]:
    """The headlines, each with its line: "3: torch has no exact version"."""
    return [f"{one.line}: {one.title}" for one in found(code, text, folder)]


def context(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
