"""On which side of a program a release stands that lacks a name: the tables of names say where it was, and where it is gone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from packaging.version import Version

from envdoctor.nametables import covers
from envdoctor.sources.pasted import members
from envdoctor.sources.pasted.packages import OF_MODULE, root
from envdoctor.views import normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.matrix import Matrix
    from envdoctor.nametables import Exports, Spans
    from envdoctor.sources.pasted.members import History

    Side = Literal["new", "old"]

MEMBERS = ("trl", "transformers")
"""Packages whose classes' members are known, those first that inherit from the others."""
LONG_AGO = {"transformers": Version("4.10")}
"""Nobody has releases from before by chance (it is of 2021): what came with them is everywhere."""


class Standing(NamedTuple):
    """A release that does not fit a program, and two that were read, between which that changed."""

    package: str
    side: Side
    fits: Version
    fits_not: Version

    @property
    def cause(self) -> str:
        """Slug of the cause."""
        return f"{self.package}-too-{self.side}"

    @property
    def values(self) -> dict[str, str]:
        """What a quote says of it."""
        return {"of": self.package, "fits": str(self.fits), "fits_not": str(self.fits_not)}


class Sides:
    """The tables, asked with the versions that a text names."""

    def __init__(self, matrix: Matrix | None = None, versions: Mapping[str, str] | None = None) -> None:
        """Args: the compatibility data, and distribution -> version; without data nothing is known."""
        self._matrix = matrix
        self._versions = versions or {}

    def of(self, module: str, name: str = "", *, told: bool = False) -> Standing | None:
        """Whether a release that lacks a name of a module is newer or older than what asks for it.

        Args:
            module: as it is imported, "transformers.utils".
            name: in it; empty for the module itself.
            told: the text itself says that it is not there, so that a release from long ago is one that lacks it.

        Returns:
            None where no release in the tables has it, where all have it, or where the release that the text names does.
        """
        return self._standing(_package(module), self._of_module(module, name), told=told)

    def ever(self, module: str) -> bool:
        """Whether any release of the package that it belongs to has the module."""
        return any(has for _, has in self._of_module(module, ""))

    def _of_module(self, module: str, name: str) -> History:
        package = _package(module)
        if self._matrix is None or package not in self._matrix.packages():
            return []
        tables = [one for one in (self._matrix.exports_before(package), self._matrix.exports(package)) if one is not None]
        return [one for table in tables for one in _history(table, module, name)]

    def of_member(self, owner: str, name: str, *, by_name: bool = False) -> Standing | None:
        """Of which package a release lacks a member, and whether it is newer or older than what asks for it.

        Args:
            owner: as :mod:`envdoctor.sources.pasted.members` has it: "PPOTrainer", "PPOTrainer()".
            name: what an object of it has not, or what it does not take.
            by_name: what takes anything counts only where it looks for that name.

        Returns:
            None where no release has it, where all have it, where the release that the text names does, or the class is nobody's.
        """
        return self._among(owner, name, by_name=by_name)

    def of_override(self, owner: str, name: str) -> Standing | None:
        """The same of an argument that a package hands to a method, where a program's own method does not take it."""
        return self._among(owner, name, handed=True)

    def _among(self, owner: str, name: str, *, by_name: bool = False, handed: bool = False) -> Standing | None:
        """The first package that has an answer; what a package hands over fits where it is not there."""
        for package, table, whose in self._owners(owner):
            history = members.history(table, whose, name, by_name=by_name)
            found = self._standing(package, [(version, has != handed) for version, has in history])
            if found is not None:
                return found
        return None

    def has(self, owner: str, name: str) -> bool:
        """Whether the release that the text names has a member, or the newest where it names none."""
        for package, table, whose in self._owners(owner):
            version = parsed(self._versions.get(package, ""))
            upto = [one for at, one in members.history(table, whose, name) if version is None or at <= version]
            if upto and upto[-1]:
                return True
        return False

    def of_configs(self, name: str) -> bool:
        """Whether a configuration of one of TRL's trainers has it in any release."""
        own = self._matrix.members("trl") if self._matrix is not None else None
        rows = () if own is None else (one for one in own.modules if one.endswith("Config"))
        return own is not None and any(own.spans(one, name) for one in rows)

    def knows(self, owner: str) -> bool:
        """Whether a class or function is one of a package whose members are known."""
        return any(members.class_of(whose) == members.class_of(owner) for _, _, whose in self._owners(owner))

    def _owners(self, owner: str) -> Iterator[tuple[str, Exports, str]]:
        """The packages that have an owner, with what it inherits from in the next one."""
        asked = [owner]
        for package in MEMBERS if self._matrix is not None else ():
            table = self._matrix.members(package) if self._matrix is not None else None
            if table is None:
                continue
            found = [one for one in asked if members.known(table, one)]
            yield from ((package, table, one) for one in found)
            asked = [other for one in asked for other in (members.outside(table, one) if one in found else (one,))]

    def _standing(self, package: str, history: History, *, told: bool = False) -> Standing | None:
        version = parsed(self._versions.get(package, ""))
        found = _unnamed(history, None if told else LONG_AGO.get(package)) if version is None else _named(history, version)
        if found is None:
            return None
        side, at = found
        # between which two that changed: the last one with it and the next, or the first one with it and the one before
        return Standing(package, side, history[at][0], history[at + 1 if side == "new" else at - 1][0])

    def names(self, package: str) -> bool:
        """Whether the text names a version of the package."""
        return parsed(self._versions.get(package, "")) is not None

    def before(self, package: str, release: Version) -> bool:
        """Whether the text names a version of the package, and one before that release."""
        version = parsed(self._versions.get(package, ""))
        return version is not None and version < release

    def exists(self, package: str, version: Version) -> bool:
        """Whether the data knows such a release."""
        if self._matrix is None:
            return False
        name = normalized(package)
        if name == "torch" and any(parsed(one.torch) == version for one in self._matrix.old_torch_releases()):
            return True
        found = self._matrix.package(name)
        return found is not None and any(parsed(row.version) == version for row in found.releases)


def _package(module: str) -> str:
    return normalized(OF_MODULE.get(root(module), root(module)))


def _history(exports: Exports, module: str, name: str) -> Iterator[tuple[Version, bool]]:
    """The releases of a table, oldest first, and whether each has it."""
    found = _spans(exports, module, name)
    for version, at in sorted(exports.places.items()):
        # a name that a module has if something else is installed counts: the question is of which age the program is
        yield version, covers(found, at) or exports.unsure_of(module, name, at)


def _spans(exports: Exports, module: str, name: str) -> Spans:
    if name:
        return exports.spans(module, name) or _spans(exports, f"{module}.{name}", "")
    row = exports.modules.get(module)
    return row.there if row is not None else ()


def _named(history: History, version: Version) -> tuple[Side, int] | None:
    """The side of a version, and the nearest release with the name; one that was not read is like the one before it."""
    at = sum(one <= version for one, _ in history) - 1
    before = [place for place in range(at + 1) if history[place][1]]
    after = [place for place in range(at + 1, len(history)) if history[place][1]]
    if before and before[-1] < at:
        return "new", before[-1]
    if before:
        # a release that was not read itself: it lacks the name, the program said so, and one before it has it
        return ("new", at) if history[at][0] != version and at + 1 < len(history) else None
    return ("old", after[0]) if after and after[0] > 0 else None


def _unnamed(history: History, long_ago: Version | None) -> tuple[Side, int] | None:
    """The same where no version is named: people install the newest, so what was and went is asked for by older programs."""
    there = [place for place, (_, has) in enumerate(history) if has]
    if not there:
        return None
    first, last = there[0], there[-1]
    if last + 1 < len(history):
        return "new", last  # for ever
    gaps = [place for place in there if place + 1 < len(history) and not history[place + 1][1]]
    if gaps:
        return "new", gaps[-1]  # for a while
    came_lately = first > 0 and (long_ago is None or history[first][0] > long_ago)
    return ("old", first) if came_lately else None
