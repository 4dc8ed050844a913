"""The Action, the GitLab template and the HEALTHCHECK with this checkout's own envdoctor, in a scratch repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.deploy.commands import PROGRAM
from tests.deploy.composite import ROOT, run
from tests.deploy.programs import envdoctor
from tests.deploy.test_commands import HEALTHCHECK
from tests.deploy.test_gitlab import VENV, job

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = "torch==2.6.0\nvllm==0.6.6\n"


@pytest.fixture(name="repository")
def _repository(tmp_path: Path) -> Path:
    """A repository with the lock of an H100 and a list of requirements that break each other."""
    folder = tmp_path / "repository"
    (folder / "lockfiles").mkdir(parents=True)
    for name in ("h100.txt", "h100.toml"):
        shutil.copy(ROOT / "lockfiles" / name, folder / "lockfiles")
    (folder / "lockfiles" / "broken.txt").write_text(BROKEN, encoding="utf-8")
    return folder


@pytest.fixture(name="runner")
def _runner(tmp_path: Path) -> Path:
    """Where a runner of GitHub keeps what is its own."""
    folder = tmp_path / "runner"
    folder.mkdir()
    return folder


def surroundings() -> dict[str, str]:
    """What a runner gives to every step, without a word about the environment that runs the tests."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def test_the_action_passes_a_lock_that_holds(repository: Path, runner: Path, tmp_path: Path) -> None:
    given = {"target": "lock:h100", "static": "true", "program": str(envdoctor(tmp_path / "envdoctor"))}
    ran = run(runner, repository, given, env=surroundings(), only="preflight")
    assert ran.status == 0, ran.stdout + ran.stderr
    assert ran.outputs["verdict"] == "passed"
    assert (ran.outputs["failed-tier"], ran.outputs["problems"]) == ("", "0")
    assert float(ran.outputs["seconds"]) >= 0
    assert ran.summary.startswith("## envdoctor preflight: PASSED")


def test_the_action_fails_one_that_does_not(repository: Path, runner: Path, tmp_path: Path) -> None:
    given = {
        "target": "lock:lockfiles/broken.txt",
        "static": "true",
        "price": "$24/h",
        "reports": "junit=junit.xml\nsarif=envdoctor.sarif\nhtml=preflight.html\njson=preflight.json\n",
        "program": str(envdoctor(tmp_path / "envdoctor")),
    }
    ran = run(runner, repository, given, env=surroundings(), only="preflight")
    assert ran.status == 1, ran.stdout + ran.stderr
    assert (ran.outputs["verdict"], ran.outputs["failed-tier"]) == ("failed", "check")
    assert int(ran.outputs["problems"]) >= 1
    assert "\n::error " in ran.stderr
    assert "FAILED in check" in ran.summary
    assert ET.parse(repository / "junit.xml").getroot().tag == "testsuites"  # noqa: S314 - our own report
    assert json.loads((repository / "envdoctor.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert json.loads((repository / "preflight.json").read_text(encoding="utf-8"))["verdict"] == "failed"
    assert (repository / "preflight.html").stat().st_size > 1000


@pytest.mark.deploy
def test_the_action_installs_itself_beside(repository: Path, runner: Path) -> None:
    given = {"target": "lock:h100", "static": "true"}
    ran = run(runner, repository, given, env=surroundings())
    assert ran.status == 0, ran.stdout + ran.stderr
    assert ran.outputs["verdict"] == "passed"
    (home,) = runner.glob("envdoctor-*")
    before = (home / "pyvenv.cfg").stat().st_mtime_ns
    ran = run(runner, repository, given, env=surroundings())
    assert ran.status == 0
    assert (home / "pyvenv.cfg").stat().st_mtime_ns == before, "it was installed again"


@pytest.mark.parametrize(("target", "status"), [("lock:h100", 0), ("lock:lockfiles/broken.txt", 1)])
def test_the_job_of_gitlab(repository: Path, tmp_path: Path, target: str, status: int) -> None:
    envdoctor(tmp_path / "venv" / "bin" / "envdoctor")
    script = "\n".join(job()["script"]).replace(VENV, str(tmp_path / "venv"))
    env = {**surroundings(), **job()["variables"], "ENVDOCTOR_TARGET": target}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=repository, env=env, capture_output=True, check=False)
    assert done.returncode == status, done.stderr
    folder = repository / "envdoctor-reports"
    assert {path.name for path in folder.iterdir()} == {"junit.xml", "codequality.json", "preflight.env", "preflight.html"}
    assert bool(json.loads((folder / "codequality.json").read_text(encoding="utf-8"))) == (status == 1)
    variables = (folder / "preflight.env").read_text(encoding="utf-8")
    assert f"ENVDOCTOR_VERDICT={'failed' if status else 'passed'}\n" in variables


def test_the_healthcheck_is_healthy_without_a_fault_and_says_one_in_a_line(tmp_path: Path) -> None:
    doctor = envdoctor(tmp_path / "envdoctor")
    _, _, line = HEALTHCHECK.read_text(encoding="utf-8").rpartition("\n    CMD ")
    line = line.strip().replace(PROGRAM, str(doctor))
    needs_nothing = line.replace("--require gpu ", "")
    done = subprocess.run(
        ["sh", "-c", needs_nothing], cwd=tmp_path, env=surroundings(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:12]) == (0, "ENVDOCTOR OK")
    needs_all = line.replace("--require gpu ", "--require 'gpu>=99' ")
    done = subprocess.run(["sh", "-c", needs_all], cwd=tmp_path, env=surroundings(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:18]) == (1, "ENVDOCTOR CRITICAL")
    assert len(done.stdout) < 4096, "Docker keeps no more"
