"""Making an environment what its snapshot says, entry by entry. Can be killed and begun again at any point."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from envdoctor.applying.snapshot import digest, manifest
from envdoctor.applying.tree import OURS, Copier, Entry, dress, entry, half_made, remove, writable
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.applying.journal import Place

SKIP = frozenset({OURS})


def restore(place: Place) -> tuple[str, ...]:
    """Restore it. Gives what could not be restored exactly, as sentences: files that were written into where they lie.

    Raises:
        OSError: the disk is full, or something cannot be removed.
        UserError: the snapshot is damaged.
    """
    wanted = manifest(place)
    device = os.lstat(place.root).st_dev
    _remove_what_came(place, wanted, device)
    copier = Copier()
    lost = [said for one in wanted.values() for said in _put(place, one, device, copier)]
    # a folder's time changes with what is put in it: deepest first, the prefix last
    for one in reversed(tuple(wanted.values())):
        if one.kind == "dir":
            path = os.path.join(place.root, one.path)
            os.chmod(path, one.mode)
            os.utime(path, ns=(one.mtime_ns, one.mtime_ns))
    return tuple(lost)


def _remove_what_came(place: Place, wanted: Mapping[bytes, Entry], device: int) -> None:
    todo = [b""]
    while todo:
        folder = todo.pop()
        for name in os.listdir(os.path.join(place.root, folder)):
            if not folder and name in SKIP:
                continue
            relative = os.path.join(folder, name)
            path = os.path.join(place.root, relative)
            found, before = entry(path, relative, device), wanted.get(relative)
            if found.kind == "other":
                continue  # what is mounted here, or a socket in use, is not ours to remove
            if before is None or before.kind != found.kind:
                writable(os.path.dirname(path))
                remove(path)
            elif found.kind == "dir":
                todo.append(relative)


def _put(place: Place, one: Entry, device: int, copier: Copier) -> tuple[str, ...]:
    path = os.path.join(place.root, one.path)
    found = None
    with contextlib.suppress(FileNotFoundError):
        found = entry(path, one.path, device)
    if one.kind == "dir":
        if found is None:
            _prepare(path)
            os.mkdir(path, 0o700)
        return ()
    if one.kind == "link":
        if found is None or found.goal != one.goal:
            made = _prepare(path)
            os.symlink(one.goal, made)
            os.replace(made, path)
        os.utime(path, ns=(one.mtime_ns, one.mtime_ns), follow_symlinks=False)
        return ()
    if one.kind == "file":
        return _put_file(place, one, found, copier)
    return ()


def _put_file(place: Place, one: Entry, found: Entry | None, copier: Copier) -> tuple[str, ...]:
    path, kept = os.path.join(place.root, one.path), os.path.join(place.before, one.path)
    if found is not None and found.inode == one.inode and _same(found, one) and not (one.sha256 and digest(path) != one.sha256):
        if found.mode != one.mode:
            os.chmod(path, one.mode)
        return ()
    try:
        whole = _whole(place, one)
    except FileNotFoundError:
        return (f"{_name(one)} is missing from the snapshot",)
    if not whole:
        # the bytes that it had are nowhere any more: what is there now is not made worse
        if found is None:
            made = _prepare(path)
            copier.link(kept, made)
            os.replace(made, path)
        return (f"{_name(one)} was written into where it lies, after the snapshot was taken: it stays as it is now",)
    made = _prepare(path)
    if one.copied:
        copier.copy(kept, made)
        dress(kept, made)
    else:
        copier.link(kept, made)
    os.replace(made, path)
    os.chmod(path, one.mode)
    owner = os.lstat(path)
    if (owner.st_uid, owner.st_gid) != (one.uid, one.gid):
        return (f"{_name(one)} belonged to user {one.uid}, group {one.gid}, and now to you: its bytes are as they were",)
    return ()


def _prepare(path: bytes) -> bytes:
    writable(os.path.dirname(path))
    return half_made(path)


def _same(found: Entry, one: Entry) -> bool:
    return (found.size, found.mtime_ns) == (one.size, one.mtime_ns)


def _whole(place: Place, one: Entry) -> bool:
    """Whether the snapshot still holds the bytes that were there. Raises FileNotFoundError."""
    kept = entry(os.path.join(place.before, one.path), one.path, os.lstat(place.before).st_dev)
    return kept.kind == "file" and _same(kept, one)


def _name(one: Entry) -> str:
    return harmless(os.fsdecode(one.path).encode("utf-8", "replace").decode())
