"""The environment as it was: a second tree of its files in its own folder, and a list of every entry.

Files share their inode with the environment (or are clones, where the file system can), so a snapshot of gigabytes takes a second
and no space. That is safe because nothing here writes into a file that exists: uv unlinks what it removes, and what comes is put
in place by rename. Files that people and tools edit where they lie (scripts, .pth files, pyvenv.cfg) get copies of their own all
the same: the snapshot is kept for ``fix --undo``.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

from envdoctor.applying.tree import Copier, Entry, walk
from envdoctor.errors import UserError
from envdoctor.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.applying.journal import Place

MAX_COPIED_BYTES = 1024 * 1024
"""Scripts are small; what is larger in bin/ is a compiled program that no one edits."""
MAX_MANIFEST_BYTES = 1024 * 1024 * 1024


class Taken(msgspec.Struct, frozen=True):
    """What taking a snapshot came to."""

    files: int
    copied_files: int
    copied_bytes: int
    cloned: bool
    left_alone: tuple[str, ...]
    """Mount points, sockets and devices in the prefix, which no snapshot holds."""


def take(place: Place) -> Taken:
    """Take it, and write its list last.

    Raises:
        OSError: something cannot be read, linked or copied.
    """
    copier = Copier()
    entries: list[Entry] = []
    copied_bytes = 0
    for found in walk(place.root):
        target = os.path.join(place.before, found.path)
        source = os.path.join(place.root, found.path)
        kept = found
        if found.kind == "dir":
            os.mkdir(target, 0o700)
        elif found.kind == "link":
            os.symlink(found.goal, target)
        elif found.kind == "file":
            kept = _file(found, source, target, copier)
            copied_bytes += kept.size if kept.copied and not copier.clones else 0
        entries.append(kept)
    half = place.manifest + b".new"
    with open(half, "wb") as file:
        file.write(msgspec.msgpack.encode(entries))
        file.flush()
        os.fsync(file.fileno())
    os.replace(half, place.manifest)
    files = [one for one in entries if one.kind == "file"]
    return Taken(
        files=len(files),
        copied_files=sum(one.copied for one in files),
        copied_bytes=copied_bytes,
        cloned=copier.clones and bool(files),
        left_alone=tuple(os.fsdecode(one.path) for one in entries if one.kind == "other"),
    )


def _file(found: Entry, source: bytes, target: bytes, copier: Copier) -> Entry:
    if copier.clone(source, target):
        return msgspec.structs.replace(found, copied=True)
    if edited_in_place(found):
        copier.copy(source, target)
        return msgspec.structs.replace(found, copied=True, sha256=digest(target))
    linked = copier.link(source, target)
    return found if linked else msgspec.structs.replace(found, copied=True, sha256=digest(target))


def edited_in_place(found: Entry) -> bool:
    """Whether people and tools write into such a file where it lies."""
    folder, name = os.path.split(found.path)
    special = folder == b"bin" or name.endswith((b".pth", b".egg-link")) or found.path == b"pyvenv.cfg"
    return special and found.size <= MAX_COPIED_BYTES


def digest(path: bytes) -> bytes:
    """SHA-256 of a file's bytes. Raises OSError."""
    with open(path, "rb") as file:
        found = hashlib.sha256()
        while chunk := file.read(1 << 20):
            found.update(chunk)
        return found.digest()


def manifest(place: Place) -> Mapping[bytes, Entry]:
    """Every entry of the snapshot by its path, a folder before what it holds.

    Raises:
        UserError: the list is damaged, or names something outside of the prefix.
    """
    try:
        entries = msgspec.msgpack.decode(read_file(os.fsdecode(place.manifest), MAX_MANIFEST_BYTES), type=list[Entry])
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise _damaged(place, str(error)) from error
    found: dict[bytes, Entry] = {}
    for one in entries:
        if one.path:
            parent = found.get(os.path.dirname(one.path))
            name = os.path.basename(one.path)
            if parent is None or parent.kind != "dir" or name in {b"", b".", b".."} or b"\0" in one.path:
                raise _damaged(place, "an entry of it lies outside")
        elif found or one.kind != "dir":
            raise _damaged(place, "it does not begin with the prefix itself")
        found[one.path] = one
    if not found:
        raise _damaged(place, "it is empty")
    return found


def _damaged(place: Place, why: str) -> UserError:
    return UserError(
        f"{os.fsdecode(place.manifest)}, the list of the snapshot, cannot be used: {why}",
        f"The files of the environment as it was lie in {os.fsdecode(place.before)}.",
    )


def held_bytes(place: Place) -> int:
    """Bytes that the snapshot alone holds: copies, and files that the environment no longer has."""
    total = 0
    for one in manifest(place).values():
        if one.kind == "file" and (one.copied or not _same_inode(place, one)):
            total += one.size
    return total


def _same_inode(place: Place, one: Entry) -> bool:
    try:
        return os.lstat(os.path.join(place.root, one.path)).st_ino == one.inode
    except OSError:
        return False
