"""Workers end as they end, and nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from envdoctor.errors import UserError
from envdoctor.workers import Ended, Wanted, run
from tests.processes import alive, gone

ROOM = str(Path(__file__).parent / "room")
ROOT = Path(__file__).parent.parent.parent


def started(*words: str, deadline_s: float = 30.0, interpreter: str = sys.executable) -> tuple[Ended, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    ended = run(Wanted(interpreter, "test", words, deadline_s, folder=ROOM), events.append)
    return ended, events


def test_its_events_its_words_and_its_end_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not for a worker")
    monkeypatch.setenv("SEEN", "yes")
    ended, events = started("greet", "a b", "c")
    assert ended.status == 0
    assert ended.signal is None
    assert not ended.late
    assert ended.phase == "phase greet"
    assert ended.said == "hello from work\n"
    assert events[-1] == {"event": "done", "words": ["a b", "c"], "known": ["SEEN"], "scratch": True, "path": []}


def test_an_exception_is_an_exit_status_and_its_words() -> None:
    ended, _ = started("raise", "the reason")
    assert ended.status == 1
    assert "RuntimeError: the reason" in ended.said


def test_a_signal_has_its_name() -> None:
    ended, _ = started("segfault")
    assert (ended.status, ended.signal) == (None, "SIGSEGV")


def test_one_that_hangs_is_ended_at_its_deadline() -> None:
    ended, events = started("hang", deadline_s=1.5)
    assert ended.late
    assert ended.phase == "phase hang"
    assert ended.seconds < 60
    assert gone([events[-1]["pid"]])


def test_of_a_flood_the_end_is_kept() -> None:
    ended, _ = started("flood")
    assert ended.said.endswith("the last line\n")
    assert len(ended.said) <= 256 * 1024


def test_what_is_no_event_is_said_and_the_rest_is_heard() -> None:
    ended, events = started("garbage")
    assert [one["event"] for one in events] == ["phase", "done"]
    assert "told something that is no event" in ended.said


def test_a_line_without_end_ends_the_worker() -> None:
    ended, _ = started("endless line")
    assert "more than 8 MiB in one line" in ended.said
    assert not ended.late


@pytest.mark.parametrize("how", ["exit", "stay"])
def test_descendants_in_sessions_of_their_own_are_ended_too(how: str) -> None:
    _, events = started("children", how, deadline_s=2.0 if how == "stay" else 30.0)
    assert len(events[-1]["pids"]) == 3
    assert gone(events[-1]["pids"])


@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_doctor_is_killed_nothing_outlives_it(name: signal.Signals, tmp_path: Path) -> None:
    told = tmp_path / "pids"
    code = (
        "import sys\nfrom envdoctor.workers import Wanted, run\n"
        f"def hear(event):\n if 'pids' in event: open({str(told)!r}, 'w').write(' '.join(map(str, event['pids'])) + ' .')\n"
        f"run(Wanted(sys.executable, 'test', ('children', 'stay'), 60.0, folder={ROOM!r}), hear)"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL) as doctor:
        until = time.monotonic() + 60
        while not (told.exists() and told.read_text().endswith(".")) and time.monotonic() < until:
            time.sleep(0.02)
        pids = [int(word) for word in told.read_text().split() if word != "."]
        assert all(map(alive, pids))
        doctor.send_signal(name)
        doctor.wait(60)
    assert gone(pids)
    until = time.monotonic() + 30
    while [one for one in tmp_path.iterdir() if one.name.startswith("envdoctor-")] and time.monotonic() < until:
        time.sleep(0.02)
    assert [one.name for one in tmp_path.iterdir()] == ["pids"]


def test_an_exception_of_the_listener_ends_the_worker_and_goes_up() -> None:
    pids: list[int] = []

    def hear(event: dict[str, Any]) -> None:
        if "pids" in event:
            pids.extend(event["pids"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Wanted(sys.executable, "test", ("children", "stay"), 30.0, folder=ROOM), hear)
    assert gone(pids)


def test_an_interpreter_that_is_not_there_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="cannot be started: No such file or directory"):
        started("greet", interpreter="/nowhere/python3")
