"""Dockerfiles as BuildKit reads them."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.dockerfiles.parser import KNOWN, NotDockerfile, parse


def test_a_continued_instruction_is_one_and_knows_the_line_of_each_of_its_words() -> None:
    (run,) = parse("RUN a && \\\n# a comment inside\n\n    b && \\\n  c\n").instructions
    assert run.value == "a &&     b &&   c"
    assert (run.line, run.end) == (1, 5)
    assert [run.line_at(run.value.index(word)) for word in "abc"] == [1, 4, 5]


def test_comments_are_kept_with_their_lines_also_those_inside_an_instruction() -> None:
    text = parse("# first\nRUN a \\\n  # inside\n  b\n")
    assert [(one.line, one.text) for one in text.comments] == [(1, "first"), (3, "inside")]


def test_the_escape_directive_changes_the_continuation_and_only_at_the_top() -> None:
    (run,) = parse("# escape=`\nRUN a `\n  b\n").instructions
    assert run.value == "a   b"
    assert [one.value for one in parse("RUN x\n# escape=`\nRUN a\n").instructions] == ["x", "a"]
    assert parse("# a comment\n# escape=`\nRUN a \\\n b\n").instructions[0].value == "a  b"


def test_a_doubled_backslash_at_the_end_continues_nothing() -> None:
    assert [one.keyword for one in parse("RUN echo \\\\\nCMD b\n").instructions] == ["RUN", "CMD"]


def test_the_body_of_a_here_document_is_no_instruction() -> None:
    run, command = parse('RUN <<EOF\npip install x\nFROM b\nEOF\nCMD ["x"]\n').instructions
    (doc,) = run.heredocs
    assert (doc.name, doc.body, doc.line, doc.expands) == ("EOF", "pip install x\nFROM b", 2, True)
    assert (run.line, run.end, command.line) == (1, 4, 5)
    assert command.json == ("x",)


def test_two_here_documents_quotes_and_tabs() -> None:
    (copy,) = parse("COPY <<'A' <<-B /etc/\none\nA\n\ttwo\n\tB\n").instructions
    assert [(doc.name, doc.body, doc.expands) for doc in copy.heredocs] == [("A", "one", False), ("B", "two", True)]


@pytest.mark.parametrize("line", ["RUN cat <<< word", 'RUN echo "<<EOF"', "RUN echo $((1 << 3))", "CMD a <<EOF"])
def test_what_only_looks_like_a_here_document_is_none(line: str) -> None:
    assert [one.keyword for one in parse(f"{line}\nUSER x\n").instructions][-1] == "USER"


def test_flags_are_told_from_the_words() -> None:
    (copy,) = parse("COPY --from=build --chown=1:1 a --b /x/\n").instructions
    assert copy.flags == ("--from=build", "--chown=1:1")
    assert copy.value == "a --b /x/"
    (run,) = parse("RUN --mount=type=cache,target=/c --mount=type=bind,target=/b pip install --upgrade x\n").instructions
    assert run.flags_of("mount") == ["type=cache,target=/c", "type=bind,target=/b"]
    assert run.value == "pip install --upgrade x"


@pytest.mark.parametrize(
    "text", ["hello world\n", "FROM a\npip install torch\n", "FROM a\nRUN <<EOF\nnever ends\n", "RUN x\n" * 6000, "\x00\x01ELF\n"]
)
def test_what_is_no_dockerfile_is_refused_with_a_line(text: str) -> None:
    with pytest.raises(NotDockerfile, match=r"line \d+"):
        parse(text)


def test_windows_line_ends_and_a_byte_order_mark_are_read_over() -> None:
    assert [one.value for one in parse("\ufeffFROM a\r\nRUN b \\\r\n c\r\n").instructions] == ["a", "b  c"]


words = st.lists(st.text(string.ascii_letters + string.digits + "./:=-_", min_size=1, max_size=8), min_size=1, max_size=5)
instructions = st.lists(st.tuples(st.sampled_from(sorted(KNOWN - {"ONBUILD"})), words), min_size=1, max_size=8)


@given(instructions, st.data())
def test_whatever_breaks_lines_and_comments_stand_between_words_change_nothing(
    written: list[tuple[str, list[str]]], data: st.DataObject
) -> None:
    lines: list[str] = []
    expected = []
    for keyword, given_words in written:
        plain = [word.lstrip("-#") or "x" for word in given_words]
        expected.append((keyword, plain, len("\n".join(lines).splitlines()) + 1))
        text = f"{keyword} {plain[0]}"
        for word in plain[1:]:
            text += data.draw(st.sampled_from([" ", " \\\n", " \\\n# comment \\\n", " \\\n\n", "\\\n\t"]))
            text += " " + word
        lines.append(text)
    read = parse("\n".join(lines) + "\n").instructions
    assert [(one.keyword, one.value.split(), one.line) for one in read] == expected
    for one in read:
        for word in one.value.split():
            assert word in "\n".join(lines).splitlines()[one.line_at(one.value.index(word)) - 1]


@given(st.lists(st.text(max_size=10), min_size=1, max_size=4))
def test_the_json_form_gives_back_every_word(given_words: list[str]) -> None:
    (command,) = parse(f"CMD {json.dumps(given_words)}\n").instructions
    assert command.json == tuple(given_words)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        read = parse(text)
    except NotDockerfile:
        return
    for one in read.instructions:
        assert 1 <= one.line <= one.end <= len(read.lines)
