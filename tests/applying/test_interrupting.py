"""Ctrl-C and SIGTERM in a real process: everything is as it was, and it says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.applying.repairs import pending
from tests.applying.killing import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.applying.conftest import Home
    from tests.harvest.server import Handler

LONG_S = 60.0


def begun(home: Home, folder: Path, **settings: str) -> subprocess.Popen[str]:
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"prefix": str(home.prefix), "url": home.url}))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    words = (sys.executable, "-m", "tests.applying.driver", "apply", str(plan))
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


def wait_for(home: Home, phase: str) -> None:
    until = time.monotonic() + LONG_S
    while time.monotonic() < until:
        found = pending(str(home.prefix))
        if found is not None and found.phase == phase:
            assert found.running
            assert "at work" in found.says
            return
        time.sleep(0.002)
    pytest.fail(f"it never came to {phase}")


def ended(child: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = child.communicate(timeout=LONG_S)
    assert child.returncode == 0, err
    said: dict[str, Any] = json.loads(out)
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_after_the_change_puts_everything_back(home: Home, tmp_path: Path, number: signal.Signals) -> None:
    child = begun(home, tmp_path, TEST_RECHECK_S=str(LONG_S))
    wait_for(home, "changed")
    assert home.now() != home.before
    child.send_signal(number)
    said = ended(child)
    assert said["outcome"] == "restored"
    assert number.name in said["why"]
    assert home.now() == home.before
    assert pending(str(home.prefix)) is None


def test_an_interrupt_of_the_fetch_leaves_nothing(home: Home, tmp_path: Path) -> None:
    over = threading.Event()

    def waiting(handler: Handler) -> bool:
        return not over.wait(2 * LONG_S)

    home.server.manners["/simple/comes/"] = waiting
    try:
        child = begun(home, tmp_path)
        wait_for(home, "staging")
        child.send_signal(signal.SIGINT)
        said = ended(child)
    finally:
        over.set()
        del home.server.manners["/simple/comes/"]
    assert said["outcome"] == "untouched"
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


@pytest.mark.parametrize("where", ["fork", "destructor"])
def test_an_interrupt_where_python_drops_what_a_handler_raises_is_not_lost(home: Home, tmp_path: Path, where: str) -> None:
    said = ended(begun(home, tmp_path, TEST_INTERRUPT_IN=where))
    assert said["outcome"] == ("untouched" if where == "fork" else "restored")
    assert "SIGINT" in said["why"]
    assert home.now() == home.before


def test_a_second_interrupt_does_not_break_off_the_undoing(home: Home, tmp_path: Path) -> None:
    child = begun(home, tmp_path, TEST_RECHECK_S=str(LONG_S))
    wait_for(home, "changed")
    for _ in range(4):  # soon enough after each other that putting back has not ended
        child.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert ended(child)["outcome"] == "restored"
    assert home.now() == home.before


def test_two_at_once_are_one_too_many(home: Home, tmp_path: Path) -> None:
    first = begun(home, tmp_path, TEST_RECHECK_S=str(LONG_S))
    wait_for(home, "changed")
    second = begun(home, tmp_path)
    out, _ = second.communicate(timeout=LONG_S)
    assert second.returncode == 2
    assert "another envdoctor is at work" in json.loads(out)["refused"]
    first.send_signal(signal.SIGINT)
    assert ended(first)["outcome"] == "restored"
    assert home.now() == home.before
