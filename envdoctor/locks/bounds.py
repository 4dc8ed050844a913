"""Ranges that metadata leaves open and the compatibility data closes: what a lock adds to what packages ask for. Pure.

Two kinds. A claim says that this release breaks with that one. A later cap: a resolver walks around a cap by taking the newest
release that states none (vllm 0.30.0 with a transformers that 0.31.0 refuses), so the cap of the first later release that states
one counts for the earlier ones too, unless somebody has run the newer version with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import admits, exact_pin, specifier
from envdoctor.locks.document import Bound
from envdoctor.locks.stated import is_open, later_caps, later_need, release_of, stated
from envdoctor.pins import satisfiable
from envdoctor.suppose import known_pins
from envdoctor.views import ENGINES, TRAINERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from envdoctor.claims import Claim
    from envdoctor.locks.stated import Cap
    from envdoctor.matrix import Matrix

TOPICS = ("trainer-engine", "runtime", "torch-family", "pins")
STATED_BY_ITSELF = "wheel-metadata"
"""Claims of that basis repeat what the resolver reads itself."""
LATER_CAP = "later-cap"
LATER_NEED = "later-requirement"
NEEDS = {"triton": "setuptools"}
"""What releases import without asking for it, as later releases of theirs do."""


def bounds(resolved: Mapping[str, Version], asked: Collection[str], matrix: Matrix, python: str = "3.12") -> tuple[Bound, ...]:
    """The ranges that go with these versions, sorted; none is about a package whose version was asked for.

    Args:
        resolved: versions by normalized name, as far as they are known.
        asked: the packages whose exact version the user named: what they are chosen around.
        matrix: the data.
        python: the Python it is for, "3.12"; requirements are read under it.
    """
    found: dict[tuple[str, str], Bound] = {}
    anchors = _anchors(resolved, asked, matrix)
    fixed = {*asked, *(other for name in anchors for other, _ in _pinned(name, resolved[name], matrix))}
    for name in anchors:
        for one in (*_of_claims(name, resolved, matrix), *_of_later_caps(name, resolved[name], matrix, python)):
            if one.package not in fixed:
                found.setdefault((one.package, one.specifier), one)
    return tuple(found[key] for key in sorted(found))


def tightest(found: Iterable[Bound]) -> tuple[Bound, ...]:
    """The bounds, sorted, without those upper ends that another one of the same package makes superfluous."""
    ordered = sorted(found, key=lambda one: (one.package, one.specifier))
    ends = [(one, end) for one in ordered if (end := _upper_end(one.specifier)) is not None]
    least = {one.package: min(theirs for other, theirs in ends if other.package == one.package) for one, _ in ends}
    kept: dict[str, Bound] = {}
    for one, end in ends:
        if end == least[one.package]:
            kept.setdefault(one.package, one)
    superfluous = [one for one, _ in ends if kept[one.package] is not one]
    return tuple(one for one in ordered if one not in superfluous)


def _upper_end(spec: str) -> tuple[Version, bool] | None:
    """Where a range of one upper clause ends, and whether the end itself is in it; None for any other range."""
    clauses = list(specifier(spec))
    if len(clauses) != 1 or clauses[0].operator not in {"<", "<="}:
        return None
    return Version(clauses[0].version), clauses[0].operator == "<="


def needs(resolved: Mapping[str, Version], matrix: Matrix, python: str = "3.12") -> tuple[Bound, ...]:
    """What a release imports and does not ask for, with the range in which a later release of it does.

    triton 3.1.0 imports setuptools when it builds its launcher; uv's environments have none.
    """
    found = []
    for name, other in NEEDS.items():
        package = matrix.package(name) if name in resolved else None
        release = None if package is None else release_of(package, resolved[name])
        if package is None or release is None or other in stated(package, release, python):
            continue
        need = later_need(package, resolved[name], other, python)
        if need is not None:
            why = f"{name} {resolved[name]} imports {other} and does not ask for it; {name} {need.release.version} does"
            found.append(Bound(package=other, specifier=need.specifier, why=why, source=_source(name, need), basis=LATER_NEED))
    return tuple(found)


def _anchors(resolved: Mapping[str, Version], asked: Collection[str], matrix: Matrix) -> list[str]:
    """What the rest is chosen around: what was asked for, engine and trainer, and what these pin exactly."""
    anchors = [name for name in resolved if name in asked or name in ENGINES or name in TRAINERS]
    for name in anchors:  # grows while it is walked
        anchors += [other for other, _ in _pinned(name, resolved[name], matrix) if other in resolved and other not in anchors]
    return anchors


def _pinned(name: str, version: Version, matrix: Matrix) -> Iterator[tuple[str, Version]]:
    """What a release pins exactly."""
    for other, spec in known_pins(name, str(version), matrix).items():
        exact = exact_pin(spec)
        if exact is not None:
            yield other, exact


def _of_claims(name: str, resolved: Mapping[str, Version], matrix: Matrix) -> Iterator[Bound]:
    for topic in TOPICS:
        for claim in matrix.claims(name, topic):
            if claim.basis != STATED_BY_ITSELF and _meets(claim, resolved):
                who = " with ".join(f"{one} {resolved[one]}" for one in claim.when if one in resolved)
                for other, spec in claim.then.items():
                    if not other.startswith("__") and spec:
                        why = f"{who}: {claim.says}"
                        yield Bound(package=other, specifier=spec, why=why, source=claim.source, basis=claim.basis)


def _meets(claim: Claim, resolved: Mapping[str, Version]) -> bool:
    """Whether the claim speaks of these versions. One whose condition is on what it bounds itself is left to the rules."""
    return not set(claim.when) & set(claim.then) and all(
        name in resolved and admits(spec, resolved[name]) for name, spec in claim.when.items()
    )


def _of_later_caps(name: str, version: Version, matrix: Matrix, python: str) -> Iterator[Bound]:
    package = matrix.package(name)
    release = None if package is None else release_of(package, version)
    if package is None or release is None:
        return
    ranges = {other: spec for other, spec in stated(package, release, python).items() if is_open(spec)}
    for other, cap in later_caps(package, version, ranges, python).items():
        if _measured(name, version, other, cap, matrix) or not satisfiable((str(ranges[other]), cap.specifier)):
            continue
        why = f"{name} {version} sets no upper end; {cap.release.version}, the first release after it that does, states this one"
        yield Bound(package=other, specifier=cap.specifier, why=why, source=_source(name, cap), basis=LATER_CAP)


def _measured(name: str, version: Version, other: str, cap: Cap, matrix: Matrix) -> bool:
    """Whether it was tried: a run with a version above the cap passed, or a measured claim has a range of its own."""
    for run in matrix.runs():
        theirs = run.versions.get(other)
        same = run.versions.get(name)
        if run.outcome != "pass" or same is None or theirs is None or Version(same) != version:
            continue
        if not admits(cap.specifier, Version(theirs)):
            return True
    claims = [claim for topic in TOPICS for claim in matrix.claims(name, topic)]
    return any(claim.basis == "measured" and other in claim.then and claim.admits(name, version) for claim in claims)


def _source(name: str, cap: Cap) -> str:
    sha = f", sha256 {cap.release.sha256}" if cap.release.sha256 else ""
    return f"METADATA of {name} {cap.release.version} ({cap.release.file}{sha})"
