"""ED611: COPY of what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.dockerfiles.linting import Linted, lint
from tests.dockerfiles.linted import CUDA, MATRIX, context, judged, titles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_source_that_is_not_there_or_ignored_is_found(tmp_path: Path) -> None:
    folder = context(tmp_path, {"a": "", "b/c": "", ".dockerignore": "b\n"})
    text = f"{CUDA}COPY a /\nCOPY b/c gone /x/\nRUN --mount=type=bind,source=gone.txt,target=/r pip install -r /r\n"
    assert titles("ED611", text, folder) == [
        "3: b/c cannot be copied: .dockerignore leaves b/c out of the build context",
        "3: gone cannot be copied: there is no gone in the build context",
        "4: gone.txt cannot be copied: there is no gone.txt in the build context",
    ]


def test_a_pattern_may_match_nothing(tmp_path: Path) -> None:
    assert titles("ED611", f"{CUDA}COPY optiona[l] /\nCOPY *.whl /w/\n", tmp_path) == []


def test_what_gitignore_names_is_asked_about_and_not_called_wrong(tmp_path: Path) -> None:
    folder = context(tmp_path, {"web/.gitignore": "build/\n", "a": ""})
    answer = judged("ED611", f"{CUDA}COPY a web/build /\n", folder)
    assert answer.findings == ()
    assert answer.doubts[0][1].why == "it is not there now, and web/.gitignore says that something makes it"


def test_a_context_that_is_only_guessed_accuses_nobody_where_most_is_missing(tmp_path: Path) -> None:
    folder = context(tmp_path, {"Dockerfile": "", "a": "", "b": ""})

    def answer(sources: str) -> Linted:
        return lint(str(folder / "Dockerfile"), f"{CUDA}COPY {sources} /x/\n".encode(), None, MATRIX, ["ED611"])

    assert [one.title for one in answer("a b c").findings] == ["c cannot be copied: there is no c in the build context"]
    assert answer("a c d").findings == ()
    assert answer("a c d").doubts[0][1].why.startswith("only 1 of the 3 things it copies are in its folder")
    assert answer("c d").doubts[0][1].why.startswith("none of the 2 things it copies are in its folder")


def test_without_a_context_it_cannot_be_told() -> None:
    assert judged("ED611", f"{CUDA}COPY a /\n").doubts[0][1].why == "no build context is known; --context DIR names it"
    assert judged("ED611", f"{CUDA}RUN a\n").doubts == ()
