"""Making a repair real, so that it can be undone: all of it or nothing, whatever happens on the way.

Stage (nothing is touched) -> snapshot -> change -> judge again -> done; the snapshot stays for ``fix --undo``. Each phase is
written down before it begins, so a killed one is finished or undone by the next call. An error, what the judge still finds, and
Ctrl-C undo at once.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from envdoctor.applying import journal as journals
from envdoctor.applying.beside import build_beside
from envdoctor.applying.guard import refusal
from envdoctor.applying.interrupts import breakable
from envdoctor.applying.journal import UNTOUCHED, Held, Journal, Phase, Place, held
from envdoctor.applying.outcome import Applied, Kept, Outcome, Pending
from envdoctor.applying.snapshot import held_bytes
from envdoctor.applying.staging import check_space, steps_of
from envdoctor.applying.working import Work, through, undone
from envdoctor.errors import UserError
from envdoctor.resolver import Index

if TYPE_CHECKING:
    from envdoctor.applying.working import Recheck, Tell
    from envdoctor.plans import Repair

__all__ = [
    "Applied",
    "Kept",
    "Outcome",
    "Pending",
    "apply",
    "build_beside",
    "forget",
    "kept",
    "pending",
    "refusal",
    "resume",
    "undo",
]

HINT = "envdoctor fix --resume finishes it, envdoctor fix --undo puts the environment back as it was before."
NOTHING = "To make a repair: envdoctor fix --apply"
FINISHED = "an undo was broken off, and is finished now"


def apply(
    python: str, prefix: str, repair: Repair, recheck: Recheck, tell: Tell, index: Index, leaves: tuple[str, ...] = ()
) -> Applied:
    """Make the repair. ``recheck`` gives the errors that the environment then has; any, and all is undone.

    ``leaves`` is only written down, for who judges a resumed repair (``Pending.leaves``).

    Raises:
        UserError: it cannot begin (one is pending, another is at work, no space, a download fails). Nothing was touched.
    """
    place = Place(prefix)
    steps = steps_of(repair)
    check_space(place.prefix, repair.download_bytes)
    with breakable(tell) as breaking, held(place, make=True) as lock:
        assert lock is not None  # noqa: S101 - make=True
        journals.mend(place)
        before = journals.read(place)
        if before is not None and before.phase is not Phase.DONE:
            raise UserError(_interrupted(before), HINT)
        fresh = Journal(
            phase=Phase.STAGING,
            started=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            python=_inside(place, python),
            steps=steps,
            root_mtime_ns=lock.root_mtime_ns,
            leaves=leaves,
        )
        try:
            journals.begin(place, fresh)
        except (OSError, UserError) as error:
            journals.mend(place)
            journals.sweep(place, lock.root_mtime_ns)
            if isinstance(error, UserError):
                raise
            hint = "Free space there, or let the owner of the environment run this. Nothing was touched."
            raise UserError(f"{prefix} cannot be written to: {error.strerror}", hint) from error
        return through(Work(place, fresh, recheck, tell, index, lock, breaking))


def resume(prefix: str, recheck: Recheck, tell: Tell, index: Index | None = None) -> Applied:
    """Finish what was broken off. ``index`` is needed only if it was named then and not everything was downloaded.

    Raises:
        UserError: nothing was broken off, or another is at work.
    """
    place = Place(prefix)
    with breakable(tell) as breaking, held(place, make=False) as lock:
        found, finished = _found(place, lock)
        if finished:
            return Applied(outcome=Outcome.RESTORED, why=FINISHED)
        if found is None or found.phase is Phase.DONE or lock is None:
            raise UserError("no repair of this environment was broken off", NOTHING)
        if found.phase is Phase.UNDOING:
            breaking.calm()
            return undone(place, found, FINISHED)
        return through(Work(place, found, recheck, tell, index or Index(), lock, breaking))


def undo(prefix: str, tell: Tell) -> Applied:
    """Put the environment back as it was before the repair that was broken off, or that was made last.

    What was installed or edited after that repair goes, too: it becomes what it was, byte for byte.

    Raises:
        UserError: there is none, another is at work, or it cannot be put back yet (the disk is full).
    """
    place = Place(prefix)
    with breakable(tell) as breaking, held(place, make=False) as lock:
        found, finished = _found(place, lock)
        if finished:
            return Applied(outcome=Outcome.RESTORED, notes=(FINISHED,))
        if found is None:
            raise UserError("there is no repair of this environment to undo", NOTHING)
        breaking.calm()
        return undone(place, found, None)


def forget(prefix: str) -> int:
    """Drop the snapshot that the last repair kept. Gives the bytes that it alone held.

    Raises:
        UserError: there is none, it is still needed, or another is at work.
    """
    place = Place(prefix)
    with held(place, make=False) as lock:
        found, _ = _found(place, lock)
        if found is None:
            raise UserError("no snapshot of this environment is kept", NOTHING)
        if found.phase is not Phase.DONE:
            raise UserError(_interrupted(found), HINT)
        size = held_bytes(place)
        journals.drop(place)
        return size


def pending(prefix: str) -> Pending | None:
    """What was broken off here, or is at work now; None if nothing.

    Raises:
        UserError: the journal is damaged.
    """
    place = Place(prefix)
    found = journals.read(place)
    if found is None or found.phase in {Phase.DONE, Phase.UNDONE}:
        return None
    running = journals.busy(place)
    return Pending(
        phase=found.phase.value,
        started=found.started,
        steps=found.steps,
        touched=found.phase not in UNTOUCHED,
        running=running,
        leaves=found.leaves,
        says=f"another envdoctor is at work on {prefix}" if running else _interrupted(found),
    )


def kept(prefix: str) -> Kept | None:
    """The snapshot that the last repair kept for ``fix --undo``; None if there is none. Raises UserError: it is damaged."""
    place = Place(prefix)
    found = journals.read(place)
    if found is None or found.phase is not Phase.DONE:
        return None
    return Kept(started=found.started, steps=found.steps, held_bytes=held_bytes(place))


def _found(place: Place, lock: Held | None) -> tuple[Journal | None, bool]:
    """The journal, and whether an undo that was broken off at its very end has been finished by looking."""
    if lock is None:
        return None, False
    finished = journals.mend(place)
    found = journals.read(place)
    if found is not None and found.phase is Phase.UNDONE:
        journals.end(place, found)
        return None, True
    if found is None:
        journals.sweep(place, lock.root_mtime_ns)
    return found, finished


def _inside(place: Place, python: str) -> str:
    """The interpreter, relative to the prefix. Its own link is not followed: that leads to the base Python."""
    folder, name = os.path.split(os.path.expanduser(python))
    return os.path.relpath(os.path.join(os.path.realpath(folder), name), os.fsdecode(place.root))


def _interrupted(found: Journal) -> str:
    touched = (
        "nothing of the environment was changed yet" if found.phase in UNTOUCHED else "the environment is between two states"
    )
    return f"a repair that began at {found.started} was broken off ({found.phase.value}): {touched}"
