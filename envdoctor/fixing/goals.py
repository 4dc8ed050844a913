"""What a repair is asked to bring about: ranges that must hold afterwards, and distributions that must go. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor.claims import admits, exact_pin
from envdoctor.facts import NotObserved
from envdoctor.findings import Change, Kind
from envdoctor.pins import combined, satisfiable
from envdoctor.prescribe import safe, supposition
from envdoctor.views import ENGINES, TRAINERS, distributions, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.findings import Finding
    from envdoctor.matrix import Matrix

HEADS = frozenset((*ENGINES, *TRAINERS, "torch", "transformers"))
"""What people choose, and what everything else in an environment follows."""
PACKAGE_KINDS = {Kind.INSTALL, Kind.UNINSTALL}


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What must be so after a repair."""

    install: dict[str, str] = {}
    """Normalized name -> PEP 440 specifier."""
    remove: tuple[str, ...] = ()
    why: dict[str, str] = {}
    """For each name in it, which finding or wish wants it: one sentence."""
    again: tuple[str, ...] = ()
    """Names that are installed anew although their version fits: their files are damaged, or of another build."""
    backend: str | None = None
    """PyTorch's own index that the builds are on ("cu126")."""

    @property
    def key(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...], str | None]:
        """What makes two goals the same one."""
        return tuple(sorted(self.install.items())), tuple(sorted(self.remove)), self.backend

    def with_change(self, change: Change, why: str, kept: Mapping[str, str]) -> Goal | None:
        """The goal with a rule's change as well; None if that contradicts the goal or moves what is kept."""
        if change.kind not in PACKAGE_KINDS or not safe(change):
            return None
        install, reasons = dict(self.install), dict(self.why)
        for raw, spec in change.install.items():
            name = normalized(raw)
            asked = [spec, *([install[name]] if install.get(name) else [])]
            if name in self.remove or not satisfiable(asked) or not keeps(kept, name, spec):
                return None
            install[name] = combined(asked)
            reasons.setdefault(name, why)
        gone = tuple(normalized(name) for name in change.remove)
        if any(name in install or name in kept for name in gone):
            return None
        reasons.update({name: why for name in gone if name not in reasons})
        backend = change.torch_backend or self.backend
        if self.backend is not None and backend != self.backend:
            return None
        gone = tuple(sorted({*self.remove, *gone}))
        return Goal(install=install, remove=gone, why=reasons, again=self.again, backend=backend)

    def as_change(self) -> Change:
        """The goal as a change that rules propose, to be supposed."""
        # "any version" stands for one of which the data knows nothing
        asked = {name: spec or ">=0" for name, spec in self.install.items()}
        return Change(kind=Kind.INSTALL, says="", install=asked, remove=self.remove)


def keeps(kept: Mapping[str, str], name: str, spec: str) -> bool:
    """Whether a range admits the version of a package that is kept."""
    version = parsed(kept[name]) if name in kept else None
    return name not in kept or (version is not None and admits(spec, version))


def extended(goal: Goal, finding: Finding, kept: Mapping[str, str], facts: Facts) -> Iterator[Goal]:
    """The goal with each change that the finding's rule proposes, in the rule's order."""
    for change in finding.changes:
        if change.kind in PACKAGE_KINDS:
            made = goal.with_change(change, f"{finding.code} {finding.title}", kept)
            if made is not None and made.key != goal.key:
                yield msgspec.structs.replace(made, again=tuple(sorted({*made.again, *_again(change, facts)})))


def _again(change: Change, facts: Facts) -> Iterator[str]:
    """The package of a change that asks for what is installed already: it must be installed anew."""
    if len(change.install) != 1:
        return
    name, spec = next((normalized(name), spec) for name, spec in change.install.items())
    one = distributions(facts).get(name)
    version = parsed(one.version) if one is not None else None
    if version is not None and admits(spec, version):
        yield name


def closure(goal: Goal, facts: Facts, matrix: Matrix) -> dict[str, str]:
    """The goal with what it pins by the data, as suppositions; empty if it cannot be supposed."""
    return supposition(goal.as_change(), facts, matrix)


class Estimate(NamedTuple):
    """What a goal changes at least, by the data alone."""

    heads: int
    """Installed heads that get another version, or go."""
    distance: int
    """Releases between the old and the new versions of the heads, as far as the data knows them."""


def estimate(supposed: Mapping[str, str], facts: Facts, matrix: Matrix) -> Estimate:
    """What these suppositions change of what people choose."""
    try:
        present = distributions(facts)
    except NotObserved:
        return Estimate(len(supposed), 0)
    changed = {
        name: version for name, version in supposed.items() if name in present and not same(present[name].version, version)
    }
    heads = [name for name in changed if name in HEADS]
    # of what follows by a range it is not known yet which release will be taken
    led = [name for name in heads if name != "transformers"]
    return Estimate(len(heads), sum(between(matrix, name, present[name].version, changed[name]) for name in led))


def between(matrix: Matrix, name: str, one: str, other: str) -> int:
    """How many releases apart two versions of a package are, by the data; 1 where it does not know the package."""
    package = matrix.package(name) if name in matrix.packages() else None
    ends = sorted(version for version in (parsed(one), parsed(other)) if version is not None)
    if package is None or len(ends) < 2:  # noqa: PLR2004 - two ends
        return 1
    return max(1, sum(ends[0] < version <= ends[1] for row in package.releases if (version := parsed(row.version)) is not None))


def same(one: str, other: str) -> bool:
    """Whether two texts are the same PEP 440 version, local part and all."""
    left, right = parsed(one), parsed(other)
    return one == other or (left is not None and left == right)


def exact(spec: str) -> str | None:
    """The version of a specifier that is one exact pin."""
    found = exact_pin(spec)
    return None if found is None else str(found)
