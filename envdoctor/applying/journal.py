"""What is being done to an environment, written down before it is done: the next call goes on from it, or undoes it.

Everything lies in ``PREFIX/.envdoctor``: the lock of who is at work, ``fix/`` of the present repair (its journal, the staged
files, the snapshot) and ``earlier/``, the snapshot that an older repair kept, until the present one has succeeded.
A journal is hostile input: it is decoded strictly, and all paths are worked out from the prefix, never read from it.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import re
import time
from typing import TYPE_CHECKING

import msgspec

from envdoctor.applying.tree import OURS, remove
from envdoctor.errors import UserError
from envdoctor.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1
MAX_JOURNAL_BYTES = 4 * 1024 * 1024
LOCK_WAIT_S = 5.0
"""How long the end of another one is waited for: an installer that was orphaned by kill -9 dies with a moment's delay."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INSIDE = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


class Phase(enum.Enum):
    """How far a repair is. Up to ``ready`` nothing of the environment was touched."""

    STAGING = "staging"
    SNAPSHOTTING = "snapshotting"
    READY = "ready"
    CHANGING = "changing"
    CHANGED = "changed"
    CHECKED = "checked"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


UNTOUCHED = frozenset({Phase.STAGING, Phase.SNAPSHOTTING, Phase.READY})


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One distribution that moves, and the hashes of the files that may come; ``build``: it has no wheel."""

    name: str
    before: str | None
    after: str | None
    sha256: tuple[str, ...] = ()
    build: bool = False


class Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one document of a repair. No address of an index is in it."""

    format: int = FORMAT
    phase: Phase
    started: str
    """UTC, ISO 8601, whole seconds."""
    python: str
    """The environment's interpreter, relative to the prefix: "bin/python"."""
    steps: tuple[Step, ...]
    root_mtime_ns: int | None = None
    """Of the prefix before our folder was made in it; None: our folder was there already."""
    leaves: tuple[str, ...] = ()
    """Errors that the plan does not mend, in the caller's words: a resumed repair is not undone for them."""


class Place:
    """Where things lie for one environment."""

    def __init__(self, prefix: str) -> None:
        self.prefix = os.path.expanduser(prefix)
        self.root = os.fsencode(os.path.realpath(self.prefix))
        self.ours = os.path.join(self.root, OURS)
        self.lock = os.path.join(self.ours, b"lock")
        self.run = os.path.join(self.ours, b"fix")
        self.gone = os.path.join(self.ours, b"undone")
        self.dropped = os.path.join(self.ours, b"dropped")
        self.earlier = os.path.join(self.ours, b"earlier")
        self.journal = os.path.join(self.run, b"journal.json")
        self.stage = os.path.join(self.run, b"stage")
        self.before = os.path.join(self.run, b"before")
        self.manifest = os.path.join(self.run, b"before.msgpack")
        self.freeze = os.path.join(self.run, b"freeze.txt")


def read(place: Place) -> Journal | None:
    """The journal; None: there is none, or its repair had not begun.

    Raises:
        UserError: it is damaged, or was made by an envdoctor that writes it in another way.
    """
    try:
        found = msgspec.json.decode(read_file(os.fsdecode(place.journal), MAX_JOURNAL_BYTES), type=Journal)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _damaged(place, str(error)) from error
    for problem in _problems(found):
        raise _damaged(place, problem)
    return found


def _damaged(place: Place, why: str) -> UserError:
    return UserError(
        f"{os.fsdecode(place.journal)} is no journal of a repair: {why}",
        f"The environment as it was before the repair lies in {os.fsdecode(place.before)}.",
    )


def _problems(journal: Journal) -> Iterator[str]:
    if journal.format != FORMAT:
        yield f"its format is {journal.format}, this program reads {FORMAT}"
    if not _INSIDE.fullmatch(journal.python) or ".." in journal.python.split("/"):
        yield "its interpreter is no path inside the environment"
    for step in journal.steps:
        # what was installed may have any version; it is only shown
        if not _NAME.fullmatch(step.name) or (step.after is not None and not _VERSION.fullmatch(step.after)):
            yield "a name or version in it is none"
        if not all(_SHA256.fullmatch(one) for one in step.sha256):
            yield "a hash in it is none"


def write(place: Place, journal: Journal) -> None:
    """Write it down, whole or not at all, and on the disk when this returns. Raises OSError; UserError: no one would read it."""
    for problem in _problems(journal):
        raise UserError(f"this repair cannot be written down: {problem}", "Please report it: envdoctor's plan is wrong.")
    text = msgspec.json.format(msgspec.json.encode(journal), indent=1) + b"\n"
    half = place.journal + b".new"
    with open(half, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(half, place.journal)
    handle = os.open(place.run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def advance(place: Place, journal: Journal, phase: Phase) -> Journal:
    """The journal, written down, in its next phase."""
    journal = msgspec.structs.replace(journal, phase=phase)
    write(place, journal)
    return journal


class Held:
    """The lock of an environment, held by this process and by the installers it starts."""

    def __init__(self, handle: int, root_mtime_ns: int | None) -> None:
        self.handle = handle
        self.root_mtime_ns = root_mtime_ns
        """Of the prefix before our folder was made in it; None: it was there already."""


@contextlib.contextmanager
def held(place: Place, *, make: bool) -> Iterator[Held | None]:
    """Hold the environment's lock. ``make``: make our folder where there is none; else None is given there.

    Raises:
        UserError: another envdoctor is at work there, or the folder cannot be made.
    """
    root_mtime_ns = None
    if os.path.islink(place.ours):
        what = f"{os.fsdecode(place.ours)} is a link: what would be written there lies outside of the environment"
        raise UserError(what, "envdoctor makes no link of that name. Look where it leads, and remove it.")
    if not os.path.isdir(place.ours):
        if not make:
            yield None
            return
        try:
            root_mtime_ns = os.lstat(place.root).st_mtime_ns
            os.mkdir(place.ours)
        except FileExistsError:
            root_mtime_ns = None
        except OSError as error:
            hint = "Who owns the environment must run this, or build a repaired one beside it: envdoctor fix --into NEW_VENV"
            raise UserError(f"{place.prefix} cannot be written to: {error.strerror}", hint) from error
    handle = _locked(place)
    try:
        yield Held(handle, root_mtime_ns)
    finally:
        os.close(handle)


def _locked(place: Place) -> int:
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkdir(place.ours)
        handle = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                # who held it before may have removed it: then this is a lock on nothing
                if os.lstat(place.lock).st_ino == os.fstat(handle).st_ino:
                    return handle
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(handle)
                hint = "Wait until it has ended; it can be interrupted with Ctrl-C and then undoes what it did."
                raise UserError(f"another envdoctor is at work on {place.prefix}", hint) from None
            time.sleep(0.05)
        os.close(handle)


def busy(place: Place) -> bool:
    """Whether someone is at work there now."""
    try:
        handle = os.open(place.lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def begin(place: Place, journal: Journal) -> None:
    """Make the folder of a repair and write its journal; the snapshot that an older one kept is set aside."""
    if os.path.isdir(place.run):
        if os.path.isdir(place.earlier):
            remove(place.earlier)
        os.rename(place.run, place.earlier)
    os.mkdir(place.run)
    write(place, journal)


def end(place: Place, journal: Journal) -> None:
    """The environment is as it was before this repair: nothing of it stays, and what an older one kept comes back."""
    # first its name: a folder that is half removed must not be taken for a repair
    os.rename(place.run, place.gone)
    if os.path.isdir(place.earlier):
        os.rename(place.earlier, place.run)
    remove(place.gone)
    sweep(place, journal.root_mtime_ns)


def drop(place: Place) -> None:
    """The repair stays, and what could undo it goes."""
    os.rename(place.run, place.dropped)
    remove(place.dropped)
    sweep(place, None)


def sweep(place: Place, root_mtime_ns: int | None) -> None:
    """Remove our folder if nothing but the lock is left in it."""
    if set(os.listdir(place.ours)) <= {os.path.basename(place.lock)}:
        remove(place.ours)
        if root_mtime_ns is not None:
            status = os.lstat(place.root)
            os.utime(place.root, ns=(status.st_atime_ns, root_mtime_ns))


def mend(place: Place) -> bool:
    """Finish what a killed ``begin``, ``end`` or ``drop`` left half done. Gives whether an undo was finished by that."""
    if os.path.isdir(place.run) and not os.path.lexists(place.journal):
        remove(place.run)
    if not os.path.isdir(place.run) and os.path.isdir(place.earlier):
        os.rename(place.earlier, place.run)
    finished = os.path.lexists(place.gone)
    for path in (place.dropped, place.gone):
        if os.path.lexists(path):
            remove(path)
    return finished
