"""What ``uv pip compile`` chooses for a pair of releases, and what our own rows say that it should."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from envdoctor.claims import admits, specifier
from envdoctor.findings import Severity
from envdoctor.harvest.derive import PINNED, requirements
from envdoctor.reasons import reasons
from tests.real.workshop import clean_environ, tool

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.matrix import Matrix
    from envdoctor.rows import Release

RESOLVE_SECONDS = 180
PLATFORM = "x86_64-manylinux_2_39"
NEVER = "python_version < '3'"
"""The marker of a requirement that is taken out of a resolution."""
_PINNED = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
_STABLE_ABI = re.compile(r"cp3(\d+)-abi3")


class Pair(NamedTuple):
    """What is asked of uv. ``wishes`` are exact requirements ("trl[vllm]==0.24.0")."""

    wishes: tuple[str, ...]
    python: str
    without: tuple[str, ...] = ()
    """Packages that are taken out of the resolution: there is no wheel of them, and nothing is built here."""
    today: bool = False
    """Resolved from all that the index has now, not from what it had when the newest of the pair was uploaded."""

    @property
    def name(self) -> str:
        """For tables and test ids: "vllm 0.10.2 + trl 0.24.0"."""
        return " + ".join(wish.replace("==", " ") for wish in self.wishes) + (", today" if self.today else "")

    def named(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Normalized name -> version and extras."""
        asked = [Requirement(wish) for wish in self.wishes]
        return {canonicalize_name(one.name): (next(iter(one.specifier)).version, ("", *sorted(one.extras))) for one in asked}


class Difference(NamedTuple):
    """A package for which uv did not choose what our rows predict."""

    package: str
    chosen: str
    predicted: str | None


class NotResolved(Exception):  # noqa: N818 - an answer of uv
    """There is no resolution; the message is uv's."""


def row_of(matrix: Matrix, name: str, version: str) -> Release | None:
    """The row of a release, if our data has it."""
    package = matrix.package(name)
    releases = package.releases if package is not None else ()
    return next((one for one in releases if Version(one.version) == Version(version)), None)


def day_after(matrix: Matrix, pair: Pair) -> str:
    """The day after the newest of the pair's named releases was uploaded."""
    rows = [row_of(matrix, name, version) for name, (version, _) in pair.named().items()]
    days = [row.uploaded for row in rows if row is not None and row.uploaded is not None]
    assert len(days) == len(rows), f"{pair.name}: the data does not know when it was uploaded"
    return (dt.date.fromisoformat(max(days)) + dt.timedelta(days=1)).isoformat()


def resolve(pair: Pair, folder: Path, day: str) -> dict[str, Version]:
    """What uv chooses, from the files that were there on that day unless the pair is of today; raises NotResolved."""
    asked, left_out = folder / "asked.txt", folder / "left-out.txt"
    asked.write_text("".join(f"{wish}\n" for wish in pair.wishes), encoding="utf-8")
    left_out.write_text("".join(f"{name}; {NEVER}\n" for name in pair.without), encoding="utf-8")
    argv = [tool("uv"), "pip", "compile", str(asked), "--override", str(left_out), "--python-version", pair.python]
    argv += ["--python-platform", PLATFORM, "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet"]
    argv += [] if pair.today else ["--exclude-newer", day]
    environ = clean_environ() | {"UV_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=RESOLVE_SECONDS, check=False, env=environ, cwd=folder)
    if done.returncode != 0:
        raise NotResolved(" ".join(done.stderr.split()))
    lines = (_PINNED.match(line) for line in done.stdout.splitlines())
    return {canonicalize_name(found[1]): Version(found[2]) for found in lines if found is not None}


def declared(matrix: Matrix, pair: Pair, resolved: dict[str, Version]) -> dict[str, list[tuple[str, str]]]:
    """What our rows say of the packages of a resolution: package -> who wants it, and in which range."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, version in resolved.items():
        package, row = matrix.package(name), row_of(matrix, name, str(version))
        if package is None or row is None:
            continue
        _, extras = pair.named().get(name, ("", ("",)))
        for extra in extras:
            for other, spec in requirements(package, row, extra).items():
                found.setdefault(other, []).append((f"{name} {version}", spec))
    return found


def exact(spec: str) -> Version | None:
    """The version of an exact pin."""
    pinned = [one.version for one in specifier(spec) if one.operator == "==" and not one.version.endswith("*")]
    return Version(pinned[0]) if pinned else None


def predicted(matrix: Matrix, name: str, ranges: list[str], day: str, python: str) -> str | None:
    """The newest release of that day that the ranges admit and that has a wheel for the Python, by our rows alone."""
    package = matrix.package(name)
    rows = package.releases if package is not None else ()
    fits = [
        Version(row.version)
        for row in rows
        if (row.uploaded or "9") <= day
        and not row.yanked
        and _is_for(row, python)
        and all(admits(spec, Version(row.version)) for spec in ranges)
    ]
    return str(max(fits)) if fits else None


def _is_for(row: Release, python: str) -> bool:
    if row.requires_python and not admits(row.requires_python, Version(f"{python}.9")):
        return False
    minor = int(python.split(".")[1])
    stable = (_STABLE_ABI.fullmatch(tag) for tag in row.python)
    return bool({"py3", f"cp3{minor}"} & set(row.python)) or any(one is not None and int(one[1]) <= minor for one in stable)


def compared(matrix: Matrix, resolved: dict[str, Version]) -> list[str]:
    """The packages of the resolution whose releases our data reads."""
    return sorted(set(matrix.packages()) & set(resolved))


def differences(matrix: Matrix, pair: Pair, resolved: dict[str, Version], day: str) -> list[Difference]:
    """Where uv's choice of a package that our data reads is not the newest that our data's ranges admit."""
    wanted = declared(matrix, pair, resolved)
    named = pair.named()
    found = []
    for name in compared(matrix, resolved):
        ranges = [spec for _, spec in wanted.get(name, ())]
        ranges += [f"=={named[name][0]}"] if name in named else []
        ours = predicted(matrix, name, ranges, day, pair.python)
        if ours is None or Version(ours) != resolved[name]:
            found.append(Difference(name, str(resolved[name]), ours))
    return found


def refusals(matrix: Matrix, pair: Pair, resolved: dict[str, Version]) -> list[str]:
    """What envdoctor says against the resolution: its rules' errors, and the two that want a third in different ranges."""
    known = set(matrix.packages()) | PINNED
    wishes = {name: str(version) for name, version in resolved.items() if name in known}
    answer = reasons({**wishes, "python": pair.python}, matrix)
    said = [f"{one.code}: {one.title}" for one in answer.broken if one.severity is Severity.ERROR]
    said += [f"{one.wishes[0][0]} and {one.wishes[1][0]} want different {one.package}" for one in answer.clashes]
    return said
