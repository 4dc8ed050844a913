"""Which Python names the packages of a plan take from each other, and which of them are not there. Pure."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.claims import DecisionKind, decide
from envdoctor.facts import Known
from envdoctor.findings import Source
from envdoctor.lifetimes import Lack, exporters, importers, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Unknown
    from envdoctor.matrix import Matrix
    from envdoctor.nametables import NamedRelease

TOPICS = ("pins", "torch-family", "trainer-engine", "runtime")


class Fit(msgspec.Struct, frozen=True):
    """A release that takes the place of one of a pair: no name that is taken at module level is known to be missing then."""

    package: str
    version: str


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one package of a plan takes from another."""

    importer: str
    """Name and version, "trl 0.25.0"."""
    exporter: str
    names: int
    """How many different names it takes, by which the guards let these versions pass."""
    undecided: int
    """How many of them cannot be told to be there."""
    lacks: tuple[Lack, ...]
    """Those that are not there: first what is taken at module level, then in functions, then under a guard."""
    fits: tuple[Fit, ...]
    """What goes instead, nearest releases first, where something is missing at module level."""
    sources: tuple[Source, ...]

    def at(self, place: str) -> tuple[Lack, ...]:
        """What is missing at module level ("module"), in a function, or under a guard ("guarded"); each name once."""
        found: dict[tuple[str, str], Lack] = {}
        for one in self.lacks:
            if one.place == place:
                found.setdefault((one.use.module, one.use.name), one)
        return tuple(found.values())

    def files(self, lack: Lack) -> tuple[str, ...]:
        """Every file that takes that name at such a place; those nearest to the package's root first."""
        key = (lack.use.module, lack.use.name, lack.place)
        return tuple(dict.fromkeys(one.use.file for one in self.lacks if (one.use.module, one.use.name, one.place) == key))

    def breaks(self) -> bool:
        """Whether an import fails, and more than one model or feature with it."""
        return any(one.breaks() for one in self.lacks)


def taken(present: Mapping[str, str], matrix: Matrix) -> Iterator[Taken]:
    """Judge every pair of packages whose names are known.

    Args:
        present: versions by normalized name.
        matrix: the data.
    """
    known = {name: version for name, version in present.items() if name in matrix.packages()}
    importers = [name for name in known if matrix.uses(name) is not None]
    by_import_name = {name.replace("-", "_"): version for name, version in present.items()}
    for importer, exporter in permutations(known, 2):
        if importer not in importers or not _takes(matrix, importer, exporter):
            continue
        joint = missing(matrix, importer, known[importer], exporter, known[exporter], by_import_name)
        if joint is None:
            continue
        breaks = any(one.breaks() for one in joint.lacks)
        yield Taken(
            importer=f"{importer} {joint.importer.version}",
            exporter=f"{exporter} {joint.exporter.version}",
            names=joint.taken,
            undecided=joint.undecided,
            lacks=joint.lacks,
            fits=tuple(fits(matrix, importer, exporter, known, by_import_name)) if breaks else (),
            sources=(_source(joint.importer), _source(joint.exporter)),
        )


def _takes(matrix: Matrix, importer: str, exporter: str) -> bool:
    """Whether a package ever took anything of another: only then the other's table is read."""
    uses = matrix.uses(importer)
    return uses is not None and exporter.replace("-", "_") in uses.exporters


def _source(release: NamedRelease) -> Source:
    return Source(f"Python files of the wheel {release.file}, sha256 {release.sha256}", release.read)


def fits(matrix: Matrix, importer: str, exporter: str, versions: Mapping[str, str], others: Mapping[str, str]) -> Iterator[Fit]:
    """The nearest releases of either that go with the other, as far as no other claim speaks against it."""
    mine, theirs = versions[importer], versions[exporter]
    of_exporter = exporters(matrix, importer, mine, exporter, others).nearest(
        theirs, lambda one: _agree(matrix, {importer: mine, exporter: one})
    )
    older, newer = importers(matrix, importer, exporter, theirs, others).nearest(
        mine, lambda one: _agree(matrix, {importer: one, exporter: theirs})
    )
    yield from (Fit(exporter, one) for one in of_exporter if one is not None)
    of_importer = newer or older
    if of_importer is not None:
        yield Fit(importer, of_importer)


def _agree(matrix: Matrix, pair: Mapping[str, str]) -> bool:
    """Whether no claim about one of the two speaks against the other."""

    def versions(name: str) -> Known[Version | None] | Unknown:
        return Known(Version(pair[name]) if name in pair else None, "supposed")

    claims = (one for name in pair for topic in TOPICS for one in matrix.claims(name, topic) if set(one.then) & set(pair))
    return not any(decide(one, versions).kind is DecisionKind.BROKEN for one in claims)
