"""Reading a file that a user, or a stranger, has named."""

from __future__ import annotations

import errno
import os
import stat
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
