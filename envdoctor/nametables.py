"""What a row of the tables of Python names is, and how their files are packed. Types only, no I/O.

``names/exports/<package>.jsonl.gz`` says which names each module of a package has in which of its releases;
``names/uses/<package>.jsonl.gz`` says which names of other packages the code of a release takes, and where. Both were
generated from the wheels that their first line lists.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec
from packaging.version import Version

from envdoctor.facts import Part
from envdoctor.rows import must_be_a_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Spans = Annotated[tuple[int, ...], msgspec.Meta(max_length=2_000)]
"""Releases as half-open ranges of their places in the first line: (0, 3, 5, 6) is the first three and the sixth."""
When = tuple[tuple[str, str, str], ...]
"""Guards, all of which must hold: (("vllm", ">=", "0.11"), ("peft", "installed", ""))."""
Status = Literal["defined", "missing", "undecided"]
ANSWERS: tuple[Status, ...] = ("defined", "missing", "undecided")
"""In the order in which a table has them."""
Row = TypeVar("Row", bound=Part)
Given = tuple[tuple[Literal["missing", "defined"], tuple[tuple[str, str], ...]], ...]
"""What names of which modules must be there for it to run, and which must not: it stands in the else or except of a try."""
Place = Literal["module", "function", "guarded"]
Kind = Literal["name", "module", "attribute", "patch", "keyword"]
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""Of one file; the largest of ours unpacks to a tenth."""


class NamedRelease(Part, frozen=True):
    """A release whose Python files were read: from which file, and when."""

    version: str
    file: str
    sha256: str | None
    read: str

    def __post_init__(self) -> None:
        Version(self.version)
        must_be_a_day(self.read)


class NamesHeader(Part, frozen=True):
    """The first line of a table."""

    package: str
    """Normalized distribution name."""
    imported_as: str
    generator: str
    reader: int
    """Which version of the reader made it; another one reads all releases again."""
    releases: tuple[NamedRelease, ...]
    """Oldest first."""


class ModuleRow(Part, frozen=True, omit_defaults=True):
    """The names of one module over the releases."""

    module: str
    there: Spans
    """The releases that have it."""
    open: Spans = ()
    """Those in which it also makes names when it runs: what is not recorded may still be there."""
    always: str = ""
    """The names that it has in every release that has it, with spaces between."""
    names: tuple[tuple[Spans, str], ...] = ()
    """The other names, those with the same releases together."""
    unsure: tuple[tuple[Spans, str], ...] = ()
    """Names that it has under a condition, or makes when something runs."""
    asked: tuple[tuple[str, Spans, Spans, Spans], ...] = ()
    """What was asked by itself, because importers patch it ("Worker.load_model") or pass it by keyword, or because names alone do
    not tell: in which releases it is there, in which it is not, and in which that cannot be told."""


class UseRow(Part, frozen=True, omit_defaults=True):
    """A name that the code of some releases takes from another package."""

    exporter: str
    """Import name."""
    module: str
    name: str
    """As in :class:`envdoctor.linkage.NameUse`."""
    place: Place
    kind: Kind
    file: str
    line: int
    """In the newest of the releases."""
    at: Spans
    scope: str = ""
    when: When = ()
    given: Given = ()
    caught: Literal["", "module"] = ""
    """Whether an except clause catches that the module is not there, though not that the name is not."""


@dataclass(frozen=True)
class Exports:
    """The names of a package's releases."""

    package: str
    imported_as: str
    reader: int
    releases: tuple[NamedRelease, ...]
    modules: dict[str, ModuleRow]
    _spans: dict[str, dict[str, Spans]] = field(default_factory=dict, compare=False, repr=False)
    """Names of the modules that were asked for, each with its releases: most of a table is never asked for."""

    @cached_property
    def places(self) -> dict[Version, int]:
        """Which of the releases a version is."""
        return {Version(one.version): at for at, one in enumerate(self.releases)}

    def has_module(self, module: str, at: int) -> bool:
        """Whether a release has a module."""
        row = self.modules.get(module)
        return row is not None and covers(row.there, at)

    def spans(self, module: str, name: str) -> Spans:
        """The releases in which a module has a name."""
        if module not in self._spans:
            row = self.modules.get(module)
            found = {} if row is None else dict.fromkeys(row.always.split(), row.there)
            for spans, text in row.names if row is not None else ():
                found |= dict.fromkeys(text.split(), spans)
            self._spans[module] = found
        return self._spans[module].get(name, ())

    def unsure(self, module: str, name: str, at: int) -> bool:
        """Whether it cannot be told if a release has a name."""
        row = self.modules.get(module)
        if row is None or not covers(row.there, at):
            return False
        return covers(row.open, at) or self.unsure_of(module, name, at)

    def unsure_of(self, module: str, name: str, at: int) -> bool:
        """Whether a release has a name under a condition: if another package is there, say."""
        row = self.modules.get(module)
        return row is not None and any(covers(spans, at) and name in text.split() for spans, text in row.unsure)

    def asked(self, module: str, name: str) -> tuple[Spans, Spans, Spans] | None:
        """The releases in which it is there, in which it is not, and in which that cannot be told; None if nobody asked."""
        row = self.modules.get(module)
        return (
            next(((have, lack, unsure) for one, have, lack, unsure in row.asked if one == name), None)
            if row is not None
            else None
        )


@dataclass(frozen=True)
class Uses:
    """What a package's releases take."""

    package: str
    imported_as: str
    reader: int
    releases: tuple[NamedRelease, ...]
    rows: tuple[UseRow, ...]

    @cached_property
    def places(self) -> dict[Version, int]:
        """Which of the releases a version is."""
        return {Version(one.version): at for at, one in enumerate(self.releases)}

    @cached_property
    def exporters(self) -> frozenset[str]:
        """Import names of the packages that it ever took anything from."""
        return frozenset(row.exporter for row in self.rows)


def covers(spans: Spans, index: int) -> bool:
    """Whether a release is among them."""
    return any(spans[at] <= index < spans[at + 1] for at in range(0, len(spans) - 1, 2))


def spans_of(mask: int) -> tuple[int, ...]:
    """The releases whose bits are set."""
    found: list[int] = []
    while mask:
        first = (mask & -mask).bit_length() - 1
        behind = first + ((~(mask >> first)) & ((mask >> first) + 1)).bit_length() - 1
        found += [first, behind]
        mask = mask >> behind << behind
    return tuple(found)


def indices(spans: Spans) -> Iterator[int]:
    """The releases one by one."""
    for at in range(0, len(spans) - 1, 2):
        yield from range(spans[at], spans[at + 1])


def exports_of(data: bytes) -> Exports:
    """A table of names. Raises ValueError or DecodeError: it is none."""
    header, rows = _rows(data, ModuleRow)
    count = len(header.releases)
    for row in rows:
        named = (spans for spans, _ in (*row.names, *row.unsure))
        asked = (spans for _, *answers in row.asked for spans in answers)
        for spans in (row.there, row.open, *named, *asked):
            _must_fit(spans, count)
    return Exports(header.package, header.imported_as, header.reader, header.releases, {row.module: row for row in rows})


def uses_of(data: bytes) -> Uses:
    """A table of what is taken. Raises ValueError or DecodeError: it is none."""
    header, rows = _rows(data, UseRow)
    for row in rows:
        _must_fit(row.at, len(header.releases))
    return Uses(header.package, header.imported_as, header.reader, header.releases, tuple(rows))


def packed_rows(header: NamesHeader, rows: Iterable[ModuleRow] | Iterable[UseRow]) -> bytes:
    """The file's content: the same bytes for the same rows."""
    machine = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # unlike the gzip module, it notes no time
    return machine.compress(b"".join(msgspec.json.encode(one) + b"\n" for one in (header, *rows))) + machine.flush()


def _rows(data: bytes, row: type[Row]) -> tuple[NamesHeader, list[Row]]:
    head, _, rest = _unpacked(data).partition(b"\n")
    return msgspec.json.decode(head, type=NamesHeader), msgspec.json.Decoder(row).decode_lines(rest)


def _unpacked(data: bytes) -> bytes:
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found = machine.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise ValueError(f"it is not packed by gzip: {error}") from error
    if not machine.eof:
        raise ValueError(f"it is cut off, or unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MiB")
    return found


def _must_fit(spans: Spans, count: int) -> None:
    """Raises ValueError: the ranges are not in order, or name releases that are not there."""
    before = -1
    for at in spans:
        if at <= before:
            raise ValueError("ranges of releases that are not in order")
        before = at
    if len(spans) % 2 or before > count:
        raise ValueError("a range of releases that is not in its first line")
