"""Installed packages require other versions of each other than are installed.

## What it checks
Every Requires-Dist line of every installed distribution whose marker holds on this interpreter and machine, with the
extras that another installed package asks for, against the versions that are installed. What is absent altogether is
ED203; the nvidia-* wheels that torch pins are ED304.

One finding is made per package to blame, not per line: the smallest set of packages whose change satisfies all broken
lines. If vllm, torchvision and xformers all want torch 2.5.1 and torch is 2.6.0, then torch is the one.

## Why it breaks
Extensions compiled against one torch release fail on another ("undefined symbol", "operator torchvision::nms does not
exist"), and engines that use internals of transformers meet names that are gone. pip allows it: a later `pip install`
may replace a package that an earlier one needs, and prints only a warning.

## What to do
Install the blamed package in a version that all its dependants accept, in one command with them. Where two packages want
versions that exclude each other, one of the two must change.

## Sources
- https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use
- https://packaging.python.org/en/latest/specifications/dependency-specifiers/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.blame import blamed, ends
from envdoctor.causes import of_pairs
from envdoctor.claims import admits, specifier
from envdoctor.findings import Doubt, Evidence, Finding, Joint, Layer, Severity
from envdoctor.pins import combined, contradiction, installs, metadata_source, said, wish
from envdoctor.requirements import in_stack, requirements
from envdoctor.views import distributions, metadata_path, normalized, parsed, requirements_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix
    from envdoctor.requirements import Edge

CODE = "ED201"
CAUSE = "package-pin-conflict"
JOINT = Joint.ENGINE
QUESTION = "Are the installed packages in the versions they require of each other?"
EXPLAINED_BY = ("ED204", "ED205", "ED307")

MOST_BROKEN = 300
"""Broken requirements whose cause is looked for; an environment with so many is one to make anew."""
COMPILED_WHY = 'Extensions compiled for another torch fail when imported: "undefined symbol", "operator ... does not exist".'
OTHER_WHY = "The requiring package was not made for this version: it may fail when imported, or behave otherwise than tested."
WHY = {
    "transformers-too-new": "What the dependants use of transformers may be gone: ImportError or AttributeError.",
    "transformers-too-old": "The dependants use parts of transformers that this release does not have: ImportError or KeyError.",
}


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Compare every requirement in force with what is installed."""
    read = requirements(facts)
    yield from read.doubts
    present = distributions(facts)
    broken, met = [], []
    unreadable = set()
    for edge in read.edges:
        one = present.get(edge.name)
        if one is None or not edge.specifier or one is edge.requirer or is_nvidia_pin(edge):
            continue
        version = parsed(one.version)
        if version is None:
            unreadable.add(f"the version of {one.name}, {one.version!r}, is not a PEP 440 version")
        elif admits(edge.specifier, judged_as(version)):
            met.append(edge)
        else:
            broken.append(edge)
    for why in sorted(unreadable):
        yield Doubt(QUESTION, why)
    if len(broken) > MOST_BROKEN:
        yield Doubt(QUESTION, f"{len(broken)} requirements are not met; only the first {MOST_BROKEN} were looked into")
        broken = broken[:MOST_BROKEN]
    held = {edge.name for edge in met if any(clause.operator == "==" for clause in specifier(edge.specifier))}
    for name, edges in blamed(broken, held):
        asking = tuple(edge for edge in read.edges if edge.name == name and edge.specifier)
        yield finding(facts, matrix, present[name], edges, asking)


def judged_as(version: Version) -> Version:
    """A vendor's build of a coming release (2.6.0a0+ecf3bae40a.nv25.1 in NVIDIA's images) counts as that release."""
    return Version(version.base_version) if version.is_prerelease and version.local else version


def is_nvidia_pin(edge: Edge) -> bool:
    """A wheel of CUDA libraries that torch pins: judged by ED304."""
    return normalized(edge.requirer.name) == "torch" and edge.name.startswith("nvidia-")


def finding(facts: Facts, matrix: Matrix, one: Distribution, edges: tuple[Edge, ...], asking: tuple[Edge, ...]) -> Finding:
    """The finding on one blamed package; ``edges`` are its broken ones, ``asking`` every requirement of it."""
    present = distributions(facts)
    name = normalized(one.name)
    others = sorted({other for edge in edges for other in ends(edge)} - {name})
    clash = contradiction(asking)
    cause = cause_of(name, edges, present)
    error = any(in_stack(requirer) and in_stack(required) for requirer, required in map(ends, edges))
    stated = tuple(dict.fromkeys(edges + (clash or ())))
    judged = dict.fromkeys((name, *(edge.name for edge in stated)))
    return Finding(
        code=CODE,
        title=title(one, edges, clash, present),
        severity=Severity.ERROR if error else Severity.WARNING,
        layer=Layer.DECLARED,
        cause=cause,
        subjects=(name, *others),
        why=WHY.get(cause, COMPILED_WHY if "torch" in (name, *others) else OTHER_WHY),
        evidence=(
            *(Evidence(f"{said(edge.requirer)} requires", wish(edge), requirements_path(edge.requirer)) for edge in stated),
            *(Evidence(f"installed {other}", present[other].version, metadata_path(present[other])) for other in judged),
        ),
        sources=(metadata_source(facts, (said(edge.requirer) for edge in stated)),),
        changes=tuple(installs(facts, matrix, one, edges)),
    )


def cause_of(name: str, edges: tuple[Edge, ...], present: Mapping[str, Distribution]) -> str:
    """The slug: which pair of packages does not fit."""
    cause = of_pairs({ends(edge): direction(edge, present[edge.name]) for edge in edges})
    if cause is not None:
        return cause
    names = {name, *(other for edge in edges for other in ends(edge))}
    for companion in ("torchvision", "xformers"):
        if name == companion or (name == "torch" and companion in names):
            return f"{companion}-torch-mismatch"
    return CAUSE


def direction(edge: Edge, installed: Distribution) -> str:
    """too-old or too-new, by the first clause of the range that the installed version breaks."""
    version = Version(installed.version)
    for clause in specifier(edge.specifier):
        if not clause.contains(version, prereleases=True):
            bound = parsed(clause.version.removesuffix(".*"))  # "===" takes any text
            return "too-old" if clause.operator == ">" or (bound is not None and version < bound) else "too-new"
    return "too-new"


def title(
    one: Distribution, edges: tuple[Edge, ...], clash: tuple[Edge, Edge] | None, present: Mapping[str, Distribution]
) -> str:
    """The headline, with the versions that clash."""
    if clash is not None:
        return " but ".join(f"{said(edge.requirer)} requires {wish(edge)}" for edge in clash) + ": no version fits both"
    asked = [edge for edge in edges if edge.name == normalized(one.name)]
    if len(asked) < 2:  # noqa: PLR2004 - one requirement is told in full
        edge = (asked or edges)[0]
        return f"{said(edge.requirer)} requires {wish(edge)}, but {said(present[edge.name])} is installed"
    names = list(dict.fromkeys(edge.requirer.name for edge in asked))
    listed = f"{len(names)} packages" if len(names) > 4 else " and ".join((", ".join(names[:-1]), names[-1]))  # noqa: PLR2004
    ranges = sorted({edge.specifier for edge in asked})
    asks = f"require {ranges[0]}" if len(ranges) == 1 else f"together require {combined(ranges)}"
    return f"{said(one)} is installed, but {listed} {asks}"
