"""Words for messages: made harmless, counted, and the nearest right one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# controls, bidirectional marks and overrides, line separators, zero-width characters: what a hostile record could use to move
# the cursor, reorder a command or forge a line
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
MANY = 12


def harmless(text: str) -> str:
    """The text without control characters: each becomes a visible escape."""

    def escape(found: re.Match[str]) -> str:
        code = ord(found.group())
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte

    return _CONTROLS.sub(escape, text)


_SHA256 = re.compile(r"(sha256 [0-9a-f]{12})[0-9a-f]{52}")


def brief(text: str) -> str:
    """The text with the hashes of files cut to their first twelve digits, for a page; JSON has them whole."""
    return _SHA256.sub(r"\1...", text)


def plural(count: int, noun: str) -> str:
    """Count it: 1 rule, 2 rules."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean "h100"?``, or what is known if that is not much."""
    import difflib  # noqa: PLC0415 - only when something is wrong

    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Known are {', '.join(names)}." if len(names) <= MANY else f"Known are {names[0]} to {names[-1]}."
