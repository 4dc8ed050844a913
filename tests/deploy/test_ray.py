"""The hook under a real Ray: a healthy node runs tasks, a broken one fails the job with the root cause."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.commands import DEPLOY
from tests.deploy.programs import ROOT, calls, program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.ray
DRIVER = """
import sys, ray
ray.init(num_cpus=4, include_dashboard=False, runtime_env={{"worker_process_setup_hook": {hook!r}, "env_vars": {env!r}, **{more!r}}})
@ray.remote
def who():
    import os, time
    time.sleep(0.3)
    return os.getpid()
@ray.remote
class Actor:
    def answer(self):
        return 42
try:
    print("processes", len(set(ray.get([who.options(max_retries=0).remote() for _ in range(8)], timeout=90))))
    print("actor", ray.get(Actor.remote().answer.remote(), timeout=90))
except ray.exceptions.RayError as error:
    print("error", type(error).__name__, error)
    try:
        ray.get(Actor.remote().answer.remote(), timeout=90)
    except ray.exceptions.RayError as error:
        print("actor", type(error).__name__, error)
    sys.exit(1)
"""


def job(tmp_path: Path, hook: str, env: Mapping[str, str], more: Mapping[str, str] | None = None) -> tuple[int, str]:
    """A Ray job of its own on a cluster of its own; gives its status and all it printed."""
    path = tmp_path / "driver.py"
    path.write_text(DRIVER.format(hook=hook, env={"TMPDIR": str(tmp_path), **env}, more=dict(more or {})), encoding="utf-8")
    python = os.environ["ENVDOCTOR_RAY_PYTHON"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ENVDOCTOR"))}
    done = subprocess.run(
        [python, str(path)],
        env=clean,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


def test_a_healthy_node_runs_tasks_and_pays_once(tmp_path: Path) -> None:
    stub = program(tmp_path / "envdoctor", "echo run >> $log; sleep 1; echo {}")
    status, out = job(tmp_path, "envdoctor.hooks.ray.preflight", {"ENVDOCTOR": str(stub)})
    assert status == 0, out
    assert "actor 42" in out
    assert "processes 1\n" not in out
    assert calls(stub) == ["run"]


def test_the_workers_own_environment_passes_without_requirements(tmp_path: Path) -> None:
    status, out = job(tmp_path, "envdoctor.hooks.ray.preflight", {})
    assert status == 0, out
    assert "was not judged" not in out
    (kept,) = tmp_path.glob("envdoctor-*/ray-*.json")
    assert '"status": 0' in kept.read_text(encoding="utf-8")


def test_a_broken_node_fails_the_job_with_the_root_cause(tmp_path: Path) -> None:
    shown = yaml.safe_load((DEPLOY / "ray" / "runtime_env.yaml").read_text(encoding="utf-8"))
    status, out = job(tmp_path, shown["worker_process_setup_hook"], {"ENVDOCTOR_OPTIONS": "--require trl,vllm"})
    assert shown["env_vars"] == {"ENVDOCTOR_OPTIONS": "--require gpu,trl,vllm"}, "the same without a GPU, which may be here"
    assert status == 1, out
    assert "envdoctor.hooks.ray.BrokenNodeError: REQUIRE-TRL: trl is required" in out
    assert "error WorkerCrashedError" in out
    actor = out.rpartition("\nactor ")[2]
    assert actor.startswith("ActorDiedError")
    assert "REQUIRE-TRL: trl is required" in actor


def test_the_file_alone_travels_with_the_working_directory(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "node_preflight.py").write_bytes((ROOT / "envdoctor" / "hooks" / "ray.py").read_bytes())
    stub = program(tmp_path / "envdoctor", "echo run >> $log; echo {}")
    status, out = job(tmp_path, "node_preflight.preflight", {"ENVDOCTOR": str(stub)}, {"working_dir": str(folder)})
    assert status == 0, out
    assert calls(stub) == ["run"]
