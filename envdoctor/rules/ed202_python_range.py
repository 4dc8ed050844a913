"""The interpreter is outside the Python range of an installed package.

## What it checks
The Requires-Python field of every installed distribution against the version of the interpreter.

## Why it breaks
Installers refuse such a package, so it came in another way: the environment was moved to another Python, packages were
copied, or `--ignore-requires-python` was used. The package uses syntax or library parts this Python does not have, and
its compiled modules were made for another one.

## What to do
Make a new environment with a Python that all the packages accept, and install them there.

## Sources
- https://packaging.python.org/en/latest/specifications/core-metadata/#requires-python
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier
from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.facts import NotObserved, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity
from envdoctor.pins import metadata_source, said
from envdoctor.requirements import in_stack
from envdoctor.views import distributions, metadata_path, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix

CODE = "ED202"
CAUSE = "python-version-unsupported"
JOINT = Joint.PYTHON
QUESTION = "Is the interpreter's version one that the installed packages accept?"
EXPLAINED_BY = ()

MINORS = range(8, 20)
"""Python 3 minors worth proposing: from the oldest the probe runs on to well past the newest."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:  # noqa: ARG001 - every rule is asked alike
    """Compare Requires-Python of all packages with the interpreter; one finding for all."""
    python = need(facts.python).version
    version = parsed(python)
    if version is None:
        raise NotObserved(f"the interpreter's version, {python!r}, is not a PEP 440 version")
    ranges: list[str] = []
    outside: list[Distribution] = []
    for one in distributions(facts).values():
        if not one.requires_python:
            continue
        try:
            if not admits(one.requires_python, version):
                outside.append(one)
            ranges.append(one.requires_python)
        except InvalidSpecifier:
            yield Doubt(QUESTION, f"Requires-Python of {said(one)} cannot be read: {one.requires_python!r}")
    if outside:
        yield finding(facts, python, outside, better(ranges, version))


def better(ranges: list[str], version: Version) -> str | None:
    """The Python minor nearest to this one that every range admits ("3.12"), or None."""
    ranges = list(dict.fromkeys(ranges))
    near = sorted(MINORS, key=lambda minor: abs(minor - version.minor))
    return next((f"3.{minor}" for minor in near if all(admits(spec, Version(f"3.{minor}")) for spec in ranges)), None)


def finding(facts: Facts, python: str, outside: list[Distribution], better: str | None) -> Finding:
    """One finding that lists the packages."""
    outside.sort(key=lambda one: (not in_stack(normalized(one.name)), one.name.lower()))
    first = outside[0]
    others = f" (and {len(outside) - 1} more)" if len(outside) > 1 else ""
    changes: tuple[Change, ...] = ()
    if better is not None:
        changes = (
            Change(
                kind=Kind.SYSTEM,
                says=f"Make a new environment with Python {better}, which all installed packages accept, and install them there.",
                argv=(("uv", "venv", "--python", better),),
                suppose={"python": better},
            ),
        )
    return Finding(
        code=CODE,
        title=f"Python is {python}, but {said(first)} requires {first.requires_python}{others}",
        severity=Severity.ERROR if in_stack(normalized(first.name)) else Severity.WARNING,
        layer=Layer.DECLARED,
        cause=CAUSE,
        subjects=("__python", *(normalized(one.name) for one in outside)),
        why="The package uses what this Python does not have: SyntaxError, ImportError, or compiled modules that are not found.",
        evidence=(
            Evidence("interpreter", python, need(facts.python).executable),
            *(Evidence(f"{said(one)} requires Python", one.requires_python or "", metadata_path(one)) for one in outside),
        ),
        sources=(metadata_source(facts, map(said, outside)),),
        changes=changes,
    )
