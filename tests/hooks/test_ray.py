"""envdoctor.hooks.ray without Ray: what is called, what is raised, what is remembered. tests/deploy tries it under a real Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from envdoctor.hooks import ray
from tests.deploy.programs import calls, program, recording

ROOT = Path(__file__).resolve().parents[2]


def report(**changed: Any) -> str:
    """A JSON report with one problem that counts."""
    problem = {
        "counts": True,
        "code": "ED102",
        "title": "driver 535 is too old for CUDA 13",
        "why": "It stops at the first kernel.",
        "says": "Install a newer driver.",
        "commands": [["apt-get", "install", "a b"]],
    }
    return json.dumps({"problems": [{"counts": False, "title": "known"}, problem | changed]})


@pytest.fixture(name="stub")
def _stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is called instead of envdoctor, and a temporary folder of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("ENVDOCTOR", str(tmp_path / "envdoctor"))
    monkeypatch.delenv("ENVDOCTOR_OPTIONS", raising=False)
    return tmp_path / "envdoctor"


def test_a_healthy_node_starts_the_worker(
    stub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recording(stub, says="{}")
    monkeypatch.setenv("ENVDOCTOR_OPTIONS", "--require 'gpu>=8'")
    ray.preflight()
    assert calls(stub) == ["preflight", "--static", "--require", "gpu>=8", "--report", "json=-", "--", sys.executable]
    assert capsys.readouterr().err == ""


def test_a_broken_one_raises_with_the_root_cause_and_what_to_do(stub: Path) -> None:
    recording(stub, 1, report())
    with pytest.raises(ray.BrokenNodeError) as raised:
        ray.preflight()
    assert str(raised.value).splitlines() == [
        "ED102: driver 535 is too old for CUDA 13",
        "It stops at the first kernel.",
        "Install a newer driver.",
        "apt-get install 'a b'",
    ]


def test_what_it_raises_is_harmless(stub: Path) -> None:
    recording(stub, 1, report(title="\x1b[31m\u202e" + "x" * 5000))
    with pytest.raises(ray.BrokenNodeError) as raised:
        ray.preflight()
    first = str(raised.value).splitlines()[0]
    assert first.startswith("ED102: ?[31m?xxx")
    assert len(first) <= ray.MAX_LINE


@pytest.mark.parametrize("status", [2, 3, 4])
def test_what_cannot_be_told_is_said_and_starts_the_worker(stub: Path, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    program(stub, f"echo first >&2; echo 'no such option' >&2; exit {status}")
    ray.preflight()
    assert capsys.readouterr().err == "envdoctor: this worker was not judged: no such option\n"


@pytest.mark.parametrize("said", ["", "[]", '{"problems": []}', '{"problems": [{"counts": true}]}', "\x00"])
def test_an_exit_of_1_without_a_report_is_no_fault(stub: Path, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    recording(stub, 1, said)
    ray.preflight()
    assert "this worker was not judged: exit status 1" in capsys.readouterr().err


def test_a_python_without_envdoctor_is_no_fault(
    stub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ENVDOCTOR")
    monkeypatch.setattr(sys, "executable", str(program(stub, "echo 'No module named envdoctor' >&2; exit 1")))
    ray.preflight()
    assert "No module named envdoctor" in capsys.readouterr().err


def test_a_missing_program_is_no_fault(stub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ray.preflight()
    assert "cannot be run: No such file or directory" in capsys.readouterr().err


def test_one_that_hangs_is_left(stub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program(stub, "exec sleep 60")
    monkeypatch.setattr(ray, "DEADLINE_S", 0.3)
    ray.preflight()
    assert "no answer in 0.3 s" in capsys.readouterr().err


def test_eight_workers_at_once_pay_for_one(stub: Path, tmp_path: Path) -> None:
    program(stub, "echo run >> $log; sleep 0.5; echo {}")
    code = "from envdoctor.hooks.ray import preflight; preflight()"
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    workers = [subprocess.Popen([sys.executable, "-c", code], env=env) for _ in range(8)]
    assert [worker.wait(60) for worker in workers] == [0] * 8
    assert calls(stub) == ["run"]


@pytest.mark.parametrize(("status", "age_s", "again"), [(0, 590, False), (0, 610, True), (1, 10, False), (1, 30, True)])
def test_how_long_it_is_remembered(stub: Path, status: int, age_s: float, again: bool) -> None:
    recording(stub, status, report())
    argv = ray.command()
    first = ray.remembered(argv)
    (kept,) = (stub.parent / f"envdoctor-{os.getuid()}").glob("ray-*.json")
    document = json.loads(kept.read_text(encoding="utf-8"))
    kept.write_text(json.dumps(document | {"at": document["at"] - age_s}), encoding="utf-8")
    Path(f"{stub}.log").unlink()
    assert ray.remembered(argv) == first
    assert (calls(stub) is not None) == again


@pytest.mark.parametrize(
    "text", ["", "null", "[1]", "{", '{"at": "x", "status": 0, "said": ""}', '{"at": 1e99, "status": 0, "said": ""}']
)
def test_a_damaged_memory_is_not_believed(text: str) -> None:
    assert ray.read(text) is None


def test_a_folder_that_others_may_write_is_not_used(stub: Path) -> None:
    folder = stub.parent / f"envdoctor-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    recording(stub, says="{}")
    ray.preflight()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    folder.symlink_to(stub.parent)
    with pytest.raises(PermissionError):
        ray.own_folder()


def test_it_needs_the_standard_library_alone(tmp_path: Path) -> None:
    (tmp_path / "node_preflight.py").write_bytes(Path(ray.__file__).read_bytes())
    code = "import node_preflight, sys; assert not [name for name in sys.modules if name.startswith('envdoctor')]"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, check=True)
