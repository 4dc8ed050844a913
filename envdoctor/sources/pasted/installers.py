"""What pip and uv print while they install: what they asked for is not what is there, what they did is. Pure.

A resolver speaks of many versions that nobody has. Such lines are kept from the other readers; only what was installed, found or
taken away is told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.views import normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.sources.pasted.text import Line

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9])?"
VER = r"\d[A-Za-z0-9.!+_-]{0,60}"
FORM = "pip install"
SHORT, MAX_DONE = 12, 400
BEFORE = "before an installation"
INSTALLED = "Successfully installed "
PAIR = re.compile(rf"(?<!\S)(?P<name>{NAME})-(?P<version>\d[A-Za-z0-9.!+]{{0,60}})(?!\S)")
PRESENT = re.compile(
    rf"^\s{{0,8}}Requirement already (?:satisfied|up-to-date): (?P<name>{NAME})\b.{{0,600}}\((?P<version>{VER})\)\s{{0,8}}$"
)
EXISTING = re.compile(rf"^\s{{0,8}}Found existing installation: (?P<name>{NAME}) (?P<version>{VER})")
DONE = re.compile(rf"^\s{{0,8}}(?P<mark>[+~-]) (?P<name>{NAME})(?:==(?P<version>{VER}))?(?: \(.{{1,300}}\))?\s{{0,8}}$")
"""What uv did: " + torch==2.7.0"."""
UV_ACTS = re.compile(r"^\s{0,4}(?:Installed|Uninstalled|Prepared|Resolved|Audited) \d{1,5} packages?\b")
NO_SOLUTION = re.compile(
    r"No solution found when resolving|Cannot install .{1,2000} because these package versions|The conflict is caused by|ResolutionImpossible"
)
RESOLVER = re.compile(
    r"^\s{0,40}(?:[╰╭│×✗]|(?:And )?[bB]ecause\b|hint:|The conflict|The user requested|To fix this|\d\. (?:loosen|remove) )"
    r"|\bwe can conclude\b|\bdepends? on\b|\buser requested\b|\bcannot be used\b|\bare incompatible\b"
)
WANTED = re.compile(
    r"^\s{0,8}(?:Collecting |Downloading |Using cached |Obtaining |Attempting uninstall|Uninstalling |Building wheel|Created wheel|Stored in"
    r"|Looking in|Preparing |Installing collected|ERROR: (?:Could not find|No matching|Cannot install|Ignored the following)|INFO: pip is looking)"
)


class Installing:
    """What an installer's lines say, one after another; it remembers whether a resolver is speaking.

    "- torch==2.6.0" is what uv took away where another line says what it put there; else it is an item of somebody's list.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.resolving = False
        self.uv = any("+ " in line.text[:SHORT] and _puts(line.text) for line in lines)

    def read(self, text: str, line: Line) -> list[Seen] | None:
        """What a line says; None: it is no installer's, others may read it."""
        bare = text.lstrip()
        if UV_ACTS.match(text):
            self.uv = True
            return []
        if NO_SOLUTION.search(text):
            self.resolving = True
            return []
        if self.resolving and RESOLVER.search(text):
            return []
        self.resolving = False
        if self.uv and bare[:2] in {"+ ", "- ", "~ "} and (match := DONE.match(text)) is not None:
            return _did(match, line)
        if bare.startswith(INSTALLED):
            return [Seen(Kind.PACKAGE, normalized(one["name"]), one["version"], line.number, FORM) for one in PAIR.finditer(bare)]
        match = (
            PRESENT.match(text) or EXISTING.match(text) if bare.startswith(("Requirement already", "Found existing")) else None
        )
        if match is not None:
            form = FORM if bare.startswith("R") else BEFORE
            return [Seen(Kind.PACKAGE, normalized(match["name"]), match["version"], line.number, form)]
        return [] if WANTED.match(text) or bare.startswith("Requirement already") else None


def _puts(text: str) -> bool:
    match = DONE.match(text) if len(text) < MAX_DONE else None
    return match is not None and match["mark"] == "+"


def _did(match: re.Match[str], line: Line) -> list[Seen]:
    version = match["version"]
    if version is None or parsed(version) is None:
        return []
    kind = Kind.REMOVED if match["mark"] == "-" else Kind.PACKAGE
    return [Seen(kind, normalized(match["name"]), version, line.number, FORM)]
