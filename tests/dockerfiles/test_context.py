"""The build context and .dockerignore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.dockerfiles.context import Context
from envdoctor.dockerfiles.parser import parse
from envdoctor.dockerfiles.sources import asked, guessed
from envdoctor.dockerfiles.stages import staged
from envdoctor.errors import UserError
from tests.dockerfiles.linted import context

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ignore", "path", "ignored"),
    [
        ("*.patch", "a.patch", True),
        ("*.patch", "docker/a.patch", False),
        ("**/*.patch", "docker/deep/a.patch", True),
        ("docker", "docker/a.patch", True),
        ("/docker/", "docker/a.patch", True),
        ("docker/*\n!docker/a.patch", "docker/a.patch", False),
        ("!docker/a.patch\ndocker/*", "docker/a.patch", True),
        ("# docker\n", "docker/a.patch", False),
        ("d?cker/[a-b].patch", "docker/a.patch", True),
        ("*", "docker/a.patch", True),
        ("*\n!docker", "docker/a.patch", False),
    ],
)
def test_dockerignore_means_what_docker_says_it_means(tmp_path: Path, ignore: str, path: str, ignored: bool) -> None:
    context(tmp_path, {".dockerignore": ignore, path: ""})
    there = Context(str(tmp_path))
    assert there.ignored(path) is ignored
    assert (there.has(path) is not None) is ignored


def test_the_ignore_file_beside_the_dockerfile_counts_before_that_of_the_folder(tmp_path: Path) -> None:
    context(tmp_path, {".dockerignore": "a", "gpu.Dockerfile.dockerignore": "b", "a": "", "b": ""})
    there = Context(str(tmp_path), str(tmp_path / "gpu.Dockerfile"))
    assert there.has("a") is None
    assert "gpu.Dockerfile.dockerignore leaves b out" in str(there.has("b"))


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    context(tmp_path, {"secret": "x", "inside/file": "y"})
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "secret")
    there = Context(str(tmp_path / "inside"))
    assert there.read("file") == "y"
    assert there.read("../secret") is None
    assert there.read("link") is None


def test_hostile_patterns_are_passed_over_in_time(tmp_path: Path) -> None:
    context(tmp_path, {".dockerignore": "**/*a" * 200 + "\n[z-a]\n[\n", "a" * 200: ""})
    assert Context(str(tmp_path)).has("a" * 200) is None


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        Context(str(tmp_path / "none"))


def test_the_context_is_looked_for_above_the_dockerfile_but_not_above_the_repository(tmp_path: Path) -> None:
    context(tmp_path, {"repo/docker/Dockerfile": "", "repo/src/a": "", "repo/.git/HEAD": "", "other": ""})
    path = str(tmp_path / "repo" / "docker" / "Dockerfile")

    def folder(text: str) -> str:
        return guessed(staged(parse(text), path), path).folder

    assert folder("FROM a\nCOPY src/a /a\n") == str((tmp_path / "repo").resolve())
    assert folder("FROM a\nRUN x\n") == str((tmp_path / "repo" / "docker").resolve())
    assert folder("FROM a\nCOPY other /a\n") == str((tmp_path / "repo" / "docker").resolve())


def test_only_paths_of_the_context_are_asked_for() -> None:
    text = (
        "FROM a AS b\nCOPY --from=b x /x\nCOPY $UNKNOWN https://x/y . /z/\nADD git@host:repo.git /r\n"
        "COPY <<EOF e /f/\nbody\nEOF\nRUN --mount=type=bind,source=g,target=/g --mount=type=cache,target=/c h\nCOPY real /r\n"
    )
    assert [(one.path, one.line) for one in asked(staged(parse(text), "Dockerfile"))] == [("e", 5), ("g", 8), ("real", 9)]
