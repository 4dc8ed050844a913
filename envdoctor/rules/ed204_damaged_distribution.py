"""A package is installed twice, or an install or removal was left half done.

## What it checks
Two metadata folders of one package in the same site-packages; metadata that is missing or cannot be read; folders whose
name begins with "~", which pip leaves when an install or removal is interrupted; and, for information, a package that lies
in two folders of the path in different versions. The user's own site-packages and PYTHONPATH are ED205.

## Why it breaks
With two records of one package nobody knows whose files are on disk: usually a mixture, which fails with AttributeError or
"undefined symbol", while `pip list` shows one of the two versions. A half-removed package can be imported in part.

## What to do
Uninstall the package until the installer no longer knows it, then install it again. "~" folders are safe to delete.

## Sources
- https://packaging.python.org/en/latest/specifications/recording-installed-packages/
- https://github.com/pypa/pip/issues/10452
- https://github.com/pypa/pip/issues/11849
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import said
from envdoctor.requirements import in_stack, requirements
from envdoctor.views import elsewhere, metadata_path, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts, Leftover
    from envdoctor.matrix import Matrix

CODE = "ED204"
CAUSE = "damaged-install"
JOINT = Joint.PYTHON
QUESTION = "Is every package installed exactly once and completely?"
EXPLAINED_BY = ()

RECORDING = Source("https://packaging.python.org/en/latest/specifications/recording-installed-packages/", "2026-11-22")
NEWEST = 20
"""Records of one package, the newest, among which the version to keep is looked for."""
LEFTOVERS = Source("https://github.com/pypa/pip/issues/10452", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """Duplicates, damaged metadata, leftovers, and shadowed copies."""
    places: dict[str, list[Distribution]] = {}
    for one in need(facts.packages.distributions):
        places.setdefault(normalized(one.name), []).append(one)
    for name, copies in places.items():
        here = [one for one in copies if one.location == copies[0].location]
        if len(here) > 1:
            yield duplicate(facts, name, here)
        elif here[0].problem is not None:
            yield damaged(name, here[0], here[0].problem)
    leftovers = need(facts.packages.leftovers)
    if leftovers:
        yield interrupted(facts, leftovers)
    outside = foreign(facts)
    hidden = [
        (copies[0], other)
        for copies in places.values()
        for other in copies[1:]
        if other.version != copies[0].version and other.location != copies[0].location
        if not outside & {other.location, copies[0].location}
    ]
    if hidden:
        yield shadowed(hidden)


def foreign(facts: Facts) -> set[str]:
    """Folders that ED205 judges."""
    python = need(facts.python)
    user = need(python.user_site)
    return {*python.pythonpath, *([user] if user is not None else [])}


def duplicate(facts: Facts, name: str, copies: list[Distribution]) -> Finding:
    """Two records in one folder."""
    versions = sorted({one.version for one in copies}, key=lambda text: parsed(text) or Version("0"))
    asked = list(dict.fromkeys(edge.specifier for edge in requirements(facts).edges if edge.name == name))
    wanted = [text for text in versions[-NEWEST:] if satisfied(text, asked)] or versions
    grave = Severity.ERROR if in_stack(name) else Severity.WARNING
    return Finding(
        code=CODE,
        title=f"{name} is installed {len(copies)} times in one folder: {' and '.join(versions)}",
        severity=grave if len(versions) > 1 else Severity.INFO,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=(name,),
        why="The files on disk can be a mixture of both: ImportError or undefined symbols that no version explains.",
        evidence=tuple(Evidence(f"record of {name}", one.version, metadata_path(one)) for one in copies),
        sources=(RECORDING,),
        changes=(
            reinstall(name, wanted[-1], f"Uninstall {name} {len(copies)} times, once for each record, then install it again."),
        ),
    )


def satisfied(text: str, asked: list[str]) -> bool:
    """Whether the version is in all of the ranges."""
    version = parsed(text)
    return version is not None and all(admits(spec, version) for spec in asked)


def damaged(name: str, one: Distribution, problem: str) -> Finding:
    """Metadata that is missing or unreadable."""
    return Finding(
        code=CODE,
        title=f"the installation of {name} is damaged: {problem}",
        severity=Severity.ERROR if in_stack(name) else Severity.WARNING,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=(name,),
        why="An install or removal was interrupted: files may be absent, and it can be neither upgraded nor removed cleanly.",
        evidence=(Evidence(f"metadata of {name}", problem, metadata_path(one)),),
        sources=(RECORDING,),
        changes=(reinstall(name, one.version, f"Uninstall what is left of {name}, then install it again."),),
    )


def reinstall(name: str, version: str, says: str) -> Change:
    """Remove and install again, at the version if it is one that can be asked for."""
    return Change(kind=Kind.UNINSTALL, says=says, remove=(name,), install={name: f"=={version}" if parsed(version) else ""})


def deletable(facts: Facts, one: Leftover) -> bool:
    """Whether a command may name it: a plain "~" folder, directly in a folder of packages, found on this machine now."""
    if elsewhere(facts) or not isinstance(facts.python, Known) or not isinstance(facts.python.value.site_dirs, Known):
        return False
    plain = one.entry.startswith("~") and len(one.entry) > 1 and "/" not in one.entry
    return plain and one.location.startswith(("/", "~/")) and one.location in facts.python.value.site_dirs.value


def interrupted(facts: Facts, leftovers: tuple[Leftover, ...]) -> Finding:
    """Folders that begin with "~"."""
    entries = sorted({one.entry for one in leftovers})
    shown = ", ".join(entries[:3]) + (", ..." if len(entries) > 3 else "")  # noqa: PLR2004
    return Finding(
        code=CODE,
        title=f"an install or removal was interrupted and left {shown}",
        severity=Severity.INFO,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=tuple(entries),
        why='pip moves a package there before it removes it: harmless but for its space and "Ignoring invalid distribution".',
        evidence=tuple(Evidence("leftover", one.entry, one.location) for one in leftovers),
        sources=(LEFTOVERS,),
        changes=(
            Change(
                kind=Kind.SYSTEM,
                says="Delete the folders that begin with ~; nothing imports them.",
                argv=tuple(("rm", "-r", f"{one.location}/{one.entry}") for one in leftovers if deletable(facts, one)),
            ),
        ),
    )


def shadowed(hidden: list[tuple[Distribution, Distribution]]) -> Finding:
    """Another version further down the path: by design in a venv that sees the system's packages, worth knowing."""
    first, other = hidden[0]
    more = f" (and {len(hidden) - 1} more)" if len(hidden) > 1 else ""
    evidence = [Evidence(f"{said(above)} hides", below.version, metadata_path(below)) for above, below in hidden]
    return Finding(
        code=CODE,
        title=f"{said(first)} hides {said(other)} further down the path{more}",
        severity=Severity.INFO,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=tuple(normalized(above.name) for above, _ in hidden),
        why="The first one is used. Uninstalling it brings the other version back instead of removing the package.",
        evidence=tuple(evidence),
        sources=(Source("https://docs.python.org/3/library/site.html", "2026-11-22"),),
    )
