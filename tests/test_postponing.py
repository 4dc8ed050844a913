"""A signal that comes while a program is started is neither lost nor too early."""

from __future__ import annotations

import os
import signal

import pytest

from envdoctor.applying.interrupts import Interrupted, breakable
from envdoctor.postponing import postponed


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
