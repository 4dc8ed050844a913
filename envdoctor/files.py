"""Reading a file that a user, or a stranger, has named; and putting one in its place whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_file(path: str, limit: int) -> bytes:
    """At most ``limit`` bytes of a regular file. Raises OSError; a pipe or a device is refused and not waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read(limit)


def upwards() -> Iterator[str]:
    """The working folder and every folder above it; none if it has been deleted under us."""
    try:
        here = os.getcwd()
    except OSError:
        return
    while True:
        yield here
        above = os.path.dirname(here)
        if above == here:
            return
        here = above


@contextlib.contextmanager
def staged(path: str, body: bytes) -> Iterator[str]:
    """The bytes in a file beside their place, on disk for certain; it is gone afterwards if it was not moved there."""
    handle, name = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.new-", dir=os.path.dirname(path) or ".")
    try:
        with open(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fchmod(handle, 0o644)  # mkstemp's own mode would hide a committed file from the group
            os.fsync(handle)
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def settled(folder: str) -> None:
    """Have what was moved into the folder on disk for certain."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
