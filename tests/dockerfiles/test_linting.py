"""A whole Dockerfile through all rules."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.dockerfiles import REGISTRY, code_of, ed602_unpinned_install
from envdoctor.dockerfiles.linting import Linted, exit_code, lint, read
from envdoctor.errors import UserError
from envdoctor.findings import Severity
from tests.dockerfiles.linted import CUDA, MATRIX, context

if TYPE_CHECKING:
    from pathlib import Path

CODES = [code_of(name) for name in REGISTRY]
PIECES = (
    "FROM a AS b", "FROM nvidia/cuda:12.8.1-devel", "FROM $X", "ARG X=1", "ARG X", "ENV A=$A$A", "ENV A", "RUN", "RUN [", "RUN <<EOF",
    "EOF", "COPY --from=0 a b", "COPY a", "COPY", "ADD . .", "SHELL []", "WORKDIR $X", "USER", "RUN --mount=type=bind,from=b pip install",
    "RUN pip install torch==2.6.0 vllm==0.11.0 -r x -c y", "RUN pip install torch==9999999999.1 'torch==1!2' torch===x", "RUN cd",
    "RUN uv pip install --index-url", "RUN git clone", "RUN git clone a b", "RUN git -C", "RUN apt-get", "RUN apt-get install -o",
    "RUN conda run", "RUN conda install =", "RUN if", "RUN case x in", "RUN $(", "RUN a <<X", 'RUN "', "RUN bash -c", "RUN env", "RUN sudo",
    "RUN patch <", "RUN wget https://github.com/a/b/archive/refs/heads/x.zip", "ONBUILD RUN a", "# x", "\\", "",
)  # fmt: skip


def whole(text: str, name: str = "-", folder: str | None = None) -> Linted:
    return lint(name, text.encode(), folder, MATRIX, CODES)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=30)), max_size=12))
def test_no_rule_crashes_whatever_stands_there(lines: list[str]) -> None:
    try:
        answer = whole("\n".join(["FROM x", *lines]))
    except UserError:
        return
    assert answer.crashes == ()
    assert all(1 <= one.line <= len(lines) + 1 for one in answer.findings)


def test_findings_come_gravest_first_and_then_by_line() -> None:
    text = f"{CUDA}RUN pip install pandas\nRUN pip install torch\nRUN pip install --torch-backend=auto torch==2.6.0\n"
    assert [(one.severity.value, one.line) for one in whole(text).findings] == [
        ("error", 4),
        ("warning", 3),
        ("warning", 4),
        ("info", 2),
    ]


def test_every_finding_shows_its_line_says_what_to_do_and_names_a_source() -> None:
    text = (
        "FROM vllm/vllm-openai\nRUN apt-get update\nRUN apt-get install git; pip install torch numpy>=1 || true\n"
        "COPY x.patch /\nRUN uv pip install --user flash-attn git+https://github.com/a/b\n"
        "RUN pip install torch==2.6.0 vllm==0.11.0 nvidia-cudnn-cu13\n"
    )
    answer = whole(text)
    assert len({one.code for one in answer.findings}) == len(CODES) - 1
    for one in answer.findings:
        assert one.evidence[0].what == f"line {one.line}"
        assert one.evidence[0].value in text
        assert one.advice
        assert one.sources
        assert one.why
        assert len(one.title) < 160


def test_a_rule_that_crashes_is_a_result_and_takes_no_other_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_sheet: object) -> None:
        raise KeyError("oh")

    monkeypatch.setattr(ed602_unpinned_install, "check", crash)
    answer = whole("FROM a:latest\n")
    assert answer.crashes == (("ED602", "KeyError: 'oh'"),)
    assert [one.code for one in answer.findings] == ["ED601"]
    assert exit_code([answer], fail_on=Severity.ERROR, strict=False) == 4
    assert exit_code([answer], fail_on=Severity.WARNING, strict=False) == 1


@pytest.mark.parametrize("text", ["", "# only a comment\n", "RUN x\n", "hello\n", "FROM a\n" + "#" * (1024 * 1024)])
def test_what_is_no_dockerfile_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UserError) as error:
        whole(text)
    assert "Name a Dockerfile" in error.value.hint


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x02\x01\x01\x00\x00", b"\x1f\x8b\x08\xff\x05 abcdefgh", b"FROM a\n\0" + b"x" * 2_000_000]
)
def test_a_binary_file_is_called_one_and_none_of_it_is_shown(data: bytes) -> None:
    with pytest.raises(UserError) as error:
        lint("program", data, None, MATRIX, CODES)
    assert error.value.what == "program is a binary file, not a Dockerfile"


def test_text_in_another_encoding_is_no_binary_file() -> None:
    assert lint("-", "FROM a\n# gr\u00fc\u00dfe\n".encode("latin-1"), None, MATRIX, []).findings == ()


def test_of_a_folder_its_dockerfile_is_read(tmp_path: Path) -> None:
    context(tmp_path, {"Containerfile": "FROM a\n"})
    assert read(str(tmp_path)) == (str(tmp_path / "Containerfile"), b"FROM a\n")
    with pytest.raises(UserError, match="has no Dockerfile"):
        read(str(context(tmp_path / "empty", {"x": ""})))
    with pytest.raises(UserError, match="cannot be read"):
        read(str(tmp_path / "none"))


def test_megabytes_of_the_worst_are_judged_in_time() -> None:
    for text in (
        "FROM a\n" + "RUN pip install " + "a " * 200_000 + "\n",
        "FROM a\n" + "ENV X=$X$X\n" * 990,
        "FROM a\nRUN " + "(" * 300_000 + "\n",
        "FROM a\nRUN " + "a;" * 300_000 + "\n",
        "FROM a\nRUN pip install " + "git+https://github.com/" + "a/" * 200_000 + "\n",
        "FROM " + "a:" * 300_000 + "\n",
        "FROM a\nRUN " + "<<a " * 100_000 + "\n",
        "FROM a\n" + "RUN apt-get update && apt-get install a\n" * 990,
        "FROM a\nRUN curl https://github.com/" + "a/archive/" * 50_000 + "\n",
    ):
        started = time.process_time()
        with contextlib.suppress(UserError):
            whole(text)
        assert time.process_time() - started < 20
