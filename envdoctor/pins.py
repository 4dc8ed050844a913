"""Version ranges that several packages ask for: joined, contradicted, and answered from the data. Pure."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import admits, specifier
from envdoctor.facts import Known
from envdoctor.findings import Change, Kind, Layer, Source
from envdoctor.requirements import requirements
from envdoctor.views import ENGINES, normalized, parsed, version_leaf

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from envdoctor.claims import Claim
    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix
    from envdoctor.requirements import Edge

MOST_RANGES = 200
"""Different ranges of one package among which a common version is looked for."""
MOST_PAIRED = 60
"""Different ranges of one package that are compared two by two; a package that half of an environment requires has 30."""
LAYERS = {"measured": Layer.LOADED, "wheel-bytes": Layer.LINKED, "wheel-code": Layer.LINKED}
"""The layer of truth that speaks in a claim, by how it is known; every other basis is declared."""
NOTHING = Version("0.dev0")
"""The lowest version there is."""


def said(one: Distribution) -> str:
    """Name and version, as one says them."""
    return f"{one.name} {one.version}"


def wish(edge: Edge) -> str:
    """The requirement as one would type it: "torch==2.5.1"."""
    return f"{edge.name}{edge.specifier}"


def layer_of(claim: Claim) -> Layer:
    """The layer of truth that speaks in a claim: tried by us, read in code or bytes, or declared."""
    return LAYERS.get(claim.basis, Layer.DECLARED)


def metadata_source(facts: Facts, names: Iterable[str]) -> Source:
    """The METADATA of installed distributions as a source, read when the facts were taken."""
    return Source(f"METADATA of {', '.join(sorted(set(names)))}", facts.taken_at[:10])


def combined(specifiers: Iterable[str]) -> str:
    """One specifier for all: the exact version alone where one of them is exact, else all clauses, sorted."""
    clauses = {str(clause) for text in specifiers for clause in specifier(text)}
    exact = sorted(clause for clause in clauses if clause.startswith("==") and not clause.endswith("*"))
    return exact[0] if exact else ",".join(sorted(clauses))


def satisfiable(specifiers: Collection[str]) -> bool:
    """Whether some version is in every range.

    The versions named in the ranges, and for each the next patch, minor and major, are tried: a common version of ranges that
    people write is always among them. More than MOST_RANGES different ones are not searched: none is claimed to be impossible.
    """
    ranges = list(dict.fromkeys(specifiers))
    if len(ranges) > MOST_RANGES:
        return True
    least = _least(ranges)
    return any(version >= least and all(admits(text, version) for text in ranges) for version in _candidates(ranges))


def _least(specifiers: Iterable[str]) -> Version:
    """No version below it is in every range."""
    clauses = [clause for text in specifiers for clause in specifier(text)]
    bounds = [Version(clause.version) for clause in clauses if clause.operator in {">=", ">", "~="}]
    return max(bounds, default=NOTHING)


def contradiction(edges: Iterable[Edge]) -> tuple[Edge, Edge] | None:
    """Two requirements of one package that no version satisfies together, or None (also of more than MOST_PAIRED ranges)."""
    asked: dict[str, Edge] = {}
    for edge in edges:
        asked.setdefault(edge.specifier, edge)
    if len(asked) > MOST_PAIRED:
        return None
    for one, other in combinations(asked.values(), 2):
        if not satisfiable((one.specifier, other.specifier)):
            return one, other
    return None


def _candidates(specifiers: Iterable[str]) -> Iterator[Version]:
    yield Version("0")
    for text in specifiers:
        for clause in specifier(text):
            named = parsed(clause.version.removesuffix(".*"))
            if named is None:
                continue  # "===" takes any text
            yield named
            release = named.release
            yield Version(".".join(map(str, (*release, 0, 1))))
            for place in range(len(release)):
                yield Version(".".join(map(str, (*release[:place], release[place] + 1))))


def fitting(facts: Facts, matrix: Matrix, name: str, required: Collection[str]) -> str | None:
    """The versions of a package, as a specifier, whose known pins admit what is installed; None if no claim says so.

    Only claims that speak of every package in ``required`` count; of several the newest release wins.
    """
    found = []
    for claim in matrix.claims(name, "torch-family") + matrix.claims(name, "pins"):
        if set(claim.when) == {name} and set(required) <= set(claim.then) and _admits_installed(facts, claim):
            newest = max(Version(clause.version.removesuffix(".*")) for clause in specifier(claim.when[name]))
            found.append((newest, claim.when[name]))
    return max(found)[1] if found else None


def _admits_installed(facts: Facts, claim: Claim) -> bool:
    for name, spec in claim.then.items():
        leaf = version_leaf(facts, name)
        if not isinstance(leaf, Known) or leaf.value is None or not admits(spec, leaf.value):
            return False
    return True


def installs(facts: Facts, matrix: Matrix, one: Distribution, broken: Collection[Edge]) -> Iterator[Change]:
    """What to install to satisfy the broken requirements that a package is blamed for.

    Where others require it, the version they all accept. Where it is the one that requires: a release of it that goes with
    what is installed, if the data knows one, and what it asks for, if nobody else minds.
    """
    name = normalized(one.name)
    edges = requirements(facts).edges
    if any(edge.name == name for edge in broken):
        asking = [edge for edge in edges if edge.name == name]
        if satisfiable([edge.specifier for edge in asking]):
            spec = combined(edge.specifier for edge in asking)
            whom = ", ".join(sorted({edge.requirer.name for edge in asking if edge.specifier}))
            yield Change(kind=Kind.INSTALL, says=f"Install {name}{spec}: it fits {whom}.", install={name: spec})
        return
    wishes = sorted({edge.name for edge in broken})
    own = _other_release(facts, matrix, one, wishes)
    theirs = _what_it_asks(edges, one, wishes)
    # what others are chosen around stays, and what it asks for comes along; a companion is chosen to fit
    yield from (*theirs, *own) if name in ENGINES else (*own, *theirs)


def _other_release(facts: Facts, matrix: Matrix, one: Distribution, wishes: list[str]) -> Iterator[Change]:
    name = normalized(one.name)
    fits = fitting(facts, matrix, name, wishes)
    if fits is not None:
        says = f"Install {name}{fits}: it goes with the installed {' and '.join(wishes)}."
        yield Change(kind=Kind.INSTALL, says=says, install={name: fits})


def _what_it_asks(edges: Iterable[Edge], one: Distribution, wishes: list[str]) -> Iterator[Change]:
    # what moves along asks for nothing any more: its new release will ask for something else
    staying = [edge for edge in edges if normalized(edge.requirer.name) not in wishes]
    ranges = {other: [edge.specifier for edge in staying if edge.name == other] for other in wishes}
    if all(satisfiable(asked) for asked in ranges.values()):
        install = {other: combined(asked) for other, asked in ranges.items()}
        listed = " and ".join(f"{other}{spec}" for other, spec in install.items())
        yield Change(kind=Kind.INSTALL, says=f"Install {listed}, as {said(one)} asks.", install=install)
