"""Stages, variables and what each RUN really runs."""

from __future__ import annotations

from envdoctor.dockerfiles.parser import parse
from envdoctor.dockerfiles.stages import Dockerfile, staged


def read(text: str) -> Dockerfile:
    return staged(parse(text), "Dockerfile")


def argvs(text: str) -> list[tuple[str, ...]]:
    return [run.argv for _, _, run in read(text).executed()]


def test_arguments_before_from_are_known_in_from_and_in_a_stage_only_where_it_declares_them() -> None:
    text = "ARG V=2.6.0\nARG BASE=a:$V\nFROM ${BASE}\nRUN echo $V\nARG V\nRUN echo $V ${W:-w} ${V:+yes} $U\n"
    assert read(text).stages[0].base == "a:2.6.0"
    assert argvs(text) == [("echo", "$V"), ("echo", "2.6.0", "w", "yes", "$U")]


def test_env_is_handed_on_to_stages_that_begin_with_this_one_and_to_no_other() -> None:
    text = "FROM a AS one\nENV X=1 Y='2 3'\nWORKDIR /w\nFROM one AS two\nRUN echo $X $Y\nFROM b\nRUN echo $X\n"
    first, second, third = read(text).stages
    assert (second.parent, third.parent) == (first, None)
    assert second.root == "a"
    assert [(run.argv, run.cwd) for run in second.commands()] == [(("echo", "1", "2 3"), "/w")]
    assert [run.argv for run in third.commands()] == [("echo", "$X")]


def test_an_argument_of_a_stage_is_known_in_those_that_begin_with_it() -> None:
    text = "FROM a AS one\nARG V=1\nFROM one\nRUN echo $V\nFROM a\nRUN echo $V\n"
    assert argvs(text) == [("echo", "1"), ("echo", "$V")]


def test_shell_variables_count_from_where_they_are_certain() -> None:
    text = "FROM a\nRUN V=1 && echo $V && export W=2 && echo $W && if x; then V=3; fi && echo $V\nRUN echo $V\n"
    echoed = [argv[1:] for argv in argvs(text) if argv[0] == "echo"]
    assert echoed == [("1",), ("2",), ("$V",), ("$V",)]


def test_a_shell_that_is_told_what_to_run_is_looked_into() -> None:
    assert argvs('FROM a\nRUN bash -lc "pip install x && y"\nRUN ["/bin/sh", "-c", "a b"]\nRUN ["c", "d e"]\n') == [
        ("pip", "install", "x"),
        ("y",),
        ("a", "b"),
        ("c", "d e"),
    ]


def test_what_only_carries_another_command_is_taken_off() -> None:
    assert argvs("FROM a\nRUN sudo -E env A=1 pip install x\n") == [("pip", "install", "x")]


def test_a_here_document_is_run_where_it_is_the_shells_input_and_only_there() -> None:
    text = "FROM a\nRUN <<EOF\npip install x\n\ny\nEOF\nRUN python3 <<EOF\nimport z\nEOF\nRUN <<EOF\n#!/usr/bin/env python3\nq\nEOF\n"
    runs = [(run.line, run.argv) for _, _, run in read(text).executed()]
    assert runs[:2] == [(3, ("pip", "install", "x")), (5, ("y",))]
    assert [argv for _, argv in runs[2:]] == [("python3",)]


def test_set_e_and_pipefail_are_known_wherever_they_are_said() -> None:
    text = (
        "FROM a\nRUN a\nRUN set -eux; b\nRUN bash -exo pipefail <<EOF\nc\nset +e\nd\nEOF\n"
        'SHELL ["/bin/bash", "-o", "pipefail", "-ec"]\nRUN e\n'
    )
    said = {run.argv[0]: (run.stops, run.pipefail) for _, _, run in read(text).executed()}
    assert said["a"] == (False, False)
    assert said["b"] == (True, False)
    assert said["c"] == (True, True)
    assert said["d"] == (False, True)
    assert said["e"] == (True, True)


def test_the_folder_follows_cd_pushd_and_popd_and_begins_anew_in_each_run() -> None:
    text = "FROM a\nWORKDIR /w\nRUN cd x && a && pushd y && b && popd && c\nRUN d\n"
    folders = {run.argv[0]: run.cwd for _, _, run in read(text).executed()}
    assert [folders[name] for name in "abcd"] == ["/w/x", "/w/x/y", "/w/x", "/w"]


def test_a_variable_that_doubles_itself_does_not_fill_the_memory() -> None:
    text = "FROM a\nENV X=aaaaaaaaaa\n" + "ENV X=$X$X$X$X$X$X$X$X\n" * 100 + "RUN echo $X\n"
    assert len(argvs(text)[0][1]) <= 20_000
