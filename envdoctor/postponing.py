"""Ctrl-C and its like wait while a program is started, so that it is never left running without anybody who knows it."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BREAKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which a user, or the system, wants something to end."""


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Signals that would break off what is going on wait until the end of this context.

    For starting a program: an interrupt inside ``Popen`` leaves one running that nobody knows. And a fork with ``preexec_fn``
    runs the hooks of ``os.register_at_fork`` (logging and random have some), where Python prints and drops what a handler
    raises. Outside of the main thread nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {one: signal.getsignal(one) for one in BREAKING if callable(signal.getsignal(one))}
    try:
        for one in before:
            signal.signal(one, lambda number, _frame: came.append(number))
        yield
    finally:
        # one that comes in between would leave the rest as they are
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, BREAKING)
        try:
            for one, handler in before.items():
                signal.signal(one, handler)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number in came[:1]:
            signal.raise_signal(number)
