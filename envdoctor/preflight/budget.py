"""Time: the budget of the whole, and a part of it that is broken off when it is spent."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


AGAIN_S = 0.25


class OutOfTime(BaseException):
    """The time is over. No Exception: it goes through every place that turns errors into results, as an interrupt does."""


class Budget:
    """So many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.began = time.monotonic()

    def left_s(self) -> float:
        """How much is left; 0 when it is spent."""
        return max(0.0, self.seconds - self.spent_s())

    def spent_s(self) -> float:
        """How much is spent."""
        return time.monotonic() - self.began


def _under_way(error: BaseException | None) -> bool:
    """Whether the time's end is what is handled just now: what tidies up after it is not broken off."""
    while error is not None and not isinstance(error, OutOfTime):
        error = error.__context__
    return error is not None


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Break off what is done in this context when so many seconds are over.

    What was started in it ends as after an interrupt: its keepers end with whoever waits for them. Only the main thread can be
    broken off; in another one nothing is, and what is run has its own deadlines.

    Raises:
        OutOfTime: they are over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    done = False

    def over(*_: object) -> None:
        if not done and not _under_way(sys.exc_info()[1]):
            raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    # again and again: what is raised in a destructor, or in a hook of a fork, Python prints and drops
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), AGAIN_S)
    try:
        yield
    finally:
        done = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
