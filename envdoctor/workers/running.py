"""Start a worker, hand on its events, and end it with everything it started."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


class Wanted(NamedTuple):
    """One worker."""

    interpreter: str
    """The target's Python."""
    room: str
    """smoke or live: its ``__main__.main(words, descriptor, scratch)`` is called, with the descriptor that takes events."""
    words: tuple[str, ...]
    deadline_s: float
    environ: Mapping[str, str] = NOTHING_MORE
    """Variables over those of the doctor's own environment."""
    ranks: int = 1
    """More than one: under torch.distributed.run, so many processes; only rank 0 tells events."""


class Ended(NamedTuple):
    """How it ended."""

    status: int | None
    """Exit status; None after a signal or when it was ended by us."""
    signal: str | None
    """"SIGSEGV"; None without one."""
    late: bool
    """It did not end in time and was killed."""
    phase: str
    """The last phase it told: what it was doing."""
    said: str
    """The last 256 KiB of its standard output and error together, redacted."""
    seconds: float


def run(wanted: Wanted, on_event: Callable[[dict[str, Any]], None]) -> Ended:
    """Run a worker to its end. Events (decoded, at most 8 MiB a line) are handed on as they come, in the caller's thread.

    Args:
        wanted: what to start.
        on_event: called for each event; an exception it raises ends the worker and goes up.

    Raises:
        UserError: the interpreter cannot be started; says why.
    """
    raise NotImplementedError
