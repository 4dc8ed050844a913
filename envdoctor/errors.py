"""Errors a user can act on. Everything else that escapes is a bug of ours (exit code 4)."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


# controls, bidirectional marks and overrides, line separators, zero-width characters: what a hostile record could use to move
# the cursor, reorder a command or forge a line
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def harmless(text: str) -> str:
    """The text without control characters: each becomes a visible escape."""

    def escape(found: re.Match[str]) -> str:
        code = ord(found.group())
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte

    return _CONTROLS.sub(escape, text)


class UserError(Exception):
    """Wrong usage or unreadable input: what is wrong, and what to do about it. Exit code 2."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def read_file(path: str, limit: int) -> bytes:
    """At most ``limit`` bytes of a regular file. Raises OSError; a pipe or a device is refused and not waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return file.read(limit)


MANY = 12


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean "h100"?``, or what is known if that is not much."""
    import difflib  # noqa: PLC0415 - only when something is wrong

    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Known are {', '.join(names)}." if len(names) <= MANY else f"Known are {names[0]} to {names[-1]}."
