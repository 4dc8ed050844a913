"""What installers and programs say of versions that do not fit: both versions, and what was required. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.installers import NAME, VER
from envdoctor.sources.pasted.names import KNOWN
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.sources.pasted.text import Line

CONFLICT = re.compile(
    rf"(?<![\w.-])(?P<who>{NAME}) (?P<version>{VER}) requires (?P<what>{NAME})(?:\[[\w, .-]{{0,80}}\])?\s?(?P<range>[<>=!~][^;()]{{1,160}}?)?(?: ?;[^,]{{1,120}})?,"
    rf" but you(?:'ll)? have (?P<other>{NAME}) (?P<here>{VER}) which is incompatible"
)
ABSENT = re.compile(
    rf"(?<![\w.-])(?P<who>{NAME}) (?P<version>{VER}) requires (?P<what>{NAME})(?:[<>=!~][^;()]{{1,160}}?)?, which is not installed"
)
OF_UV = re.compile(
    rf"^\s{{0,8}}The package `(?P<who>{NAME})` requires `(?P<what>{NAME})(?P<range>[<>=!~][^`;]{{1,160}}?)?(?: ?;[^`]{{0,120}})?`, but `(?P<here>{VER})` is installed"
)
"""What `uv pip check` says."""
FOUND = re.compile(
    rf"(?<![\w.-])(?P<name>{NAME})(?P<range>[<>=!~]=?[0-9][^\s]{{0,120}}) is required for .{{1,80}}, but found (?P<other>{NAME})==(?P<version>{VER})"
)
SUPPORTED = re.compile(
    r"supports (?P<name>[A-Za-z_-]{2,30}) versions?.{0,200}?You have version (?P<version>\d[\w.+]{0,40}) installed"
)
FORM = "pip's conflicts"


def is_conflict(text: str) -> bool:
    """Whether a line is such a complaint, whose versions are told apart by its words."""
    return "requires" in text and (", but " in text or "not installed" in text)


def complaints(text: str, line: Line) -> Iterator[Seen]:
    """The versions of a complaint, and what was required."""
    if is_conflict(text):
        for match in CONFLICT.finditer(text):
            who, what = normalized(match["who"]), normalized(match["what"])
            yield Seen(Kind.PACKAGE, who, match["version"], line.number, FORM)
            yield Seen(Kind.PACKAGE, normalized(match["other"]), match["here"], line.number, FORM)
            yield Seen(Kind.REQUIRES, who, f"{what}{(match['range'] or '').strip()}", line.number, FORM)
        for match in ABSENT.finditer(text):
            yield Seen(Kind.PACKAGE, normalized(match["who"]), match["version"], line.number, FORM)
            yield Seen(Kind.NOT_INSTALLED, normalized(match["what"]), "", line.number, FORM)
        for match in OF_UV.finditer(text):
            what = normalized(match["what"])
            yield Seen(Kind.PACKAGE, what, match["here"], line.number, FORM)
            yield Seen(Kind.REQUIRES, normalized(match["who"]), f"{what}{match['range'] or ''}", line.number, FORM)
    for word, pattern in (("is required for", FOUND), ("ou have version", SUPPORTED)):
        for match in pattern.finditer(text) if word in text else ():
            name = match.groupdict().get("other") or KNOWN.get(match["name"].lower().replace("_", "-"))
            if name is not None:
                yield Seen(Kind.PACKAGE, normalized(name), match["version"].rstrip("."), line.number, "a version check")
