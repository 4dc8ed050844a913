"""The door to uv: it says so where uv cannot be started, and a signal that comes while it starts is neither lost nor too early."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from envdoctor.applying import installer
from envdoctor.applying.interrupts import Interrupted, breakable, postponed
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_uv_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installer, "uv_program", lambda: str(tmp_path / "uv"))
    with pytest.raises(UserError, match="uv could not be started: No such file or directory") as told:
        installer.run_uv(("--version",), None)
    assert told.value.hint == "Install it beside envdoctor: pip install uv"


def test_a_signal_waits_for_the_end_of_what_is_not_broken_off() -> None:
    done: list[bool] = []
    with breakable(lambda _: None) as breaking:
        breaking.release()
        with pytest.raises(Interrupted, match="SIGTERM"):
            postponing(done)
    assert done == [True]


def postponing(done: list[bool]) -> None:
    with postponed():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        done.append(True)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with postponed():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
