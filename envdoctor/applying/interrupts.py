"""Ctrl-C and its like: they break off what can be undone, once, and never the undoing."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from envdoctor.postponing import BREAKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class Interrupted(KeyboardInterrupt):
    """The user, or the system, wants this to end. ``name``: "SIGINT"."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.name = signal.Signals(number).name


class Breaking:
    """Whether a signal breaks off what is going on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._calm = False
        self._held = True
        self._waiting: int | None = None
        self._raised: int | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """What the signals do."""
        if self._held:
            self._waiting = number
            return
        if self._calm:
            self._tell("The environment is being put in order; this takes a moment and is not broken off.")
            return
        self._calm = True
        self._raised = number
        raise Interrupted(number)

    def check(self) -> None:
        """Break off now if an interrupt did not get through: what is raised in a destructor or a hook, Python drops."""
        if self._raised is not None:
            raise Interrupted(self._raised)

    def release(self) -> None:
        """From here on a signal breaks off; one that came before does it now."""
        self._held = False
        if self._waiting is not None:
            self._calm = True
            raise Interrupted(self._waiting)

    def calm(self) -> None:
        """From here on nothing is broken off."""
        self._held = False
        self._calm = True
        self._raised = None


@contextlib.contextmanager
def breakable(tell: Callable[[str], None]) -> Iterator[Breaking]:
    """After ``release`` the first signal raises :class:`Interrupted`; later ones only say that it goes on.

    Before it they wait. Outside of the main thread, where Python takes no signals, nothing is done.
    """
    breaking = Breaking(tell)
    if threading.current_thread() is not threading.main_thread():
        yield breaking
        return
    # a signal that is ignored (nohup) stays ignored
    before = {one: signal.getsignal(one) for one in BREAKING if signal.getsignal(one) is not signal.SIG_IGN}
    try:
        for one in before:
            signal.signal(one, breaking.handle)
        yield breaking
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
