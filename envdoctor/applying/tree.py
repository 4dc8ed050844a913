"""What lies under a folder, entry by entry, and changing single entries without ever writing into a file that is there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = b".envdoctor"
"""The folder in an environment's prefix that holds everything of ours."""
HALF_MADE = b".envdoctor-new-"
"""How an entry is named until it is renamed to its place; what a killed process left behind is recognized by it."""
_FICLONE = 0x40049409
_NO_CLONES = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM}


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a tree. Names are bytes: a file system need not hold UTF-8."""

    path: bytes
    """Relative to the root of the tree, b"" is the root itself."""
    kind: Literal["dir", "file", "link", "other"]
    """"other": a mount point, a socket, a device: noted, and left alone."""
    mode: int
    mtime_ns: int
    size: int = 0
    inode: int = 0
    uid: int = 0
    gid: int = 0
    goal: bytes = b""
    """Where a symbolic link points."""
    copied: bool = False
    """A snapshot holds the bytes in a file of their own; else it shares the inode."""
    sha256: bytes | None = None
    """Of a copied file."""


def entry(path: bytes, relative: bytes, device: int) -> Entry:
    """The entry at ``path``. Raises OSError."""
    status = os.lstat(path)
    mode = stat.S_IMODE(status.st_mode)
    kind: Literal["dir", "file", "link", "other"] = "other"
    goal = b""
    if status.st_dev == device:
        if stat.S_ISDIR(status.st_mode):
            kind = "dir"
        elif stat.S_ISREG(status.st_mode):
            kind = "file"
        elif stat.S_ISLNK(status.st_mode):
            kind, goal = "link", os.readlink(path)
    size = status.st_size if kind == "file" else 0
    return Entry(relative, kind, mode, status.st_mtime_ns, size, status.st_ino, status.st_uid, status.st_gid, goal)


def walk(root: bytes, skip: frozenset[bytes] = frozenset({OURS})) -> Iterator[Entry]:
    """Every entry under ``root`` and the root itself, a folder before what it holds; ``skip`` are names in the root.

    Raises:
        OSError: a folder cannot be read.
    """
    top = entry(root, b"", os.lstat(root).st_dev)
    device = os.lstat(root).st_dev
    yield top
    todo = [b""]
    while todo:
        folder = todo.pop()
        for name in sorted(os.listdir(os.path.join(root, folder))):
            if not folder and name in skip:
                continue
            relative = os.path.join(folder, name)
            found = entry(os.path.join(root, relative), relative, device)
            yield found
            if found.kind == "dir":
                todo.append(relative)


class Copier:
    """Puts files into place: a clone of the blocks where the file system can, else what the caller falls back to."""

    def __init__(self) -> None:
        self.clones = True
        """Whether cloning still is tried: the first refusal ends it."""

    def clone(self, source: bytes, target: bytes) -> bool:
        """A file of its own that shares its blocks until one is written to. False: this file system has no such thing."""
        if not self.clones:
            return False
        with open(source, "rb") as reader, open(target, "xb") as writer:
            try:
                fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
            except OSError as error:
                os.unlink(target)
                if error.errno not in _NO_CLONES:
                    raise
                self.clones = False
                return False
        dress(source, target)
        return True

    def copy(self, source: bytes, target: bytes) -> None:
        """The bytes, times, mode and owner, in a file of its own. ``target`` must not exist."""
        if not self.clone(source, target):
            shutil.copyfile(source, target, follow_symlinks=False)
            dress(source, target)

    def link(self, source: bytes, target: bytes) -> bool:
        """A second name of the same file; True. Where that is not allowed (too many links, another's file), a copy; False."""
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.EMLINK, errno.EPERM, errno.EACCES, errno.EXDEV, errno.EOPNOTSUPP}:
                raise
            self.copy(source, target)
            return False
        return True


def dress(source: bytes, target: bytes) -> None:
    """Owner, mode, extended attributes and times of one file for another."""
    status = os.lstat(source)
    with contextlib.suppress(PermissionError):
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, target, follow_symlinks=False)


def half_made(target: bytes) -> bytes:
    """A name beside ``target`` for an entry that is not complete yet; free, and the same for the same target."""
    folder, name = os.path.split(target)
    made = os.path.join(folder, HALF_MADE + name[-200:])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(made)
    return made


def remove(path: bytes) -> None:
    """Remove a file, a link or a whole folder; a folder that may not be written to is made writable first."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        _unlink(path)
        return
    writable(path)
    for name in os.listdir(path):
        remove(os.path.join(path, name))
    try:
        os.rmdir(path)
    except PermissionError:
        writable(os.path.dirname(path))
        os.rmdir(path)


def _unlink(path: bytes) -> None:
    try:
        os.unlink(path)
    except PermissionError:
        writable(os.path.dirname(path))
        os.unlink(path)


def writable(folder: bytes) -> None:
    """See to it that its owner may change what is in it."""
    mode = stat.S_IMODE(os.lstat(folder).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(folder, mode | stat.S_IRWXU)
