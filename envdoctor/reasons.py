"""Why named versions go together or do not: every joint between them, judged by the rules and the claims. Pure."""

from __future__ import annotations

from functools import cache, partial
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.check import check
from envdoctor.claims import DecisionKind, admits, decide
from envdoctor.facts import Known
from envdoctor.findings import Finding, Layer, Outcome, Severity, Source
from envdoctor.notes import Note, notes
from envdoctor.pins import layer_of, satisfiable
from envdoctor.sources.plan import planned
from envdoctor.taken import taken
from envdoctor.views import distributions, version_leaf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.claims import Claim
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.rows import Package
    from envdoctor.taken import Taken

TOPICS = ("pins", "torch-family", "trainer-engine")
SILENT = frozenset({"ED203", "ED205", "ED404", "ED503", "ED504", "ED101"})
"""Rules about what a plan does not say: what else is installed, paths, limits, the driver where none was named; and what `taken`
answers name by name."""


class Held(msgspec.Struct, frozen=True):
    """A joint that holds: "vllm 0.33.0" over "torch 2.14.0", the range that admits it, how that is known."""

    upper: str
    lower: str
    range: str
    layer: Layer
    source: Source


class Clash(msgspec.Struct, frozen=True):
    """Two named packages that want a third one in ranges without a common release."""

    package: str
    wishes: tuple[tuple[str, str, Source], ...]
    """Who, which range, and where that is said."""


class Reasons(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    named: dict[str, str]
    brought: dict[str, tuple[str, str]]
    """What came along by exact pins: {"torch": ("2.14.0", "vllm 0.33.0")}."""
    broken: tuple[Finding, ...]
    clashes: tuple[Clash, ...]
    held: tuple[Held, ...]
    taken: tuple[Taken, ...]
    """Each pair of packages of which one takes Python names from the other, and which of them are not there."""
    gone: tuple[str, ...]
    """Releases that are pinned and were not on the index when it was read, in words: nothing can install them."""
    unknown: tuple[str, ...]
    """What cannot be told, in words: releases that were not on the index when it was read."""
    notes: tuple[Note, ...]
    """What the tables know of the driver, the CUDA and the NCCL in it."""
    data_as_of: str | None
    """The day of the oldest data that the answer rests on."""

    def works(self) -> bool:
        """Whether no joint is known to break."""
        lacking = any(one.breaks() for one in self.taken)
        return not (self.clashes or self.gone or lacking or any(one.severity is Severity.ERROR for one in self.broken))

    def told(self) -> bool:
        """Whether the data knows anything of what was named."""
        return not self.unknown and bool(self.held or self.broken or self.clashes or self.gone or self.taken)


def reasons(wishes: Mapping[str, str], matrix: Matrix) -> Reasons:
    """Judge a plan joint by joint.

    Args:
        wishes: exact versions by normalized name; and driver, gpu, glibc, python as ``--suppose`` takes them.
        matrix: the data.

    Raises:
        UserError: a value that is no version, or a GPU that the data does not know.
    """
    facts, brought = planned(wishes, matrix)
    skip = SILENT if "driver" not in wishes else SILENT - {"ED101"}
    verdicts = check(facts, matrix, skip=skip)
    found = [one for verdict in verdicts if verdict.outcome is Outcome.FAIL for one in verdict.findings]
    present = distributions(facts)
    matrix.consulted.clear()
    held = tuple(_held(facts, matrix))
    clashes = tuple(_clashes(facts, matrix))
    names = tuple(taken({name: one.version for name, one in present.items()}, matrix))
    said = tuple(notes(wishes, facts, matrix))
    days = [day for day in (*(one.data_as_of for one in verdicts), matrix.as_of()) if day]
    return Reasons(
        named=dict(wishes),
        brought={name: (present[name].version, whose) for name, whose in brought.items()},
        broken=tuple(sorted(found, key=lambda one: tuple(Severity).index(one.severity))),
        clashes=clashes,
        taken=names,
        held=held,
        gone=tuple(_gone({name: (present[name].version, whose) for name, whose in brought.items()}, matrix)),
        unknown=tuple(_unknown(wishes, matrix)),
        notes=said,
        data_as_of=min(days, default=None),
    )


def _gone(brought: Mapping[str, tuple[str, str]], matrix: Matrix) -> Iterator[str]:
    """What exact pins bring in that is not on the index."""
    for name, (version, whose) in brought.items():
        package, there = _lacking(name, version, matrix)
        if package is not None and not there and not Version(version).is_prerelease:
            yield f"{whose} pins {name} {version}, which was not on the package index on {package.read}: nothing can install it"


def _unknown(wishes: Mapping[str, str], matrix: Matrix) -> Iterator[str]:
    """The named releases of packages whose releases were all read, that were not among them."""
    for name, text in wishes.items():
        package, there = _lacking(name, text, matrix)
        if package is not None and not there:
            newest = package.releases[-1].version
            yield f"{name} {text}: no such release was on the package index on {package.read}; the newest then was {newest}"


def _lacking(name: str, version: str, matrix: Matrix) -> tuple[Package | None, bool]:
    """The package if its releases were read, and whether that one is among them; a build (2.6.0+cu126) counts as its release."""
    package = matrix.package(name)
    if package is None or not package.releases:
        return None, False
    return package, Version(Version(version).public) in {Version(one.version) for one in package.releases}


def _claims(facts: Facts, matrix: Matrix) -> Iterator[tuple[str, Claim]]:
    """The claims about the releases in the plan, each with the package that says it."""
    for name, one in distributions(facts).items():
        version = Version(one.version)
        for topic in TOPICS:
            yield from ((name, claim) for claim in matrix.claims(name, topic) if claim.admits(name, version))


def _held(facts: Facts, matrix: Matrix) -> Iterator[Held]:
    versions = cache(partial(version_leaf, facts))
    for name, claim in _claims(facts, matrix):
        if decide(claim, versions).kind is DecisionKind.BROKEN:
            continue
        for other, spec in claim.then.items():
            leaf = versions(other)
            if isinstance(leaf, Known) and leaf.value is not None and admits(spec, leaf.value):
                upper = f"{name} {distributions(facts)[name].version}"
                lower = f"{other.removeprefix('__')} {leaf.value}"
                yield Held(upper, lower, spec, layer_of(claim), Source(claim.source, claim.read))


def _clashes(facts: Facts, matrix: Matrix) -> Iterator[Clash]:
    """Packages that are not in the plan and that two of it want in ranges that exclude each other."""
    present = distributions(facts)
    wishes: dict[str, list[tuple[str, str, Source]]] = {}
    for name, claim in _claims(facts, matrix):
        if claim.topic == "pins":
            who = f"{name} {present[name].version}"
            for other, spec in claim.then.items():
                if other not in present and not other.startswith("__"):
                    wishes.setdefault(other, []).append((who, spec, Source(claim.source, claim.read)))
    for package, asked in sorted(wishes.items()):
        pair = next((two for two in combinations(asked, 2) if not satisfiable([spec for _, spec, _ in two])), None)
        if pair is not None:
            yield Clash(package, pair)
