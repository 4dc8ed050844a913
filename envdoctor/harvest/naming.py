"""The names that a package's releases have and take, collected over its wheels. The probe's own readers judge the text.

What is collected is kept as one bit a release, so that it does not matter in which order releases are read and what was known
before; most names live as long as their module, most modules as long as their package.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from packaging.version import Version

from envdoctor.nametables import ANSWERS, Exports, ModuleRow, NamedRelease, UseRow, Uses, indices, spans_of
from envdoctor.probe import exporting, importing
from envdoctor.probe.surface import Surface

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from envdoctor.harvest.texts import Texts
    from envdoctor.nametables import Given, Kind, Place, Spans, Status, When

READER = 2
"""Raised when what is read of a text changes, or what is asked: tables of another reader are made anew."""
MAX_NAME = 200
"""Characters of a name or path that is recorded."""
MAX_USES = 5_000
"""Of one file."""


class Question(NamedTuple):
    """A name that an importer takes, an attribute that it patches, or a keyword that it passes: "Worker.load_model"."""

    module: str
    name: str


def questions(uses: Uses, exporter: str) -> Iterator[Question]:
    """What must be asked of the classes and functions of an exporter because of what is taken."""
    for row in uses.rows:
        if row.exporter == exporter:
            yield Question(row.module, row.name)


class Taken(NamedTuple):
    """What stays the same of a use over the releases."""

    exporter: str
    module: str
    name: str
    place: Place
    kind: Kind
    file: str
    when: When
    given: Given
    caught: Literal["", "module"]


class Line:
    """The releases of one package in order, each with a bit."""

    def __init__(self, releases: Iterable[NamedRelease]) -> None:
        self.releases = tuple(sorted(releases, key=lambda one: Version(one.version)))
        self.place = {one.version: at for at, one in enumerate(self.releases)}

    def moves(self, known: Iterable[NamedRelease], only: Container[str] | None = None) -> dict[int, int]:
        """The new places of what was known of releases whose file has not changed."""
        kept = {(one.version, one.file, one.sha256) for one in self.releases}
        return {
            at: self.place[one.version]
            for at, one in enumerate(known)
            if (one.version, one.file, one.sha256) in kept and (only is None or one.version in only)
        }


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Leave the collector off while a syntax tree is made: it has no cycles, and what is here already is much to look through."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _moved(moves: Mapping[int, int], spans: Spans) -> int:
    """The bits of some known releases in their new places."""
    found = 0
    for at in indices(spans):
        if at in moves:
            found |= 1 << moves[at]
    return found


class Own(NamedTuple):
    """What a module's own text binds."""

    sure: frozenset[str]
    unsure: frozenset[str]
    open: bool


class Bits:
    """For each key of each module, the bits of some releases."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, int]] = {}

    def set(self, module: str, names: Iterable[str], mask: int) -> None:
        """Note names of a module in these releases."""
        known = self.of.setdefault(module, {})
        for name in names:
            known[name] = known.get(name, 0) | mask

    def groups(self, module: str) -> dict[int, str]:
        """The names of a module, those with the same releases together."""
        found: dict[int, list[str]] = {}
        for name, mask in sorted(self.of.get(module, {}).items()):
            if mask:
                found.setdefault(mask, []).append(name)
        return {mask: " ".join(names) for mask, names in found.items()}


class Having:
    """The names that the modules of a package have."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._read: dict[tuple[str, bytes], Own | None] = {}
        """What was read of a module's text; None if other modules must be asked too. Most files are the same in many releases."""
        self._there: dict[str, int] = {}
        self._open: dict[str, int] = {}
        self._sure = Bits()
        self._unsure = Bits()
        self._asked: dict[Status, Bits] = {answer: Bits() for answer in ANSWERS}

    def keep(self, table: Exports, only: Container[str] | None = None) -> None:
        """Take over what was known of releases that have not changed."""
        moves = self.line.moves(table.releases, only)
        for row in table.modules.values():
            self._there[row.module] = self._there.get(row.module, 0) | _moved(moves, row.there)
            self._open[row.module] = self._open.get(row.module, 0) | _moved(moves, row.open)
            for bits, groups in ((self._sure, ((row.there, row.always), *row.names)), (self._unsure, row.unsure)):
                for spans, text in groups:
                    bits.set(row.module, text.split(), _moved(moves, spans))
            for name, *answers in row.asked:
                for answer, spans in zip(ANSWERS, answers, strict=True):
                    self._asked[answer].set(row.module, (name,), _moved(moves, spans))

    def add(self, version: str, texts: Texts, package: str, questions: Iterable[Question]) -> None:
        """The names of one more release."""
        at = self.line.place[version]
        exporter = exporting.Exporter(texts, package)
        for module in exporter.modules():
            if len(module) <= MAX_NAME:
                self._module(exporter, texts, module, 1 << at)
        self.ask(version, exporter, questions)

    def ask(self, version: str, exporter: exporting.Exporter, questions: Iterable[Question]) -> None:
        """Ask of a release whose names have been read."""
        at = self.line.place[version]
        for module, name in questions:
            answer = _answer(exporter, module, name)
            # of a plain name the lists above tell; but not of one that a lazy module makes up when it is asked for it
            if not name.isidentifier() or answer != self._listed(module, name, 1 << at):
                self._asked[answer].set(module, (name,), 1 << at)

    def _module(self, exporter: exporting.Exporter, texts: Texts, module: str, bit: int) -> None:
        place = exporter.place(module)
        if place is None:
            return
        kind, path = place
        self._there[module] = self._there.get(module, 0) | bit
        if kind in {"package", "module"}:
            data = texts.read(path)
            key = module, hashlib.sha256(data).digest()
            if key not in self._read:
                with quiet_collector():
                    self._read[key] = _own(Surface(module, kind == "package", data))
            own = self._read[key] or _with_others(exporter, module)
            self._sure.set(module, own.sure, bit)
            self._unsure.set(module, own.unsure, bit)
        if kind == "compiled" or (kind != "namespace" and own.open):
            self._open[module] = self._open.get(module, 0) | bit

    def _listed(self, module: str, name: str, bit: int) -> Status:
        """What the lists say of a name in one release."""
        there = self._there.get(module, 0) & bit
        if there and (self._sure.of.get(module, {}).get(name, 0) & bit or self._there.get(f"{module}.{name}", 0) & bit):
            return "defined"
        maybe = self._open.get(module, 0) | self._unsure.of.get(module, {}).get(name, 0)
        return "undecided" if there and maybe & bit else "missing"

    def table(self, package: str, imported_as: str) -> Exports:
        """What was collected."""
        asked = {module for bits in self._asked.values() for module, names in bits.of.items() if any(names.values())}
        modules = sorted({module for module, mask in self._there.items() if mask} | asked)
        return Exports(package, imported_as, READER, self.line.releases, {module: self._row(module) for module in modules})

    def _row(self, module: str) -> ModuleRow:
        there = self._there.get(module, 0)
        sure = self._sure.groups(module)
        always = sure.pop(there, "")
        answers = [self._asked[answer].of.get(module, {}) for answer in ANSWERS]
        asked = {
            name: [spans_of(one.get(name, 0)) for one in answers] for name in sorted({*answers[0], *answers[1], *answers[2]})
        }
        return ModuleRow(
            module=module,
            there=spans_of(there),
            open=spans_of(self._open.get(module, 0)),
            always=always,
            names=tuple((spans_of(mask), text) for mask, text in sure.items()),
            unsure=tuple((spans_of(mask), text) for mask, text in self._unsure.groups(module).items()),
            asked=tuple((name, have, lack, unsure) for name, (have, lack, unsure) in asked.items() if have or lack or unsure),
        )


def _own(surface: Surface) -> Own | None:
    """What a module's text tells by itself; None where it takes everything of another module or loads names on demand."""
    if surface.stars or surface.lazy is not None:
        return None
    return _kept(surface.sure, {*surface.bound, *surface.maybe}, is_open=surface.open)


def _with_others(exporter: exporting.Exporter, module: str) -> Own:
    """The same of a module whose names other modules have."""
    names, is_open = exporter.names(module) or (frozenset(), True)
    answers = {name: exporter.status(module, name) for name in names}
    sure, unsure = ({name for name, answer in answers.items() if answer == wanted} for wanted in ("defined", "undecided"))
    return _kept(sure, unsure, is_open=is_open)


def _kept(sure: Iterable[str], unsure: Iterable[str], *, is_open: bool) -> Own:
    """Names that can be written down; the same name in many modules is one string."""
    named = frozenset(sys.intern(name) for name in sure if name.isidentifier() and len(name) <= MAX_NAME)
    rest = frozenset(sys.intern(name) for name in unsure if name.isidentifier() and len(name) <= MAX_NAME)
    return Own(named, rest - named, is_open)


def _answer(exporter: exporting.Exporter, module: str, name: str) -> Status:
    owner, bracket, keyword = name.partition("(")
    if bracket:
        found = exporter.accepts(module, owner, keyword.rstrip(")"))
    elif "." in name:
        owner, _, attribute = name.rpartition(".")
        found = exporter.member(module, owner, attribute)
    else:
        found = exporter.status(module, name)
    return found if found in ANSWERS else "undecided"


class Taking:
    """The names that a package's code takes from others."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._rows: dict[Taken, tuple[int, int, str]] = {}
        """The bits of its releases, and line and scope in the newest of them."""
        self._read: dict[tuple[str, bytes], list[tuple[Taken, int, str]]] = {}

    def keep(self, table: Uses, only: Container[str] | None = None) -> None:
        """Take over what was known of releases that have not changed."""
        moves = self.line.moves(table.releases, only)
        for row in table.rows:
            mask = _moved(moves, row.at)
            if mask:
                self._add(Taken(*(getattr(row, name) for name in Taken._fields)), mask, row.line, row.scope)

    def _add(self, key: Taken, mask: int, line: int, scope: str) -> None:
        """What some releases take at one place of a file; line and scope are those in the newest."""
        before = self._rows.get(key)
        if before is None:
            self._rows[key] = mask, line, scope
        elif mask > before[0]:
            self._rows[key] = mask | before[0], line, scope
        else:
            self._rows[key] = mask | before[0], *before[1:]

    def add(self, version: str, texts: Texts, package: str, exporters: Iterable[str]) -> None:
        """What one more release takes."""
        bit = 1 << self.line.place[version]
        others = tuple(one for one in exporters if one != package)
        for path in texts.paths(package):
            if path.endswith(".py") and len(path) <= MAX_NAME:
                data = texts.read(path)
                key = path, hashlib.sha256(data).digest()
                if key not in self._read:
                    with quiet_collector():
                        self._read[key] = list(islice(_uses(data, path, others), MAX_USES))
                for taken, line, scope in self._read[key]:
                    self._add(taken, bit, line, scope)

    def table(self, package: str, imported_as: str) -> Uses:
        """What was collected."""
        rows = [
            UseRow(**key._asdict(), line=line, scope=scope, at=spans_of(mask))
            for key, (mask, line, scope) in sorted(self._rows.items())
        ]
        return Uses(package, imported_as, READER, self.line.releases, tuple(rows))


def _uses(data: bytes, path: str, exporters: tuple[str, ...]) -> Iterator[tuple[Taken, int, str]]:
    """The uses in one file; of several at the same place the first."""
    seen = set()
    for use in importing.file_uses(data, path, exporters):
        when = tuple((name, operator, bound) for name, operator, bound in use["when"])
        given = tuple((word, tuple((module, name) for _, module, name in which)) for word, which in use["given"])
        names = (use["exporter"], use["module"], use["name"])
        taken = Taken(*names, use["place"], use["kind"], path, when, given, use["caught"])
        if taken not in seen and max(map(len, (*names, use["scope"]))) <= MAX_NAME:
            seen.add(taken)
            yield taken, use["line"], use["scope"]
