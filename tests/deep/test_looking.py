"""What is run, and in which order, for machines with no, one and eight GPUs; and that a sick one keeps the others from being joined."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.deep import Asked, between, look, looking
from envdoctor.deep.hearing import Heard
from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.loaded import CollectiveTried, DeviceTried, KernelTried, PairTried
from envdoctor.workers import Ended
from tests.deep.test_devices import with_gpus
from tests.processes import gone

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.loaded import Live


def check(state: str = "passed") -> KernelTried:
    return KernelTried(name="context", state=state, value=None, bound=None, unit="", says="", seconds=0.1)


def device(name: str, *checks: KernelTried, ended: str | None = None, during: str = "context") -> DeviceTried:
    return DeviceTried(
        device=name, name="", compute_capability=None, checks=checks, during=during if ended else None, ended=ended, said=""
    )


class Run:
    """Stands for everything that starts a process, and keeps what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **sick: DeviceTried) -> None:
        self.asked: list[str] = []
        self.sick = sick

        def tried(_: Any, __: str, name: str, ___: Any, *, first: bool) -> DeviceTried:
            self.asked.append(f"{name}{', vLLM too' if first else ''}")
            return self.sick.get(name.replace(":", ""), device(name, check()))

        def pairs(_: str, count: int, __: Any) -> Known[tuple[PairTried, ...]]:
            self.asked.append(f"pairs of {count}")
            return Known((), "copies")

        def collective(_: str, count: int, backend: str, __: Any) -> Known[CollectiveTried | None]:
            self.asked.append(f"{backend} over {count}")
            return Known(None, "an all-reduce")

        def imported(*_: Any) -> tuple[()]:
            self.asked.append("imports")
            return ()

        for one in (tried, pairs, collective, imported):
            monkeypatch.setattr(looking, one.__name__, one)

    def of(self, count: int, **asked: bool) -> Live:
        """Look at a machine with so many GPUs."""
        return look(with_gpus(count), "python", Asked(**asked), lambda _: None)


def test_without_a_gpu_the_cpu_is_tried_and_two_processes_add(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    live = run.of(0)
    assert run.asked == ["cpu, vLLM too", "gloo over 2", "imports"]
    assert live.pairs == Known((), "there is no GPU")


def test_one_gpu_has_nobody_to_talk_to(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    live = run.of(1)
    assert run.asked == ["cuda:0, vLLM too", "imports"]
    assert (live.pairs, live.collective) == (Known((), "there is one GPU"), Known(None, "there is one GPU"))


def test_eight_gpus_one_after_the_other_and_then_together(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.of(8)
    assert run.asked == ["cuda:0, vLLM too", *(f"cuda:{n}" for n in range(1, 8)), "pairs of 8", "nccl over 8", "imports"]


@pytest.mark.parametrize(
    ("sick", "how"),
    [
        (device("cuda:1", ended="no answer in 30 s"), "no answer in 30 s"),
        (device("cuda:1", check("failed")), "it cannot be started"),
        (device("cuda:1"), "it cannot be started"),
        (device("cuda:1", check(), ended="killed by SIGBUS", during="cuda graph"), "killed by SIGBUS"),
        (device("cuda:1", ended="killed by SIGILL", during="import torch"), "killed by SIGILL"),
    ],
)
def test_with_a_sick_gpu_every_device_is_tried_and_nothing_between_them(
    monkeypatch: pytest.MonkeyPatch, sick: DeviceTried, how: str
) -> None:
    run = Run(monkeypatch, cuda1=sick)
    live = run.of(3)
    assert run.asked == ["cuda:0, vLLM too", "cuda:1", "cuda:2", "imports"]
    why = Unknown(f"cuda:1 does not work by itself ({how}), so nothing was tried with others")
    assert (live.pairs, live.collective) == (why, why)


def test_a_package_that_ends_the_process_at_its_import_makes_no_gpu_sick(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, cuda1=device("cuda:1", check(), ended="killed by SIGSEGV", during="import flash_attn"))
    run.of(2)
    assert run.asked == ["cuda:0, vLLM too", "cuda:1", "pairs of 2", "nccl over 2", "imports"]


def test_only_what_is_asked_for_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    live = run.of(2, devices=False)
    assert run.asked == ["imports"]
    assert live.devices == Unknown("it was not asked for")
    assert run.of(2, imports=False).imports == Unknown("it was not asked for")


def test_packages_that_could_not_be_listed_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)

    def not_observed(*_: Any) -> None:
        raise NotObserved("the folder cannot be read")

    monkeypatch.setattr(looking, "imported", not_observed)
    assert run.of(0).imports == Unknown("the folder cannot be read")


HANGS = """
import os, time
open({pids!r}, "a").write(str(os.getpid()))
int32 = "int32"
class T:
    def copy_(self, other): pass
def zeros(*_, device, **__):
    if device == {slow!r}: time.sleep(600)
    return T()
def arange(*_, **__): return T()
def equal(*_): return True
class cuda:
    @staticmethod
    def synchronize(_): pass
    @staticmethod
    def can_device_access_peer(*_): return True
    @staticmethod
    def get_device_properties(_): return None
"""


def test_a_copy_that_hangs_is_a_result_beside_those_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(HANGS.format(pids=str(tmp_path / "pids"), slow="cuda:2"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(between, "PAIR_S", 1.0)
    found = between.pairs(sys.executable, 3, lambda _: None)
    assert isinstance(found, Known)
    one, other = found.value
    assert (one.first, one.second, one.peer_access) == (0, 1, True)
    assert one.gb_per_s is not None
    assert (other.first, other.second, other.gb_per_s, other.says) == (0, 2, None, "no answer in 1 s")
    assert gone([int((tmp_path / "pids").read_text())])


def test_pairs_of_which_nothing_was_told_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert between.pairs(sys.executable, 2, lambda _: None) == Unknown("exit status 1, during: import torch")


def collective_that(monkeypatch: pytest.MonkeyPatch, *events: dict[str, Any], **how: Any) -> CollectiveTried:
    given = {"status": 1, "signal": None, "late": False, "phase": "the sum", "said": "", "seconds": 1.0}
    monkeypatch.setattr(between, "hear", lambda *_: Heard(events, Ended(**(given | how))))
    found = between.collective("python", 2, "nccl", lambda _: None)
    assert found.value is not None
    return found.value


def test_an_all_reduce_that_died_says_in_which_step_and_what_nccl_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "W torch/distributed/run.py] setting OMP_NUM_THREADS\nnode:7:7 [0] NCCL WARN Cuda failure 'peer access'\n"
        "traceback : To enable traceback\n"
    )
    one = collective_that(monkeypatch, said=said)
    assert one.state == "failed"
    assert one.says == "exit status 1, during: the sum; it said: node:7:7 [0] NCCL WARN Cuda failure 'peer access'"


LATE = {
    "event": "collective", "backend": "nccl", "devices": 2, "state": "late", "bus_gb_per_s": None,
    "says": "not done in 60 s: rank 1 is in 'meet the others', the others in 'the sum'",
}  # fmt: skip
WARNED = "node:7:9 [1] NCCL WARN Error while creating shared memory segment /dev/shm/nccl-x (size 33030528)\n"


def test_an_all_reduce_that_hangs_names_the_rank_and_ends_with_the_words_of_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    one = collective_that(monkeypatch, LATE, {"event": "done"}, said=f"other words\n{WARNED}{WARNED}more\n")
    assert one.state == "late"
    assert one.says == f"{LATE['says']}; it said: {WARNED.strip()}"
    right = collective_that(monkeypatch, {**LATE, "state": "passed", "says": "right"}, status=0, said=WARNED)
    assert right.says == "right"


def test_an_all_reduce_that_the_doctor_ended_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    one = collective_that(monkeypatch, status=None, late=True)
    assert (one.state, one.says) == ("late", "no answer in 150 s, during: the sum")


def test_the_facts_of_a_run_can_be_kept_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Run(monkeypatch).of(2)
    assert msgspec.json.decode(msgspec.json.encode(live), type=type(live)) == live
