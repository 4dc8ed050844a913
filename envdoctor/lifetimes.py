"""Since which release a Python name is there or gone, and which names a release takes that another one lacks. Pure.

Answers come from releases that were read. Of a release between two of them, or newer than the newest, nothing is guessed.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion, Version

from envdoctor.nametables import ANSWERS, covers

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.matrix import Matrix
    from envdoctor.nametables import Exports, NamedRelease, Status, UseRow, Uses, When

Others = Mapping[str, str] | None
COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Lifetime(NamedTuple):
    """The releases around one that lacks a name. Each is None where no release that was read shows it."""

    last: str | None
    """The newest older release that has it."""
    gone: str | None
    """The first release behind that one which was read and lacks it."""
    again: str | None
    """The oldest newer release that has it."""


class Lack(NamedTuple):
    """A name that is taken and is not there."""

    use: UseRow
    lifetime: Lifetime


class Joint(NamedTuple):
    """What a release takes of another, as far as both were read."""

    lacks: tuple[Lack, ...]
    taken: int
    """How many different names it takes under guards that let these versions pass."""
    undecided: int
    """How many of them could not be decided."""
    importer: NamedRelease
    exporter: NamedRelease


def place_of(releases: tuple[NamedRelease, ...], version: str) -> int | None:
    """Which of the releases a version is, a build (0.12.0+cu129) counting as its release; None for one that was not read."""
    try:
        wanted = Version(Version(version).public)
    except InvalidVersion:
        return None
    return next((at for at, one in enumerate(releases) if Version(one.version) == wanted), None)


def defined(matrix: Matrix, exporter: str, version: str, module: str, name: str) -> Status:
    """Whether a release has a name.

    Args:
        matrix: the data.
        exporter: normalized distribution name.
        version: its release.
        module: full name of a module of it.
        name: as in :class:`envdoctor.linkage.NameUse`: a name, "" for the module, "Class.attribute" or "callable(keyword)".
    """
    table = matrix.exports(exporter)
    at = None if table is None else place_of(table.releases, version)
    return "undecided" if table is None or at is None else status(table, at, module, name)


def status(table: Exports, at: int, module: str, name: str) -> Status:
    """The same of one of the releases of a table."""
    for answer, spans in zip(ANSWERS, table.asked(module, name) or (), strict=False):
        if covers(spans, at):
            return answer
    there = table.has_module(module, at)
    if name == "":
        return "defined" if there else "missing"
    owner = name.partition("(")[0].partition(".")[0]
    if not there:
        return "missing"
    if covers(table.spans(module, owner), at) or table.has_module(f"{module}.{owner}", at):
        return "defined" if owner == name else "undecided"
    return "undecided" if table.unsure(module, owner, at) else "missing"


def lifetime(matrix: Matrix, exporter: str, version: str, module: str, name: str) -> Lifetime:
    """Since when a release's missing name is gone, and from which release on it is there."""
    table = matrix.exports(exporter)
    at = None if table is None else place_of(table.releases, version)
    return Lifetime(None, None, None) if table is None or at is None else _lifetime(table, at, module, name)


def _lifetime(table: Exports, at: int, module: str, name: str) -> Lifetime:
    releases = table.releases
    last = next((one for one in range(at - 1, -1, -1) if status(table, one, module, name) == "defined"), None)
    gone = None
    if last is not None:
        gone = next((one for one in range(last + 1, at + 1) if status(table, one, module, name) == "missing"), None)
    again = next((one for one in range(at + 1, len(releases)) if status(table, one, module, name) == "defined"), None)
    return Lifetime(*(None if one is None else releases[one].version for one in (last, gone, again)))


class _Pair(NamedTuple):
    """The tables of an importer and an exporter, and the rows that name that exporter."""

    uses: Uses
    table: Exports
    rows: tuple[UseRow, ...]

    def versions(self, mine: int, theirs: int, others: Others) -> dict[str, str]:
        """What guards may ask for, by import name."""
        return {
            **(others or {}),
            self.table.imported_as: self.table.releases[theirs].version,
            self.uses.imported_as: self.uses.releases[mine].version,
        }

    def fits(self, mine: int, theirs: int, others: Others) -> bool:
        """Whether no name is missing at module level."""
        versions = self.versions(mine, theirs, others)
        at_module_level = (row for row in self.rows if row.place == "module" and covers(row.at, mine))
        return not any(_judged(self.table, theirs, row, versions) == "missing" for row in at_module_level)


def _pair(matrix: Matrix, importer: str, exporter: str) -> _Pair | None:
    uses, table = matrix.uses(importer), matrix.exports(exporter)
    if uses is None or table is None:
        return None
    return _Pair(uses, table, tuple(row for row in uses.rows if row.exporter == table.imported_as))


def missing(
    matrix: Matrix, importer: str, version: str, exporter: str, exporters_version: str, others: Others = None
) -> Joint | None:
    """What a release takes of another that is not there; None where one of the two was not read, or nothing is taken.

    Args:
        matrix: the data.
        importer: normalized distribution name.
        version: its release.
        exporter: normalized distribution name.
        exporters_version: its release.
        others: versions of further packages by import name, which guards may ask for.
    """
    pair = _pair(matrix, importer, exporter)
    if pair is None:
        return None
    mine, theirs = place_of(pair.uses.releases, version), place_of(pair.table.releases, exporters_version)
    if mine is None or theirs is None:
        return None
    rows = [row for row in pair.rows if covers(row.at, mine)]
    if not rows:
        return None
    versions = pair.versions(mine, theirs, others)
    judged = [(row, _judged(pair.table, theirs, row, versions)) for row in rows]
    lacks = [Lack(row, _lifetime(pair.table, theirs, row.module, row.name)) for row, found in judged if found == "missing"]
    kept = {(row.module, row.name): found for row, found in judged if found is not None}
    return Joint(
        tuple(sorted(lacks, key=lambda one: (PLACES.index(one.use.place), one.use.file, one.use.line))),
        len(kept),
        sum(found == "undecided" for found in kept.values()),
        pair.uses.releases[mine],
        pair.table.releases[theirs],
    )


PLACES = ("module", "function", "guarded")
"""The worst first."""


def _judged(table: Exports, at: int, row: UseRow, versions: Mapping[str, str]) -> Status | None:
    """Whether a release has what is taken; None where a guard keeps these versions from it."""
    passes = _passes(row.when, versions)
    if passes is False:
        return None
    found = status(table, at, row.module, row.name)
    return "undecided" if passes is None and found == "missing" else found


def _passes(when: When, versions: Mapping[str, str]) -> bool | None:
    """Whether version guards let these versions pass; None: one of them asks for a version that is not known."""
    unknown = False
    for name, comparison, bound in when:
        try:
            held = COMPARISONS[comparison](Version(versions[name]), Version(bound))
        except (KeyError, InvalidVersion):
            unknown = True
            continue
        if not held:
            return False
    return None if unknown else True


def fitting_exporters(matrix: Matrix, importer: str, version: str, exporter: str, others: Others = None) -> list[str]:
    """The releases of the exporter, oldest first, that lack no name which the importer's release takes at module level."""
    pair = _pair(matrix, importer, exporter)
    mine = None if pair is None else place_of(pair.uses.releases, version)
    if pair is None or mine is None:
        return []
    return [one.version for at, one in enumerate(pair.table.releases) if pair.fits(mine, at, others)]


def fitting_importers(matrix: Matrix, importer: str, exporter: str, version: str, others: Others = None) -> list[str]:
    """The releases of the importer, oldest first, that take no name at module level which the exporter's release lacks."""
    pair = _pair(matrix, importer, exporter)
    theirs = None if pair is None else place_of(pair.table.releases, version)
    if pair is None or theirs is None:
        return []
    return [one.version for at, one in enumerate(pair.uses.releases) if pair.fits(at, theirs, others)]


def nearest(fitting: list[str], version: str) -> tuple[str | None, str | None]:
    """Of releases, oldest first, the last before a version and the first behind it."""
    here = Version(version)
    older = [one for one in fitting if Version(one) < here]
    newer = [one for one in fitting if Version(one) > here]
    return older[-1] if older else None, newer[0] if newer else None
