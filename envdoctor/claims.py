"""Claims, decided three-valued: *when* these versions are present, *then* those must be in range.

Names are normalized distribution names or virtual packages (``__driver``, ``__cuda``, ``__glibc``, ``__python``, ``__sm``);
ranges are PEP 440 specifiers and nothing more.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from envdoctor.facts import Known, Unknown
from envdoctor.rows import NonEmpty, Sourced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Versions = Callable[[str], Known[Version | None] | Unknown]

Basis = Literal["wheel-metadata", "wheel-code", "wheel-bytes", "vendor", "maintainer", "measured"]


class Claim(Sourced, frozen=True, omit_defaults=True):
    """When -> then. ``topic`` names the rule family that judges it."""

    id: str
    topic: Literal["pins", "torch-family", "trainer-engine", "runtime", "glibc"]
    when: Annotated[dict[str, str], NonEmpty]
    then: Annotated[dict[str, str], NonEmpty]
    basis: Basis
    says: str
    """What breaks, as the user sees it (the error text where one is known)."""
    cause: str | None = None
    """Slug of the cause, for topic runtime."""
    severity: Literal["error", "warning", "info"] = "error"
    fix: str | None = None
    """What mends it, in one imperative sentence, for topic runtime."""
    unless: dict[str, str] = msgspec.field(default_factory=dict)
    """Packages that go round it, where one of them is installed in that range."""

    def admits(self, name: str, version: Version) -> bool:
        """Whether *when* is about this package alone and admits this version."""
        return set(self.when) == {name} and admits(self.when[name], version)


class DecisionKind(enum.Enum):
    """Three values, and a fourth for claims about something that is not there."""

    HOLDS = "holds"
    BROKEN = "broken"
    CANNOT_TELL = "cannot tell"
    NOT_APPLICABLE = "not applicable"


PRECEDENCE = (DecisionKind.BROKEN, DecisionKind.CANNOT_TELL, DecisionKind.HOLDS, DecisionKind.NOT_APPLICABLE)
"""Which of a claim's ranges speaks for the claim."""


class Decision(msgspec.Struct, frozen=True):
    """``name`` is the package whose version decided; ``why`` says so in words."""

    kind: DecisionKind
    name: str
    why: str


MAX_SPECIFIER = 1000
"""Characters of a specifier set; the longest on the package index are a list of excluded releases, about 200."""


def specifier(text: str) -> SpecifierSet:
    """Parse a PEP 440 specifier set once. Raises packaging's InvalidSpecifier, also where it is too long to be meant."""
    if len(text) > MAX_SPECIFIER:
        raise InvalidSpecifier(f"a specifier of {len(text)} characters")
    return _specifier(text)


@lru_cache(maxsize=4096)
def _specifier(text: str) -> SpecifierSet:
    return SpecifierSet(text)


@lru_cache(maxsize=8192)
def admits(spec: str, version: Version) -> bool:
    """Whether the range admits the version; pre-releases count as themselves. Raises InvalidSpecifier."""
    return specifier(spec).contains(version, prereleases=True)


def exact_pin(spec: str) -> Version | None:
    """The version of a range that is one exact pin ("==2.5.1"); None for any other. Raises InvalidSpecifier."""
    clauses = list(specifier(spec)) if spec else []
    if len(clauses) != 1 or clauses[0].operator != "==" or clauses[0].version.endswith("*"):
        return None
    return Version(clauses[0].version)


def bounds(claims: Iterable[Claim], package: str) -> list[Version]:
    """The releases of a package that these claims name in *when*, oldest first: the ones known to exist."""
    named = {one.version for claim in claims for one in specifier(claim.when.get(package, ""))}
    return sorted(Version(text) for text in named if not text.endswith(".*"))


def decide(claim: Claim, versions: Versions) -> Decision:
    """Decide one claim by itself: what is known for certain decides, whatever else is unknown.

    A package that is not installed meets no *when* and breaks no *then*.
    """
    for name, spec in claim.unless.items():
        leaf = versions(name)
        if isinstance(leaf, Known) and leaf.value is not None and admits(spec, leaf.value):
            return Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} {leaf.value} goes round it")
    unknown_when: Decision | None = None
    for name, spec in claim.when.items():
        leaf = versions(name)
        if isinstance(leaf, Unknown):
            unknown_when = unknown_when or Decision(DecisionKind.CANNOT_TELL, name, leaf.why)
        elif leaf.value is None:
            return Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} is not there")
        elif not admits(spec, leaf.value):
            return Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} {leaf.value} is not {spec}")
    decision = _decide_then(claim, versions)
    if decision.kind in {DecisionKind.BROKEN, DecisionKind.CANNOT_TELL}:
        return unknown_when or decision
    return decision


def _decide_then(claim: Claim, versions: Versions) -> Decision:
    """Broken if one range is, else unknown if one is, else holds if there is anything that it holds for."""
    found: dict[DecisionKind, Decision] = {}
    for name, spec in claim.then.items():
        leaf = versions(name)
        if isinstance(leaf, Unknown):
            decision = Decision(DecisionKind.CANNOT_TELL, name, leaf.why)
        elif leaf.value is None:
            decision = Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} is not there")
        elif admits(spec, leaf.value):
            decision = Decision(DecisionKind.HOLDS, name, f"{name} {leaf.value} is {spec}")
        else:
            decision = Decision(DecisionKind.BROKEN, name, f"{name} {leaf.value} is not {spec}")
        found.setdefault(decision.kind, decision)
    return next(found[kind] for kind in PRECEDENCE if kind in found)
