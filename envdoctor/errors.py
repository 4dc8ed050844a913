"""Errors a user can act on. Everything else that escapes is a bug of ours (exit code 4)."""

from __future__ import annotations


class UserError(Exception):
    """Wrong usage or unreadable input: what is wrong, and what to do about it. Exit code 2.

    ``more`` are further lines below the hint, for what another program had to say.
    """

    def __init__(self, what: str, hint: str, *more: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.more = more
