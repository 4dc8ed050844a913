"""Since which release a Python name is there or gone, and which names a release takes that another one lacks. Pure.

Answers come from releases that were read. Of a release between two of them, or newer than the newest, nothing is guessed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion, Version

from envdoctor.nametables import ANSWERS, covers

if TYPE_CHECKING:
    from envdoctor.matrix import Matrix
    from envdoctor.nametables import Exports, NamedRelease, Place, Status, UseRow, Uses

Others = Mapping[str, str] | None
PLACES: tuple[Place, ...] = ("module", "function", "guarded")
"""The worst first."""
LEAVES = (
    "trl/experimental/",
    "verl/third_party/vllm/vllm_v_",
    "verl/utils/qat/",
    "vllm/model_executor/models/",
    "vllm/transformers_utils/",
)
"""Where a package keeps files that are loaded by themselves, when a model, a feature or a version of the other is asked for: what
their imports lack breaks nothing else. verl chooses an adapter by vLLM's version, vLLM a model's module by its architecture."""
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
    place: Place
    """Where it is felt."""
    lifetime: Lifetime

    def breaks(self) -> bool:
        """Whether an import fails because of it, and more than one model or feature with it."""
        return self.place == "module" and not self.use.file.startswith(LEAVES)


class Joint(NamedTuple):
    """What a release takes of another, as far as both were read."""

    lacks: tuple[Lack, ...]
    taken: int
    """How many different names it takes under guards that let these versions pass."""
    undecided: int
    """How many of them could not be decided."""
    importer: NamedRelease
    exporter: NamedRelease


def place_of(table: Exports | Uses, version: str) -> int | None:
    """Which of the releases a version is, a build (0.12.0+cu129) counting as its release; None for one that was not read."""
    try:
        return table.places.get(_public(version))
    except InvalidVersion:
        return None


@lru_cache(maxsize=4096)
def _public(version: str) -> Version:
    return Version(Version(version).public)


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
    at = None if table is None else place_of(table, version)
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
    at = None if table is None else place_of(table, version)
    return Lifetime(None, None, None) if table is None or at is None else _lifetime(table, at, module, name)


def _lifetime(table: Exports, at: int, module: str, name: str) -> Lifetime:
    releases = table.releases
    last = next((one for one in range(at - 1, -1, -1) if status(table, one, module, name) == "defined"), None)
    gone = None
    if last is not None:
        gone = next((one for one in range(last + 1, at + 1) if status(table, one, module, name) == "missing"), None)
    again = next((one for one in range(at + 1, len(releases)) if status(table, one, module, name) == "defined"), None)
    return Lifetime(*(None if one is None else releases[one].version for one in (last, gone, again)))


class Judge:
    """What runs, and what is there, with certain versions of packages.

    Args:
        matrix: the data.
        versions: by import name, as far as they are known.
    """

    def __init__(self, matrix: Matrix, versions: Mapping[str, str]) -> None:
        self.matrix = matrix
        self.versions = versions

    def status(self, module: str, name: str) -> Status:
        """Whether a name is there; undecided where its package or release is not known."""
        root = module.partition(".")[0]
        if root not in self.versions:
            return "undecided"
        return defined(self.matrix, root.replace("_", "-"), self.versions[root], module, name)

    def judge(self, row: UseRow) -> Status | None:
        """Whether what is taken is there; None where a guard keeps these versions from taking it."""
        runs = self._runs(row)
        if runs is False:
            return None
        found = self.status(row.module, row.name)
        if found == "missing" and row.kind not in {"name", "module"} and self.status(row.module, "") == "missing":
            return None  # what is looked up in an object whose module is gone: the import of the object says it already
        return "undecided" if runs is None and found == "missing" else found

    def place(self, row: UseRow) -> Place:
        """Where a missing name is felt."""
        return "guarded" if row.caught == "module" and self.status(row.module, "") == "missing" else row.place

    def breaks(self, row: UseRow) -> bool:
        """Whether an import fails because of it, and more than one model or feature with it."""
        here = row.place == "module" and not row.file.startswith(LEAVES)
        return here and self.judge(row) == "missing" and self.place(row) == "module"

    def _runs(self, row: UseRow) -> bool | None:
        """Whether a use runs; None where that cannot be told."""
        answers = [self._holds(*one) for one in row.when]
        for word, names in row.given:
            states = {self.status(module, name) for module, name in names}
            if "missing" in states:
                answers.append(word == "missing")  # an except clause runs when something in the try is missing, an else does not
            elif word == "missing":
                answers.append(None if "undecided" in states else False)
        return False if False in answers else None if None in answers else True

    def _holds(self, name: str, comparison: str, bound: str) -> bool | None:
        """Whether a guard lets these versions pass. What is not in them may be installed or not."""
        if name not in self.versions:
            return None
        if comparison in {"installed", "absent"}:
            return comparison == "installed"
        try:
            return COMPARISONS[comparison](_version(self.versions[name]), _version(bound))
        except (KeyError, InvalidVersion):
            return None


@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    return Version(text)


class _Pair(NamedTuple):
    """The tables of an importer and an exporter, and the rows that name that exporter."""

    matrix: Matrix
    uses: Uses
    table: Exports
    rows: tuple[UseRow, ...]
    others: Others

    def judge(self, mine: int, theirs: int) -> Judge:
        """Who judges two of their releases."""
        pair = {
            self.table.imported_as: self.table.releases[theirs].version,
            self.uses.imported_as: self.uses.releases[mine].version,
        }
        return Judge(self.matrix, {**(self.others or {}), **pair})

    def fits(self, mine: int, theirs: int) -> bool:
        """Whether no import fails."""
        judge = self.judge(mine, theirs)
        return not any(judge.breaks(row) for row in self.rows if covers(row.at, mine))


def _pair(matrix: Matrix, importer: str, exporter: str, others: Others) -> _Pair | None:
    uses, table = matrix.uses(importer), matrix.exports(exporter)
    if uses is None or table is None:
        return None
    return _Pair(matrix, uses, table, tuple(row for row in uses.rows if row.exporter == table.imported_as), others)


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
    pair = _pair(matrix, importer, exporter, others)
    if pair is None:
        return None
    mine, theirs = place_of(pair.uses, version), place_of(pair.table, exporters_version)
    rows = [row for row in pair.rows if mine is not None and covers(row.at, mine)]
    if mine is None or theirs is None or not rows:
        return None
    judge = pair.judge(mine, theirs)
    judged = [(row, judge.judge(row)) for row in rows]
    lacks = [
        Lack(row, judge.place(row), _lifetime(pair.table, theirs, row.module, row.name))
        for row, found in judged
        if found == "missing"
    ]
    kept = {(row.module, row.name): found for row, found in judged if found is not None}
    return Joint(
        tuple(sorted(lacks, key=_worst)),
        len(kept),
        sum(found == "undecided" for found in kept.values()),
        pair.uses.releases[mine],
        pair.table.releases[theirs],
    )


def _worst(lack: Lack) -> tuple[int, bool, int, str, int]:
    """What stands at module level first, and in files near the root of the package."""
    return PLACES.index(lack.place), lack.use.file.startswith(LEAVES), lack.use.file.count("/"), lack.use.file, lack.use.line


class Candidates(NamedTuple):
    """Releases of one of a pair, oldest first, of which some go with a release of the other: no import fails."""

    versions: tuple[str, ...] = ()
    fits: Callable[[int], bool] = bool
    """Whether the release of that place goes with the other."""

    def nearest(self, version: str, agree: Callable[[str], bool]) -> tuple[str | None, str | None]:
        """The last fitting release before a version and the first behind it.

        A table has hundreds of releases and each is a search through all names: they are asked from the version outwards.

        Args:
            version: from where.
            agree: what else must hold of a release; it costs less, and is asked first.
        """
        here = Version(version)
        parsed = [(at, one, Version(one)) for at, one in enumerate(self.versions)]
        older = (one for at, one, release in reversed(parsed) if release < here and agree(one) and self.fits(at))
        newer = (one for at, one, release in parsed if release > here and agree(one) and self.fits(at))
        return next(older, None), next(newer, None)


def exporters(matrix: Matrix, importer: str, version: str, exporter: str, others: Others = None) -> Candidates:
    """The releases of the exporter; one fits where no import of the importer's release fails with it."""
    pair = _pair(matrix, importer, exporter, others)
    mine = None if pair is None else place_of(pair.uses, version)
    if pair is None or mine is None:
        return Candidates()
    return Candidates(tuple(one.version for one in pair.table.releases), lambda at: pair.fits(mine, at))


def importers(matrix: Matrix, importer: str, exporter: str, version: str, others: Others = None) -> Candidates:
    """The releases of the importer; one fits where none of its imports fails with the exporter's release."""
    pair = _pair(matrix, importer, exporter, others)
    theirs = None if pair is None else place_of(pair.table, version)
    if pair is None or theirs is None:
        return Candidates()
    return Candidates(tuple(one.version for one in pair.uses.releases), lambda at: pair.fits(at, theirs))
