"""What the files for other programs call is a command line that envdoctor takes, and their scripts are sound."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from envdoctor.cli.preflight import command
from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import lint
from envdoctor.preflight.asked import requirements
from tests.deploy.commands import DEPLOY, FILES, PROGRAM
from tests.deploy.composite import action
from tests.deploy.programs import ROOT, recording
from tests.factory import MATRIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPTS = sorted([*DEPLOY.rglob("*.sh"), *(ROOT / "tests" / "deploy").glob("*.sh")])
HEALTHCHECK = DEPLOY / "docker" / "healthcheck.Dockerfile"


@pytest.mark.parametrize(("path", "read"), FILES, ids=[path.name for path, _ in FILES])
def test_the_command_line_is_one_that_envdoctor_takes(path: Path, read: Callable[[Path], list[list[str]]]) -> None:
    found = read(path)
    assert found
    for program, name, *words in found:
        assert (program, name) == (PROGRAM, "preflight")
        taken = command.make_context("preflight", list(words)).params
        assert requirements(taken["required"])
        assert taken["target"] is None


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_passes_shellcheck(path: Path) -> None:
    checked(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(len(action()["runs"]["steps"])))
def test_a_step_of_the_action_passes_shellcheck(number: int) -> None:
    checked("#!/bin/bash\nset -eo pipefail\n" + action()["runs"]["steps"][number]["run"])


def checked(script: str) -> None:
    """Nothing that shellcheck (Debian's 0.9.0) knows of, notes of style included."""
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    done = subprocess.run([program, "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").iterdir()), ids=lambda path: path.name)
def test_systemd_takes_the_unit(tmp_path: Path, path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    stub = recording(tmp_path / "envdoctor")
    for one in (DEPLOY / "systemd").iterdir():
        text = one.read_text(encoding="utf-8").replace(PROGRAM, str(stub))
        (tmp_path / one.name).write_text(text, encoding="utf-8")
    done = subprocess.run([program, "verify", str(tmp_path / path.name)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_that_gates_comes_before_what_it_gates() -> None:
    text = (DEPLOY / "systemd" / "envdoctor-preflight.service").read_text(encoding="utf-8")
    gated = "slurmd.service kubelet.service"
    assert f"\nBefore={gated}\n" in text
    assert f"\nRequiredBy={gated}\n" in text
    for hides_gpus in ("PrivateDevices=yes", "DevicePolicy=", "ProtectKernelModules=yes", "MemoryDenyWriteExecute=yes"):
        assert f"\n{hides_gpus}" not in text


def test_the_lines_for_a_dockerfile_are_clean() -> None:
    linted = lint("Dockerfile", HEALTHCHECK.read_bytes(), None, MATRIX, [code_of(name) for name in REGISTRY])
    assert linted.findings == ()


@pytest.mark.parametrize(("status", "health"), [(0, 0), (1, 1), (2, 0), (3, 0), (4, 0), (137, 0)])
def test_docker_gets_0_or_1(tmp_path: Path, status: int, health: int) -> None:
    stub = recording(tmp_path / "envdoctor", status)
    _, _, line = HEALTHCHECK.read_text(encoding="utf-8").rpartition("\n    CMD ")
    done = subprocess.run(["sh", "-c", line.strip().replace(PROGRAM, str(stub))], check=False)
    assert done.returncode == health
