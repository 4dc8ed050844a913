"""``envdoctor lint`` as it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from envdoctor.cli import lint
from envdoctor.cli.complete import every_code, lint_codes
from tests.cli.test_cli import run
from tests.dockerfiles.linted import context

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = "FROM vllm/vllm-openai\nCOPY gone /\nRUN pip install --torch-backend=auto torch==2.6.0\n"
WARNED = "FROM vllm/vllm-openai\n"


@pytest.mark.parametrize(
    ("text", "words", "status"),
    [
        (BROKEN, (), 1),
        (WARNED, (), 0),
        (WARNED, ("--fail-on", "warning"), 1),
        (WARNED, ("--fail-on", "warning", "--skip", "ED601"), 0),
        ("ARG B\nFROM $B\n", (), 0),
        ("ARG B\nFROM $B\n", ("--strict",), 3),
        (BROKEN, ("--select", "ED602,ED603"), 0),
    ],
)
def test_the_exit_status_is_that_of_check(tmp_path: Path, text: str, words: tuple[str, ...], status: int) -> None:
    context(tmp_path, {"Dockerfile": text})
    done = run("lint", "Dockerfile", *words, cwd=tmp_path)
    assert done.returncode == status, done.stdout + done.stderr


def test_files_folders_and_several_of_them_are_judged_and_json_names_each(tmp_path: Path) -> None:
    context(tmp_path, {"a/Dockerfile": WARNED, "b.Dockerfile": BROKEN, "gone": ""})
    done = run("lint", "a", "b.Dockerfile", "--format", "json", "-o", "report.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    first, second = report["dockerfiles"]
    assert (first["dockerfile"], second["dockerfile"]) == ("a/Dockerfile", "b.Dockerfile")
    assert [found["code"] for found in second["findings"]] == ["ED606", "ED601"]
    assert second["context"] == str(tmp_path.resolve())


def test_the_context_is_the_one_that_is_named(tmp_path: Path) -> None:
    context(tmp_path, {"docker/Dockerfile": BROKEN, "docker/gone": "", "other/x": ""})
    words = ("lint", "docker", "--select", "ED611")
    assert run(*words, cwd=tmp_path).returncode == 0
    done = run(*words, "--context", "other", cwd=tmp_path)
    assert done.returncode == 1
    assert "gone cannot be copied: there is no gone in the build context" in done.stdout
    assert run(*words, "--context", "nowhere", cwd=tmp_path).returncode == 2


def test_standard_input_is_read_and_has_no_context() -> None:
    argv = [sys.executable, "-m", "envdoctor", "lint", "-"]
    done = subprocess.run(argv, input=BROKEN, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "envdoctor lint: standard input" in done.stdout
    assert "could not tell: ED611" in done.stdout


@pytest.mark.parametrize(
    "words", [(), ("none",), ("Dockerfile", "--select", "ED102"), ("Dockerfile", "--skip", "ED9"), ("notes.txt",)]
)
def test_wrong_usage_is_told_with_a_remedy_and_exits_with_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    context(tmp_path, {"Dockerfile": WARNED, "notes.txt": "hello\n"})
    done = run("lint", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) >= 2
    assert "Traceback" not in done.stderr


def test_a_program_is_told_in_one_line_without_its_bytes() -> None:
    done = run("lint", sys.executable)
    assert done.returncode == 2
    assert "is a binary file" in done.stderr
    assert "\\x" not in done.stderr


def test_rules_and_explain_know_the_rules_for_dockerfiles() -> None:
    assert "ED607  image    A package that is compiled against torch" in run("rules").stdout
    done = run("explain", "ed605")
    assert done.returncode == 0
    assert done.stdout.startswith("# ED605: A later install replaces the torch")
    assert 'Did you mean "ED6' in run("explain", "ED699").stderr


def test_the_shell_completes_their_codes() -> None:
    ctx, param = click.Context(lint.command), click.Option(["--select"])
    assert lint_codes(ctx, param, "ed60")[:2] == ["ED601", "ED602"]
    assert "ED102" in every_code(ctx, param, "ED")
    assert "ED613" in every_code(ctx, param, "ED")
