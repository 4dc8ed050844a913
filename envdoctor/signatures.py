"""Known error texts and what they mean (data/signatures): what a run printed, or a user pasted -> causes.

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

FOLDER = os.path.join(os.path.dirname(__file__), "data", "signatures")
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
    cause: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")] | None = None
    """Slug of docs/causes.md that it is evidence of; None: no fault of an environment, or none that the text names."""
    judge: str | None = None
    """Name of what decides the cause by the lines around it, in place of ``cause`` (sources/pasted/causes.py)."""
    judged_only: bool = False
    """The text alone is evidence of nothing: where no judge is asked (a run of our own) it is not looked for."""
    words: Annotated[tuple[NonEmptyText, ...], msgspec.Meta(min_length=1)]
    """One of these stands in every line that the pattern matches."""
    pattern: NonEmptyText
    example: NonEmptyText
    """One line that the pattern matches."""
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


class Harmless(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that looks like an error and is none."""

    text: NonEmptyText
    """A line that holds it says nothing."""
    why: NonEmptyText
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature: tuple[Signature, ...] = ()
    harmless: tuple[Harmless, ...] = ()


class Compiled(msgspec.Struct, frozen=True):
    """A signature with its pattern."""

    signature: Signature
    pattern: re.Pattern[str]


def filled(text: str, values: dict[str, str]) -> str:
    """The text with each ``{name}`` replaced by its value; what the line did not say is said to be so."""
    return _PLACE.sub(lambda found: values.get(found.group(1)) or NOT_SAID, text)


def places(text: str) -> set[str]:
    """Names of the ``{name}`` in a text."""
    return set(_PLACE.findall(text))


def signatures(path: str = FOLDER) -> tuple[Signature, ...]:
    """All known texts, in the order of the files' names and of the rows in each.

    Args:
        path: the folder of tables, or one table.

    Raises:
        UserError: a table cannot be read, or holds a row that does not load; says which.
    """
    return tuple(one.signature for one in compiled(path))


@lru_cache(maxsize=4)
def compiled(path: str = FOLDER) -> tuple[Compiled, ...]:
    """All known texts with their patterns.

    Args:
        path: the folder of tables, or one table.

    Raises:
        UserError: as of :func:`signatures`.
    """
    rows = [row for table in _tables(path) for row in table.signature]
    try:
        return _checked(tuple(rows))
    except ValueError as error:
        raise UserError(f"{path} is no table of signatures: {harmless(str(error))}", _hint(path)) from error


@lru_cache(maxsize=4)
def harmless_texts(path: str = FOLDER) -> tuple[Harmless, ...]:
    """Texts that look like errors and are none.

    Args:
        path: the folder of tables, or one table.

    Raises:
        UserError: as of :func:`signatures`.
    """
    return tuple(row for table in _tables(path) for row in table.harmless)


def _hint(path: str) -> str:
    return "Install envdoctor again; its files are damaged." if path == FOLDER else "Its rows have the fields of our own files."


@lru_cache(maxsize=4)
def _tables(path: str) -> tuple[_File, ...]:
    try:
        files = sorted(name for name in os.listdir(path) if name.endswith(".toml")) if os.path.isdir(path) else [""]
        return tuple(_table(os.path.join(path, name) if name else path) for name in files)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}", _hint(path)) from error


def _table(path: str) -> _File:
    try:
        return msgspec.toml.decode(read_file(path, MAX_FILE_BYTES), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} is no table of signatures: {harmless(str(error))}", _hint(path)) from error


def _checked(rows: tuple[Signature, ...]) -> tuple[Compiled, ...]:
    """Compile the patterns. Raises ValueError for a row that cannot work."""
    found: dict[str, Compiled] = {}
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
        found[row.id] = Compiled(row, pattern)
    return tuple(found.values())


def recognise(text: str, path: str = FOLDER, *, judged: bool = False) -> tuple[Recognised, ...]:
    """The known texts in it, the likeliest root cause first: causes before symptoms before wrappers, earlier lines first.

    Each signature is given once, for the first line it matches.

    Args:
        text: what a program printed, or what a user pasted; of a very long one the end is read.
        path: the table of signatures.
        judged: also those of which a judge must say whether they mean anything.

    Raises:
        UserError: the table cannot be read.
    """
    tail = _COLORS.sub("", text[-MAX_TEXT:])
    waiting = [
        (place, one)
        for place, one in enumerate(compiled(path))
        if (judged or not one.signature.judged_only) and any(word in tail for word in one.signature.words)
    ]
    if not waiting:
        return ()
    found: list[tuple[int, Recognised]] = []
    for number, raw in enumerate(tail.splitlines()):
        line = raw[:MAX_LINE]
        matched = set()
        for place, one in waiting:
            values = values_in(one, line)
            if values is not None:
                found.append((place, Recognised(one.signature, values, line.strip()[:600], number)))
                matched.add(place)
        if matched:
            waiting = [(place, one) for place, one in waiting if place not in matched]
    found.sort(key=lambda entry: (-entry[1].signature.depth, entry[1].number, entry[0]))
    return tuple(one for _, one in found)


def values_in(one: Compiled, line: str) -> dict[str, str] | None:
    """What a line says of a signature.

    Args:
        one: the signature.
        line: the line, cut to a length.

    Returns:
        Groups of its pattern and what was derived from them; None where it does not match, or where the numbers of the line say
        that this signature is not the one.
    """
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
