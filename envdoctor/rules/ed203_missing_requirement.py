"""Packages that installed packages require are not installed.

## What it checks
Every Requires-Dist line in force (its marker holds here; extras count only if another installed package asks for them)
whose package is not installed at all. A package that is there in a wrong version is ED201.

## Why it breaks
"ModuleNotFoundError: No module named ...", sometimes hours into a run, when the import finally happens. It comes from
`pip install --no-deps`, from an install that was interrupted, and from uninstalling something that others use.

What a package needs but does not declare (triton 3.1.0 imports setuptools) is not told by metadata and not judged here.

## What to do
Install the missing packages in the ranges that the others require.

## Sources
- https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity
from envdoctor.pins import combined, metadata_source, said, satisfiable, wish
from envdoctor.requirements import in_stack, requirements
from envdoctor.views import distributions, normalized, requirements_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.findings import Doubt
    from envdoctor.matrix import Matrix
    from envdoctor.requirements import Edge

CODE = "ED203"
CAUSE = "missing-requirement"
JOINT = Joint.PYTHON
QUESTION = "Is everything installed that the installed packages require?"
EXPLAINED_BY = ("ED204",)

SHOWN = 12
"""Requirements that are listed one by one; an environment made with --no-deps lacks a hundred."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:  # noqa: ARG001 - every rule is asked alike
    """List what is required and not there; one finding for all."""
    read = requirements(facts)
    yield from read.doubts
    present = distributions(facts)
    missing: dict[str, list[Edge]] = {}
    for edge in read.edges:
        if edge.name not in present:
            missing.setdefault(edge.name, []).append(edge)
    if missing:
        yield finding(facts, missing)


def finding(facts: Facts, missing: dict[str, list[Edge]]) -> Finding:
    """The finding; what the training stack misses comes first."""
    names = sorted(missing, key=lambda name: (not any(is_grave(edge) for edge in missing[name]), name))
    edges = [edge for name in names for edge in missing[name]]
    grave = any(is_grave(edge) for edge in edges)
    first = edges[0]
    if len(names) == 1:
        title = f"{first.name} is not installed, but {said(first.requirer)} requires it"
    else:
        title = f"{len(names)} required packages are not installed: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"  # noqa: PLR2004
    install = {}
    for name in names:
        ranges = [edge.specifier for edge in missing[name]]
        if satisfiable(ranges):
            install[name] = combined(ranges)
    evidence = [
        Evidence(f"{said(edge.requirer)} requires", wish(edge), requirements_path(edge.requirer)) for edge in edges[:SHOWN]
    ]
    if len(edges) > SHOWN:
        evidence.append(Evidence("further requirements of absent packages", str(len(edges) - SHOWN), "METADATA of the requirers"))
    return Finding(
        code=CODE,
        title=title,
        severity=Severity.ERROR if grave else Severity.WARNING,
        layer=Layer.DECLARED,
        cause=CAUSE,
        subjects=tuple(names),
        why='The import of it fails when it is reached: "ModuleNotFoundError: No module named ...".',
        evidence=tuple(evidence),
        sources=(metadata_source(facts, (said(edge.requirer) for edge in edges[:SHOWN])),),
        changes=(
            Change(
                kind=Kind.INSTALL,
                says=f"Install {'it' if len(install) == 1 else f'the {len(install)} missing packages'} in the required versions.",
                install=install,
            ),
        )
        if install
        else (),
    )


def is_grave(edge: Edge) -> bool:
    """A package of the training stack misses it."""
    return in_stack(normalized(edge.requirer.name))
