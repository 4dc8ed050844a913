"""A repair under way: its phases one after another, and back to the beginning where one of them does not end well."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envdoctor.applying import journal as journals
from envdoctor.applying.installed import installed
from envdoctor.applying.installer import run_uv, uninstall_words
from envdoctor.applying.interrupts import Breaking, Interrupted
from envdoctor.applying.journal import UNTOUCHED, Held, Journal, Phase, Place, advance
from envdoctor.applying.merging import coming, merge, put_back
from envdoctor.applying.outcome import Applied, Outcome
from envdoctor.applying.restoring import restore
from envdoctor.applying.snapshot import Taken, held_bytes, take
from envdoctor.applying.staging import stage, write_freeze
from envdoctor.applying.tree import remove
from envdoctor.errors import UserError
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.resolver import Index

    Recheck = Callable[[], tuple[str, ...]]
    Tell = Callable[[str], None]

MB = 1e6


class _Refused(Exception):  # noqa: N818 - an answer
    """The changed environment still has errors."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__(*errors)
        self.errors = errors


class Work:
    """One repair under way."""

    def __init__(
        self, place: Place, journal: Journal, recheck: Recheck, tell: Tell, index: Index, lock: Held, breaking: Breaking
    ) -> None:
        self.place, self.journal, self.recheck, self.tell = place, journal, recheck, tell
        self.index, self.lock, self.breaking = index, lock, breaking
        self.python = os.path.join(place.prefix, journal.python)
        self.seconds: dict[str, float] = {}
        self.taken: Taken | None = None
        self.notes: list[str] = []

    def to(self, phase: Phase) -> None:
        """Write down that this phase begins."""
        self.breaking.check()
        self.journal = advance(self.place, self.journal, phase)

    def timed(self, name: str, begun: float) -> None:
        """Remember how long it took."""
        self.seconds[name] = round(time.monotonic() - begun, 3)


def through(work: Work) -> Applied:
    """From the phase that the journal says to the end, or back to the beginning."""
    begun = time.monotonic()
    try:
        work.breaking.release()
        _forward(work)
    except BaseException as error:  # noqa: BLE001 - whatever it was, the environment is put back first
        work.breaking.calm()
        return _back(work, error)
    work.timed("all", begun)
    return Applied(
        outcome=Outcome.REPAIRED,
        notes=tuple(work.notes),
        seconds=work.seconds,
        files=work.taken.files if work.taken else None,
        copied_bytes=work.taken.copied_bytes if work.taken else None,
        held_bytes=held_bytes(work.place),
    )


def _forward(work: Work) -> None:
    place = work.place
    if work.journal.phase is Phase.STAGING:
        _stage(work)
        work.to(Phase.SNAPSHOTTING)
    if work.journal.phase is Phase.SNAPSHOTTING:
        _snapshot(work)
        work.to(Phase.READY)
    elif work.journal.phase is Phase.CHANGING:
        # half of a change is nothing to build on
        restore(place)
    if work.journal.phase in {Phase.READY, Phase.CHANGING}:
        work.to(Phase.CHANGING)
        _change(work)
        work.to(Phase.CHANGED)
    if work.journal.phase is Phase.CHANGED:
        begun = time.monotonic()
        work.tell("Judging the environment again.")
        errors = (*_not_as_planned(work), *work.recheck())
        work.timed("recheck", begun)
        if errors:
            raise _Refused(errors)
        work.breaking.check()
        work.breaking.calm()
        work.to(Phase.CHECKED)
    work.breaking.calm()
    for path in (place.stage, place.earlier):
        if os.path.lexists(path):
            remove(path)
    work.to(Phase.DONE)
    work.tell(f"The snapshot is kept and holds {held_bytes(place) / MB:.1f} MB; envdoctor fix --forget drops it.")


def _stage(work: Work) -> None:
    begun = time.monotonic()
    come = [one for one in work.journal.steps if one.after is not None]
    work.tell(f"Fetching {plural(len(come), 'package')}; the environment is not touched yet.")
    stage(work.place, work.python, work.journal.steps, work.index, work.lock.handle, work.tell)
    coming(work.place)
    work.timed("stage", begun)
    begun = time.monotonic()
    write_freeze(work.place, work.index)
    work.timed("freeze", begun)


def _snapshot(work: Work) -> None:
    place = work.place
    begun = time.monotonic()
    for path in (place.before, place.manifest):
        if os.path.lexists(path):
            remove(path)
    work.taken = take(place)
    work.timed("snapshot", begun)
    work.tell(
        f"Snapshot of {plural(work.taken.files, 'file')} taken in {work.seconds['snapshot']:.1f} s"
        f" ({work.taken.copied_bytes / MB:.1f} MB really copied)."
    )
    work.notes += [f"{one} is a mount point or a special file: it is not in the snapshot" for one in work.taken.left_alone]


def _change(work: Work) -> None:
    begun = time.monotonic()
    goes = tuple(one.name for one in work.journal.steps if one.before is not None)
    if goes:
        run_uv(uninstall_words(work.python, goes), work.lock.handle)
    back = put_back(work.place)
    if back:
        work.notes.append(
            f"{plural(len(back), 'file')} of packages that stay went with another package and came back: {_few(back)}"
        )
    merge(work.place)
    work.timed("change", begun)


def _not_as_planned(work: Work) -> tuple[str, ...]:
    there = {one.name: one.version for one in installed(os.fsdecode(work.place.root))}
    wrong = []
    for step in work.journal.steps:
        now = there.get(step.name)
        if not _same_version(now, step.after):
            wrong.append(f"{step.name} is {now or 'not installed'} after the change, not {step.after or 'gone'}")
    return tuple(wrong)


def _same_version(now: str | None, planned: str | None) -> bool:
    """Metadata may write 2024.01.05 where the index says 2024.1.5, and a local build (+cu126) where it says none."""
    if now is None or planned is None:
        return now == planned
    try:
        one, other = Version(now), Version(planned)
    except InvalidVersion:
        return now == planned
    return one == other or (other.local is None and Version(one.public) == other)


def _back(work: Work, error: BaseException) -> Applied:
    """Undo at once, and say why. What is neither an error of the world nor of the user is raised again after it."""
    found = journals.read(work.place) or work.journal
    untouched = found.phase in UNTOUCHED
    if not untouched:
        work.tell("Putting the environment back as it was.")
    applied = undone(work.place, found, _why(error), errors=error.errors if isinstance(error, _Refused) else ())
    if isinstance(error, UserError) and untouched:
        raise error
    if isinstance(error, (UserError, OSError, _Refused, Interrupted)):
        return applied
    raise error


def _why(error: BaseException) -> str:
    if isinstance(error, Interrupted):
        return f"it was broken off ({error.name})"
    if isinstance(error, _Refused):
        return "the changed environment still has errors"
    if isinstance(error, UserError):
        return f"{error.what}: {error.hint}"
    return _os_words(error) if isinstance(error, OSError) else repr(error)


def undone(place: Place, found: Journal, why: str | None, errors: tuple[str, ...] = ()) -> Applied:
    """The environment put back as it was before the repair of this journal, and nothing of the repair left.

    Raises:
        UserError: it cannot be put back yet (the disk is full); nothing of the snapshot is lost then.
    """
    begun = time.monotonic()
    lost: tuple[str, ...] = ()
    outcome = Outcome.UNTOUCHED if found.phase in UNTOUCHED else Outcome.RESTORED
    try:
        if outcome is Outcome.RESTORED:
            # a disk too full for this word keeps one from which it can be undone as well
            with contextlib.suppress(OSError):
                found = advance(place, found, Phase.UNDOING)
            lost = restore(place)
            with contextlib.suppress(OSError):
                found = advance(place, found, Phase.UNDONE)
        journals.end(place, found)
    except OSError as error:
        raise UserError(
            f"the environment could not be put back yet: {_os_words(error)}",
            "Mend that (free space, permissions), then: envdoctor fix --undo. Nothing of the snapshot is lost.",
        ) from error
    return Applied(outcome=outcome, why=why, errors=errors, lost=lost, seconds={"all": round(time.monotonic() - begun, 3)})


def _os_words(error: OSError) -> str:
    name = error.filename
    path = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
    return f"{harmless(path)}: {error.strerror}" if path else str(error)


def _few(words: tuple[str, ...], most: int = 5) -> str:
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"
