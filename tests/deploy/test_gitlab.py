"""deploy/gitlab/envdoctor.gitlab-ci.yml: its lines run by bash and by sh, as GitLab's runners do."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from envdoctor.cli.preflight import command
from tests.deploy.commands import DEPLOY
from tests.deploy.programs import calls, recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEMPLATE = DEPLOY / "gitlab" / "envdoctor.gitlab-ci.yml"
VENV = "/tmp/envdoctor"  # noqa: S108 - where the template makes it, in a container of its own


def job() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    (found,) = read.values()
    assert isinstance(found, dict)
    return found


def script(
    tmp_path: Path, shell: list[str], status: int = 0, given: Mapping[str, str] | None = None
) -> tuple[int, list[str] | None]:
    """The ``script:`` of the job with its variables; gives its status and what envdoctor was called with."""
    stub = recording(tmp_path / "venv" / "bin" / "envdoctor", status)
    lines = [line.replace(VENV, str(tmp_path / "venv")) for line in job()["script"]]
    env = {"PATH": "/usr/bin:/bin", **job()["variables"], **(given or {})}
    done = subprocess.run([*shell, "\n".join(lines)], cwd=tmp_path, env=env, check=False, timeout=60)
    return done.returncode, calls(stub)


@pytest.mark.parametrize("shell", [["bash", "-eo", "pipefail", "-c"], ["sh", "-ec"]], ids=["bash", "sh"])
def test_the_lines_run_and_the_reports_are_where_gitlab_looks(tmp_path: Path, shell: list[str]) -> None:
    status, words = script(tmp_path, shell)
    assert status == 0
    assert words is not None
    taken = command.make_context("preflight", words[1:]).params
    assert (taken["target"], taken["static"]) == ("lock:h100", True)
    reports = dict(word.split("=", 1) for word in taken["reports"])
    artifacts = job()["artifacts"]
    assert artifacts["reports"] == {"junit": reports["junit"], "codequality": reports["gitlab"], "dotenv": reports["dotenv"]}
    assert artifacts["paths"] == [reports["html"]]
    assert artifacts["when"] == "always"
    assert {path.split("/")[0] for path in reports.values()} == {"envdoctor-reports"}
    assert (tmp_path / "envdoctor-reports").is_dir()


def test_options_are_words_and_the_target_is_one(tmp_path: Path) -> None:
    given = {"ENVDOCTOR_OPTIONS": "--lock h100 --require gpu,trl", "ENVDOCTOR_TARGET": "a b; touch taken"}
    status, words = script(tmp_path, ["bash", "-eo", "pipefail", "-c"], given=given)
    assert status == 0
    assert words is not None
    assert words[:5] == ["preflight", "--lock", "h100", "--require", "gpu,trl"]
    assert words[-2:] == ["--", "a b; touch taken"]
    assert not (tmp_path / "taken").exists()


def test_a_failure_is_the_jobs(tmp_path: Path) -> None:
    assert script(tmp_path, ["bash", "-eo", "pipefail", "-c"], status=1)[0] == 1
