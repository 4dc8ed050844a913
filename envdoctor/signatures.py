"""Known error texts and what they mean (data/signatures.toml): what a run printed, or a user pasted -> causes.

The text is a stranger's: it is cut to a length, read line by line, and only patterns without unbounded repeats are tried on it.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Annotated

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.findings import Source  # noqa: TC001 - msgspec reads it
from envdoctor.signature_numbers import DERIVED
from envdoctor.wording import harmless

FILE = os.path.join(os.path.dirname(__file__), "data", "signatures.toml")
MAX_FILE_BYTES = 1024 * 1024
MAX_TEXT = 1024 * 1024
"""Of a longer text the end is read: what a program says last is nearest to its end."""
MAX_LINE = 4000
MAX_GROUP = 200
NOT_SAID = "(not said)"
WRAPPER, SYMPTOM, CAUSE = 0, 1, 2
"""Depths: the line says that something else failed; it has several causes; it is the cause."""

_PLACE = re.compile(r"\{([a-z_]{1,40})\}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_COLORS = re.compile(r"\x1b\[[0-9;]{0,20}m")
NonEmptyText = Annotated[str, msgspec.Meta(min_length=1)]


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One known error text."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    of: str
    """Who prints it: "vllm", "torch", "nccl", "loader", ..."""
    depth: Annotated[int, msgspec.Meta(ge=WRAPPER, le=CAUSE)]
    words: Annotated[tuple[NonEmptyText, ...], msgspec.Meta(min_length=1)]
    """One of these stands in every line that the pattern matches."""
    pattern: NonEmptyText
    title: NonEmptyText
    why: NonEmptyText
    says: NonEmptyText
    """What to do, one sentence."""
    commands: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Annotated[str, msgspec.Meta(pattern=r"^ED\d{3}$")], ...] = ()
    """Rules whose finding explains it, nearest first."""
    derive: str | None = None
    """Name of what makes further values of the groups (:mod:`envdoctor.signature_numbers`)."""
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]


class Recognised(msgspec.Struct, frozen=True):
    """A known text that was found, with what it says of this case."""

    signature: Signature
    values: dict[str, str]
    """Groups of the pattern and what was derived from them, by name."""
    line: str
    """The line it stands in, without colours, cut to a length."""
    number: int
    """Of that line, counted from 0 in what was read."""

    @property
    def title(self) -> str:
        """The headline, with this case's values."""
        return filled(self.signature.title, self.values)

    @property
    def why(self) -> str:
        """What it means."""
        return filled(self.signature.why, self.values)

    @property
    def says(self) -> str:
        """What to do."""
        return filled(self.signature.says, self.values)

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Commands to paste; each word is one argument whatever the text had in it."""
        return tuple(tuple(filled(word, self.values) for word in argv) for argv in self.signature.commands)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature: tuple[Signature, ...]


class _Compiled(msgspec.Struct, frozen=True):
    signature: Signature
    pattern: re.Pattern[str]


def filled(text: str, values: dict[str, str]) -> str:
    """The text with each ``{name}`` replaced by its value; what the line did not say is said to be so."""
    return _PLACE.sub(lambda found: values.get(found.group(1)) or NOT_SAID, text)


def places(text: str) -> set[str]:
    """Names of the ``{name}`` in a text."""
    return set(_PLACE.findall(text))


def signatures(path: str = FILE) -> tuple[Signature, ...]:
    """All known texts, in the order of the file.

    Raises:
        UserError: the file cannot be read, or holds a row that does not load; says which.
    """
    return tuple(one.signature for one in _compiled(path))


@lru_cache(maxsize=4)
def _compiled(path: str) -> tuple[_Compiled, ...]:
    hint = "Install envdoctor again; its files are damaged." if path == FILE else "Its rows have the fields of our own file."
    try:
        rows = msgspec.toml.decode(read_file(path, MAX_FILE_BYTES), type=_File).signature
        return _checked(rows)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}", hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} is no table of signatures: {harmless(str(error))}", hint) from error


def _checked(rows: tuple[Signature, ...]) -> tuple[_Compiled, ...]:
    """Compile the patterns. Raises ValueError for a row that cannot work."""
    found: dict[str, _Compiled] = {}
    for row in rows:
        if row.id in found:
            raise ValueError(f"two rows are called {row.id}")
        try:
            pattern = re.compile(row.pattern)
        except re.error as error:
            raise ValueError(f"the pattern of {row.id} is none: {error}") from error
        known = set(pattern.groupindex)
        if row.derive is not None:
            if row.derive not in DERIVED:
                raise ValueError(f"{row.id} derives {row.derive!r}, which nothing does")
            known |= DERIVED[row.derive].gives
        texts = (row.title, row.why, row.says, *(word for argv in row.commands for word in argv))
        strange = {name for text in texts for name in places(text)} - known
        if strange:
            raise ValueError(f"the texts of {row.id} name {', '.join(sorted(strange))}, which its pattern does not give")
        if not all(source.where and _DAY.fullmatch(source.read) for source in row.sources):
            raise ValueError(f"a source of {row.id} has no place or no day (2026-11-26)")
        found[row.id] = _Compiled(row, pattern)
    return tuple(found.values())


def recognise(text: str, path: str = FILE) -> tuple[Recognised, ...]:
    """The known texts in it, the likeliest root cause first: causes before symptoms before wrappers, earlier lines first.

    Each signature is given once, for the first line it matches.

    Args:
        text: what a program printed, or what a user pasted; of a very long one the end is read.
        path: the table of signatures.

    Raises:
        UserError: the table cannot be read.
    """
    tail = _COLORS.sub("", text[-MAX_TEXT:])
    waiting = [(place, one) for place, one in enumerate(_compiled(path)) if any(word in tail for word in one.signature.words)]
    if not waiting:
        return ()
    found: list[tuple[int, Recognised]] = []
    for number, raw in enumerate(tail.splitlines()):
        line = raw[:MAX_LINE]
        matched = set()
        for place, one in waiting:
            values = _values(one, line)
            if values is not None:
                found.append((place, Recognised(one.signature, values, line.strip()[:600], number)))
                matched.add(place)
        if matched:
            waiting = [(place, one) for place, one in waiting if place not in matched]
    found.sort(key=lambda entry: (-entry[1].signature.depth, entry[1].number, entry[0]))
    return tuple(one for _, one in found)


def _values(one: _Compiled, line: str) -> dict[str, str] | None:
    """What the line says, None where it does not match (or says that this signature is not the one)."""
    if not any(word in line for word in one.signature.words):
        return None
    match = one.pattern.search(line)
    if match is None:
        return None
    values = {name: harmless(value[:MAX_GROUP]).strip() for name, value in match.groupdict().items() if value is not None}
    if one.signature.derive is None:
        return values
    # a group may be longer than what is shown of it
    derived = DERIVED[one.signature.derive].make({name: value for name, value in match.groupdict().items() if value is not None})
    return None if derived is None else values | derived
