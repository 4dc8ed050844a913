"""action.yml: its steps run by bash as a runner runs them, and nothing that a workflow gives becomes a part of a script."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.commands import DEPLOY
from tests.deploy.composite import EXPRESSION, ROOT, action, run
from tests.deploy.programs import calls, program, recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.composite import Ran

HOSTILE = "\"; touch taken; $(touch taken) `touch taken` ' && touch taken #"


def preflight(tmp_path: Path, given: dict[str, str], status: int = 0) -> tuple[Ran, list[str] | None]:
    """The second step alone, with a program that notes what it is called with."""
    stub = recording(tmp_path / "bin" / "envdoctor", status)
    repository, folder = tmp_path / "repository", tmp_path / "runner"
    repository.mkdir()
    folder.mkdir()
    ran = run(folder, repository, {**given, "program": str(stub)}, env={"PATH": os.environ["PATH"]}, only="preflight")
    assert list(repository.iterdir()) == [], "something that was given was run"
    return ran, calls(stub)


def test_no_expression_stands_in_a_script() -> None:
    for step in action()["runs"]["steps"]:
        assert "${{" not in step["run"]
        for text in step["env"].values():
            assert EXPRESSION.fullmatch(text), text


def test_every_input_is_used_and_every_output_is_set_by_a_step() -> None:
    made = action()
    used = {found for step in made["runs"]["steps"] for text in step["env"].values() for found in EXPRESSION.findall(text)}
    assert {name.removeprefix("inputs.") for name in used if name.startswith("inputs.")} == set(made["inputs"])
    assert [one["value"] for one in made["outputs"].values()] == [
        f"${{{{ steps.preflight.outputs.{name} }}}}" for name in made["outputs"]
    ]


@pytest.mark.parametrize("path", sorted((DEPLOY / "github").iterdir()), ids=lambda path: path.name)
def test_a_workflow_gives_it_inputs_that_it_has_and_they_become_a_command(path: Path, tmp_path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"] if "envdoctor" in step.get("uses", "")]
    assert steps
    for number, step in enumerate(steps):
        given = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in step["with"].items()}
        assert set(given) <= set(action()["inputs"])
        (tmp_path / str(number)).mkdir()
        ran, words = preflight(tmp_path / str(number), given)
        assert ran.status == 0
        assert words is not None
        assert given["target"] in words


def test_without_inputs_the_active_environment_is_judged(tmp_path: Path) -> None:
    ran, words = preflight(tmp_path, {})
    assert ran.status == 0
    assert words == ["preflight", "--budget=5m"]


def test_every_input_becomes_its_option(tmp_path: Path) -> None:
    given = {
        "target": ".venv",
        "profile": "h100",
        "lock": "h100",
        "require": "gpu>=8,trl",
        "budget": "90s",
        "smoke": "true",
        "static": "true",
        "price": "$24/h",
        "baseline": "last.json",
        "dockerfile": "Dockerfile\nimages/a b/Dockerfile\n",
        "suppose": "gpu=h100\ndriver=580.65.06\n",
        "reports": "junit=a.xml\nsarif=b.sarif\n",
        "fail-on": "warning",
        "strict": "true",
    }
    assert set(given) | {"envdoctor"} == set(action()["inputs"])
    ran, words = preflight(tmp_path, given)
    assert ran.status == 0
    assert words == [
        "preflight", "--profile=h100", "--lock=h100", "--require=gpu>=8,trl", "--budget=90s", "--price=$24/h",
        "--baseline=last.json", "--fail-on=warning", "--dockerfile=Dockerfile", "--dockerfile=images/a b/Dockerfile",
        "--suppose=gpu=h100", "--suppose=driver=580.65.06", "--report=junit=a.xml", "--report=sarif=b.sarif", "--smoke", "--static", "--strict", "--", ".venv",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(action()["inputs"]) - {"smoke", "static", "strict", "envdoctor"}))
def test_what_is_given_stays_one_word(tmp_path: Path, name: str) -> None:
    ran, words = preflight(tmp_path, {name: HOSTILE})
    assert ran.status == 0
    assert words is not None
    assert any(word.endswith(HOSTILE) for word in words)


@pytest.mark.parametrize("name", ["smoke", "static", "strict"])
def test_a_switch_is_true_or_false(tmp_path: Path, name: str) -> None:
    ran, words = preflight(tmp_path, {name: HOSTILE})
    assert (ran.status, words) == (2, None)
    assert ran.stdout == f"::error title=envdoctor::the input {name} is true or false, not what was given\n"


@pytest.mark.parametrize("status", [1, 2, 3, 4])
def test_the_exit_status_is_the_steps(tmp_path: Path, status: int) -> None:
    assert preflight(tmp_path, {}, status)[0].status == status


def install(tmp_path: Path, wanted: str, python: str) -> tuple[Ran, list[str] | None]:
    """The first step alone, with a python3 that makes no environment but notes what its pip is asked for."""
    path = program(tmp_path / "bin" / "python3", python)
    for name in ("sha256sum", "cut", "bash", "mkdir", "cp", "printf"):
        found = shutil.which(name)
        if found:
            (tmp_path / "bin" / name).symlink_to(found)
    folder = tmp_path / "runner"
    folder.mkdir()
    ran = run(folder, tmp_path, {"envdoctor": wanted, "program": ""}, env={"PATH": str(path.parent)}, only="install")
    pip = next(folder.glob("envdoctor-*/bin/python"), None)
    return ran, None if pip is None else calls(pip)


MAKES = r"""
case "$1" in
  -c) exit 0 ;;
  -m) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; printf '%s' '#!/bin/bash
printf "%s\n" "$@" > "$0.log"' > "$3/bin/python" ;;
esac"""


@pytest.mark.parametrize(
    ("wanted", "installed"),
    [("", str(ROOT)), ("0.1.0", "envdoctor==0.1.0"), ("./doctor", "./doctor"), (HOSTILE, HOSTILE)],
    ids=["its own checkout", "a version", "a path", "hostile"],
)
def test_what_is_installed(tmp_path: Path, wanted: str, installed: str) -> None:
    ran, words = install(tmp_path, wanted, MAKES)
    assert ran.status == 0, ran.stderr
    assert words == ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", installed]
    assert not (tmp_path / "taken").exists()


def test_an_option_of_pip_is_refused(tmp_path: Path) -> None:
    ran, words = install(tmp_path, "--index-url=elsewhere", MAKES)
    assert (ran.status, words) == (2, None)
    assert "no option" in ran.stdout


def test_an_old_python_is_said(tmp_path: Path) -> None:
    ran, words = install(tmp_path, "", "exit 1")
    assert (ran.status, words) == (2, None)
    assert "::error title=envdoctor::it needs python3 3.10 or newer" in ran.stdout
