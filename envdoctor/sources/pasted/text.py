"""Bytes that somebody pasted -> lines without what terminals, loggers and Markdown put around them. Pure, linear, bounded.

A document is cut into lines once; of a very long one the beginning and the end are kept, of a very long line the beginning.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 128 * 1024 * 1024
MAX_LINE = 16_384
"""Characters of a line that are kept."""
MOST_BYTES = 4 * MAX_LINE
"""Bytes of a line that are decoded: a character has up to four."""
MAX_LINES = 400_000
"""Lines that are kept: one half from the beginning, the other from the end, where programs say what ended them."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,24}[A-Za-z]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")
_TAGS = re.compile(
    r"</?(?:details|summary|code|pre|br|p|b|i|em|strong|kbd|tt|span|div|table|tr|td|th|tbody|thead|ul|li)\b[^<>]{0,200}>",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"<!--.{0,600}?-->")
"""What a template of an issue tells its author; nobody sees it in the issue."""
_NO_CHARACTER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}")
"""A number that names no character, which html.unescape may refuse to read: Python converts no more than 4300 digits."""
_FENCE = re.compile(r"^[ \t>]{0,40}(?:`{3,40}|~{3,40})[ \t]{0,20}")
_LANGUAGE = re.compile(r"[A-Za-z+#.-]{0,20}")
_BOX = " \t│┃|╭╮╰╯─━"
_PREFIXES = (
    re.compile(r"^(?:>+ ?){1,5}"),  # quoted in a mail or in Markdown; the prompt of Python is kept for who reads it
    re.compile(
        r"^\((?:[A-Za-z_][\w.-]{0,60} )?(?:pid|ip)=[^()]{1,80}\) ?"
    ),  # (EngineCore_DP0 pid=93), Ray's (name pid=1, ip=...)
    re.compile(
        r"^\[(?:rank|default|worker|gpu|node)?[ _-]?\d{1,5}\](?:<[a-z]{1,10}>)?:? ?", re.IGNORECASE
    ),  # [rank0]:, [default0]:
    re.compile(r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?[ ,:]{0,3}"),
    re.compile(r"^(?:- )?[a-z_][\w.]{2,80} - (?=(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b)"),  # logger names
    re.compile(r"^[A-Za-z][\w.-]{2,40}-\d{1,4} {1,20}\| "),  # docker compose: "vllm-1  | "
)
_LOGGED = re.compile(
    r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d (?:\[[\w./]{1,80}:\d{1,6}\]|[\w./]{1,80}:\d{1,6}\]) ?"
)
MOST_PREFIXES = 6
_PLAIN = {
    ord("\u2018"): "'",
    ord("\u2019"): "'",
    ord("\u201c"): '"',
    ord("\u201d"): '"',
    ord("\u00a0"): " ",
    0: None,
    0xFEFF: None,
}
"""What word processors and web pages make of quotation marks and spaces, and what says nothing."""


class Line(NamedTuple):
    """One line. ``number`` is 1-based, in the text as it was given."""

    number: int
    text: str


def cleaned(document: bytes) -> tuple[Line, ...]:
    """The lines that say something.

    Args:
        document: in UTF-8 or UTF-16 with its mark; other bytes become replacement characters.
    """
    found = []
    for number, raw in _numbered(_as_utf8(document)):
        if len(raw) > MOST_BYTES:
            raw = raw.rstrip(b"\r").rpartition(b"\r")[2][:MOST_BYTES]  # noqa: PLW2901 - of a progress bar the last state
        said = bare(raw.decode("utf-8", "replace"))
        if said:
            found.append(Line(number, said))
    return tuple(found)


def _as_utf8(document: bytes) -> bytes:
    """The text in UTF-8: PowerShell writes UTF-16 with its mark when output is sent to a file."""
    if document[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return document.decode("utf-16", "replace").encode("utf-8", "replace")
    return document


def _numbered(document: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are kept, with their numbers; of a text of too many lines no other is ever made."""
    if b"\n" not in document and b"\r" in document:
        document = document.replace(b"\r", b"\n")  # as old Macs ended lines
    count = document.count(b"\n") + 1
    if count <= MAX_LINES:
        yield from enumerate(document.split(b"\n"), 1)
        return
    half = MAX_LINES // 2
    yield from enumerate(document.split(b"\n", half)[:half], 1)
    yield from enumerate(document.rsplit(b"\n", half)[1:], count - half + 1)


def bare(raw: str) -> str:
    """A line without colours, tags, fences and what loggers put before it; its indentation stays."""
    text = raw[:MAX_LINE]
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\r" in text:
        text = text.rstrip("\r").rsplit("\r", 1)[-1]  # of a progress bar the last state
    if "<!--" in text:
        text = _HIDDEN.sub("", text)
    if "<" in text:
        text = _TAGS.sub("", text)
    if "&" in text and ";" in text:
        text = html.unescape(_NO_CHARACTER.sub("", text))
    if "```" in text or "~~~" in text:
        text = _unfenced(text)
    for _ in range(MOST_PREFIXES):
        shorter = _without_prefix(text)
        if shorter == text:
            break
        text = shorter
    return text.translate(_PLAIN).rstrip(" \t`" if text.count("`") == 1 else " \t")


def _unfenced(text: str) -> str:
    """Without the fence; a first line that was glued to it stays, the name of a language does not."""
    match = _FENCE.match(text)
    rest = text[match.end() :] if match is not None else text
    rest = rest.rstrip("`~ \t")
    return "" if match is not None and _LANGUAGE.fullmatch(rest) else rest


def _without_prefix(text: str) -> str:
    if text.startswith("> >>> "):
        return text[2:]  # Python's prompt in a quotation
    if text[:1] in "│┃╭╰":
        text = text.strip(_BOX)
    for pattern in _PREFIXES:
        match = pattern.match(text)
        if match is not None and not text.startswith(">>> "):
            return text[match.end() :]
    match = _LOGGED.match(text)
    # how grave it is stays: a warning that something was not loaded is not an error
    return text if match is None else f"{match['level']}: {text[match.end() :]}"
