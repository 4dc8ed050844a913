"""What the releases of a package ask for, as the index stated it: ranges, their upper ends, and who stated one first. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from envdoctor.rows import Package, Release

UPPER = frozenset({"<", "<=", "~=", "==", "==="})
"""Operators that end a range above."""
CAPS = frozenset({"<", "<="})
"""Those of a range that somebody has closed because of what came after it; an exact pin says nothing about newer releases."""


class Cap(NamedTuple):
    """The upper end of a range, and which release stated it."""

    specifier: str
    release: Release


def stated(package: Package, release: Release, python: str) -> dict[str, SpecifierSet]:
    """What one release requires without any extra on Linux x86_64 under that Python ("3.12"), by normalized name."""
    found: dict[str, SpecifierSet] = {}
    for line in package.requires(release):
        name, spec = _read(line, python)
        if name:
            found[name] = found[name] & spec if name in found else spec
    return found


@lru_cache(maxsize=16384)
def _read(line: str, python: str) -> tuple[str, SpecifierSet]:
    """Name and range of a requirement that counts there; an empty name for any other line."""
    environment = {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
        "extra": "",
    }
    try:
        requirement = Requirement(line)
        counts = requirement.marker is None or requirement.marker.evaluate(environment)
    except (InvalidRequirement, ValueError, KeyError):
        return "", SpecifierSet()  # old metadata has lines that no installer reads either
    return canonicalize_name(requirement.name) if counts else "", requirement.specifier


def is_open(spec: SpecifierSet) -> bool:
    """Whether the range has no upper end."""
    return not any(clause.operator in UPPER for clause in spec)


def release_of(package: Package, version: Version) -> Release | None:
    """The row of a release; a local build (2.6.0+cu126) counts as its release."""
    public = Version(version.public)
    return next((one for one in package.releases if Version(one.version) == public), None)


def later(package: Package, version: Version) -> Iterator[Release]:
    """The final releases after a version, oldest first."""
    rows = [one for one in package.releases if not one.yanked and Version(one.version) > version]
    yield from sorted((one for one in rows if not Version(one.version).is_prerelease), key=lambda one: Version(one.version))


def later_caps(package: Package, version: Version, names: Collection[str], python: str) -> dict[str, Cap]:
    """For each of the names the cap of the first release after ``version`` that states one."""
    found: dict[str, Cap] = {}
    for release in later(package, version):
        for name, spec in stated(package, release, python).items():
            clauses = [str(one) for one in spec if one.operator in CAPS] if name in names and name not in found else []
            if clauses:
                found[name] = Cap(",".join(sorted(clauses)), release)
    return found


def later_need(package: Package, version: Version, name: str, python: str) -> Cap | None:
    """The range in which the first release after ``version`` asks for ``name`` at all."""
    for release in later(package, version):
        spec = stated(package, release, python).get(name)
        if spec is not None:
            return Cap(str(spec), release)
    return None
