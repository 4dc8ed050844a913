"""A process ends itself where something hangs, with the frames in which it hangs on standard error.

The watch is a thread of C (faulthandler): it works while a call into the driver holds Python's lock. The doctor is told how long
a stage may take, since a process that the kernel holds (a sick GPU) cannot even end itself.
"""

from __future__ import annotations

import faulthandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .telling import Teller


def within(teller: Teller, name: str, limit_s: float) -> None:
    """Begin a stage, whose time is ``limit_s`` whatever the stages before it took."""
    faulthandler.dump_traceback_later(limit_s, exit=True, file=2)
    teller.tell("phase", name=name, within_s=limit_s)


def over() -> None:
    """Nothing is watched from here on."""
    faulthandler.cancel_dump_traceback_later()
