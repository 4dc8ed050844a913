"""A Dockerfile as its instructions, each with the lines it stands on. Pure; nothing is executed or looked up.

It reads as BuildKit reads: parser directives, continuations with comments and empty lines inside, heredocs, the JSON form, flags.
Every regular expression here is linear, and a line or file that is too long to be meant is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

import msgspec

MAX_BYTES = 1024 * 1024
"""Of one Dockerfile; the longest among those of public projects has 60 KiB."""
MAX_INSTRUCTIONS = 1000
"""The longest of those has 120."""
MAX_HEREDOCS = 100
"""Announced by one instruction."""
WITH_HEREDOC = ("RUN", "COPY", "ADD")
WITH_JSON = ("RUN", "CMD", "ENTRYPOINT", "SHELL", "COPY", "ADD", "VOLUME")
KNOWN = frozenset(
    [
        "FROM",
        "RUN",
        "CMD",
        "LABEL",
        "EXPOSE",
        "ENV",
        "ADD",
        "COPY",
        "ENTRYPOINT",
        "VOLUME",
        "USER",
        "WORKDIR",
        "ARG",
        "ONBUILD",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "SHELL",
        "MAINTAINER",
    ]
)
_DIRECTIVE = re.compile(r"#[ \t]*(syntax|escape|check)[ \t]*=[ \t]*(.*)", re.IGNORECASE)
_HEREDOC = re.compile(r"[0-9]*<<(-?)[ \t]*(?:\"([^\"\s]+)\"|'([^'\s]+)'|([^\s<>|&;\"'()]+))")
_FLAG = re.compile(r"--[a-z][a-z0-9-]*(?:=\S*)?")


class NotDockerfile(Exception):  # noqa: N818 - an answer about the text, told to the user by whoever asked
    """The text cannot be a Dockerfile; ``line`` says where it was noticed."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


class Heredoc(NamedTuple):
    """A here-document: its delimiter, whether variables in it are expanded, its body, and the number of its first line."""

    name: str
    expands: bool
    body: str
    line: int


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction. ``value`` is what follows keyword and flags, its continued lines joined."""

    keyword: str
    """In capitals: "RUN"."""
    line: int
    end: int
    flags: tuple[str, ...] = ()
    """As written: ("--from=build", "--mount=type=cache,target=/root/.cache")."""
    value: str = ""
    json: tuple[str, ...] | None = None
    """The words of the JSON form, None for the shell form."""
    heredocs: tuple[Heredoc, ...] = ()
    starts: tuple[tuple[int, int], ...] = ()
    """Where in ``value`` each line begins: (offset, line number)."""

    def line_at(self, offset: int) -> int:
        """The line on which a place in ``value`` stands."""
        index = bisect_right([start for start, _ in self.starts], offset) - 1
        return self.starts[max(index, 0)][1] if self.starts else self.line

    def flag(self, name: str) -> str | None:
        """The value of a flag like "from"; None where it is not there."""
        values = self.flags_of(name)
        return values[-1] if values else None

    def flags_of(self, name: str) -> list[str]:
        """Every value given to a flag."""
        return [flag.partition("=")[2] for flag in self.flags if flag.partition("=")[0] == f"--{name}"]


class Comment(NamedTuple):
    """A comment line, without its mark."""

    line: int
    text: str


class Text(msgspec.Struct, frozen=True):
    """What a Dockerfile says: its directives, instructions, comments and lines (of which ``lines[0]`` is line 1)."""

    instructions: tuple[Instruction, ...]
    comments: tuple[Comment, ...]
    directives: dict[str, str]
    lines: tuple[str, ...]

    def line(self, number: int) -> str:
        """A line as it is written, without blanks around it."""
        return self.lines[number - 1].strip() if 0 < number <= len(self.lines) else ""


def parse(text: str) -> Text:
    """Read a Dockerfile. Raises NotDockerfile: an instruction that is not one, a heredoc without an end, far too much."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        self.at = 0
        self.escape = "\\"
        self.directives: dict[str, str] = {}
        self.comments: list[Comment] = []

    def read(self) -> Text:
        self._read_directives()
        found: list[Instruction] = []
        while self.at < len(self.lines):
            if self._is_comment() or not self.lines[self.at].strip():
                self.at += 1
                continue
            if len(found) >= MAX_INSTRUCTIONS:
                raise NotDockerfile(self.at + 1, f"more than {MAX_INSTRUCTIONS} instructions")
            one = self._instruction()
            found += [] if one is None else [one]
        return Text(tuple(found), tuple(self.comments), self.directives, tuple(self.lines))

    def _read_directives(self) -> None:
        while self.at < len(self.lines):
            found = _DIRECTIVE.fullmatch(self.lines[self.at].strip())
            if found is None or found[1].lower() in self.directives:
                return
            self.directives[found[1].lower()] = found[2].strip()
            if found[1].lower() == "escape" and found[2].strip() in {"\\", "`"}:
                self.escape = found[2].strip()
            self.at += 1

    def _is_comment(self) -> bool:
        """Whether the line is a comment, which is then kept."""
        stripped = self.lines[self.at].lstrip()
        if not stripped.startswith("#"):
            return False
        self.comments.append(Comment(self.at + 1, stripped[1:].strip()))
        return True

    def _continued(self, line: str) -> str | None:
        """The line without its continuation mark, None if it has none. A doubled mark is none."""
        bare = line.rstrip(" \t")
        if bare.endswith(self.escape) and not bare.endswith(self.escape * 2):
            return bare[: -len(self.escape)]
        return None

    def _instruction(self) -> Instruction | None:
        """The instruction that begins here; None where there is nothing but continuation marks."""
        first = self.at
        pieces: list[tuple[str, int]] = []
        last = first
        goes_on = True
        while goes_on and self.at < len(self.lines):
            line = self.lines[self.at]
            if self.at > first and (self._is_comment() or not line.strip()):
                self.at += 1
                continue
            rest = self._continued(line)
            goes_on = rest is not None
            piece = line if rest is None else rest
            pieces.append((piece.lstrip() if self.at == first else piece, self.at + 1))
            last = self.at
            self.at += 1
        whole = "".join(piece for piece, _ in pieces)
        if not whole.strip():
            return None
        keyword = whole.split(None, 1)[0].upper()
        if keyword not in KNOWN:
            raise NotDockerfile(first + 1, f"{keyword[:40]!r} is no instruction")
        starts, offset = [], 0
        for piece, number in pieces:
            starts.append((offset, number))
            offset += len(piece)
        cut, flags = _flags(whole, len(keyword))
        value = whole[cut:].rstrip()
        inner = value.split(None, 1)[0].upper() if keyword == "ONBUILD" and value.strip() else keyword
        heredocs = tuple(self._heredocs(value)) if inner in WITH_HEREDOC else ()
        return Instruction(
            keyword=keyword,
            line=first + 1,
            end=self.at if heredocs else last + 1,
            flags=flags,
            value=value,
            json=_json(value) if keyword in WITH_JSON else None,
            heredocs=heredocs,
            starts=tuple((max(offset - cut, 0), number) for offset, number in starts),
        )

    def _heredocs(self, value: str) -> list[Heredoc]:
        """The bodies that begin on the lines behind the instruction, in the order of their delimiters."""
        found = []
        openings = heredoc_openings(value)
        if len(openings) > MAX_HEREDOCS:
            raise NotDockerfile(self.at, f"more than {MAX_HEREDOCS} here-documents")
        for opening in openings:
            tabs, name = opening[1] == "-", opening[2] or opening[3] or opening[4]
            begin = self.at
            body = []
            while self.at < len(self.lines):
                line = self.lines[self.at].lstrip("\t") if tabs else self.lines[self.at]
                self.at += 1
                if line == name:
                    break
                body.append(line)
            else:
                raise NotDockerfile(begin + 1, f"the here-document {name[:40]!r} has no end")
            found.append(Heredoc(name, opening[4] is not None, "\n".join(body), begin + 1))
        return found


def heredoc_openings(value: str) -> list[re.Match[str]]:
    """Where here-documents are announced in a command line; quoted text and here-strings (<<<) announce none."""
    found: list[re.Match[str]] = []
    at, quote, sums = 0, "", 0
    while at < len(value) and len(found) <= MAX_HEREDOCS:
        char = value[at]
        if quote:
            at += 2 if char == "\\" and quote == '"' else 1
            quote = "" if char == quote else quote
        elif char == "\\":
            at += 2
        elif value.startswith(("$((", "))"), at):  # inside an arithmetic expansion "<<" is a shift
            sums = max(sums + (1 if char == "$" else -1), 0)
            at += 3 if char == "$" else 2
        elif char == "<":
            run = 4 - len(value[at : at + 4].ljust(4).lstrip("<"))
            opening = _HEREDOC.match(value, at) if run == 2 and not sums else None  # noqa: PLR2004 - "<<"
            if opening:
                found.append(opening)
            at = opening.end() if opening else at + run
        else:
            quote = char if char in "'\"" else ""
            at += 1
    return found


def _flags(whole: str, at: int) -> tuple[int, tuple[str, ...]]:
    """Where the value begins, and the flags before it."""
    found: list[str] = []
    while True:
        while at < len(whole) and whole[at] in " \t":
            at += 1
        flag = _FLAG.match(whole, at)
        if flag is None or (flag.end() < len(whole) and whole[flag.end()] not in " \t"):
            return at, tuple(found)
        found.append(flag.group())
        at = flag.end()


def _json(value: str) -> tuple[str, ...] | None:
    if not value.startswith("["):
        return None
    try:
        return msgspec.json.decode(value.encode("utf-8", "replace"), type=tuple[str, ...])
    except (msgspec.DecodeError, RecursionError):
        return None
