"""From a resolver's answer to moves, files and their cost. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envdoctor.claims import admits
from envdoctor.fixing.goals import estimate, same
from envdoctor.fixing.ground import TORCH_BRINGS, brought_by_torch
from envdoctor.plans import Move
from envdoctor.requirements import requirements
from envdoctor.suppose import REMOVED, known_pins
from envdoctor.views import distributions, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.fixing.goals import Goal
    from envdoctor.fixing.ground import Ground
    from envdoctor.fixing.proving import Proof
    from envdoctor.matrix import Matrix
    from envdoctor.resolver import File, Pinned

LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
OLDEST_GLIBC, NEWEST_GLIBC = 5, 40


class Cost(NamedTuple):
    """What makes one plan worse than another, gravest first."""

    errors: int
    """Errors that were meant to be mended and remain."""
    warnings: int
    """Warnings that are there afterwards and were not before."""
    heads: int
    """Of what people choose (engine, trainer, torch, transformers): how many get another version, or go."""
    distance: int
    """Releases between their old and new versions: the nearest that works is the smallest change."""
    changed: int
    """Installed distributions that get another version, or go; those that follow a head leave no choice."""
    added: int
    download_bytes: int


@lru_cache(maxsize=8)
def ranks(python: str, platform: str | None) -> dict[Tag, int]:
    """Wheel tags that a CPython on a platform takes, the best one with rank 0.

    Args:
        python: "3.12.1".
        platform: in uv's words, "x86_64-manylinux_2_35"; None for x86_64 with the newest glibc that uv knows.
    """
    arch, _, libc = (platform or f"x86_64-manylinux_2_{NEWEST_GLIBC}").partition("-")
    minor = int(libc.rpartition("_")[2]) if libc.startswith("manylinux_2_") else 0
    platforms = [name for one in range(minor, OLDEST_GLIBC - 1, -1) for name in _platforms(one, arch)]
    platforms += [f"musllinux_1_{one}_{arch}" for one in range(4, -1, -1)] if minor == 0 else []
    platforms.append(f"linux_{arch}")
    release = tuple(int(part) for part in python.split(".")[:2])
    abi = f"cp{release[0]}{release[1]}"
    tags = [*cpython_tags(release, [abi], platforms), *compatible_tags(release, abi, platforms)]
    found: dict[Tag, int] = {}
    for rank, tag in enumerate(tags):
        found.setdefault(tag, rank)
    return found


def _platforms(minor: int, arch: str) -> Iterator[str]:
    yield f"manylinux_2_{minor}_{arch}"
    if minor in LEGACY:
        yield f"{LEGACY[minor]}_{arch}"


def taken(pinned: Pinned, python: str, platform: str | None) -> File | None:
    """The file of a release that an installer takes: the best wheel, else the source distribution, else none."""
    order = ranks(python, platform)
    wheels = [(rank, one) for one in pinned.files if one.is_wheel and (rank := _rank(one.name, order)) is not None]
    if wheels:
        return min(wheels, key=lambda pair: pair[0])[1]
    return next((one for one in pinned.files if not one.is_wheel), None)


def _rank(name: str, order: Mapping[Tag, int]) -> int | None:
    try:
        _, _, _, tags = parse_wheel_filename(name)
    except (InvalidWheelFilename, ValueError):
        return None
    return min((order[tag] for tag in tags if tag in order), default=None)


def size(pinned: Pinned, python: str, platform: str | None) -> int | None:
    """Bytes of the file that is taken; None where the index does not tell."""
    file = taken(pinned, python, platform)
    return None if file is None else file.size_bytes


def first(pinned: Pinned, python: str, platform: str | None) -> Pinned:
    """The release with the file that is taken before its others."""
    best = taken(pinned, python, platform)
    return msgspec.structs.replace(pinned, files=tuple(sorted(pinned.files, key=lambda one: one is not best)))


def moves(facts: Facts, matrix: Matrix, at: Ground, goal: Goal, answer: Mapping[str, Pinned]) -> tuple[Move, ...]:
    """Every distribution that the answer changes: what the goal wants first, then what follows, then what goes.

    What the answer does not hold stays installed if what it asks for is still there; torch's own CUDA libraries go with the
    torch that brought them, for those of another CUDA write into the same folders.
    """
    present = distributions(facts)
    before = {name: one.version for name, one in present.items()}
    after = {name: one.version for name, one in answer.items() if name not in at.aside}
    changed = {name: version for name, version in after.items() if name not in before or not same(before[name], version)}
    # a damaged distribution is installed again in the version that it has
    changed |= {name: after[name] for name in goal.again if name in after and name not in changed}
    found = [
        Move(
            name=name,
            before=before.get(name),
            after=version,
            why=goal.why.get(name) or _follows(name, changed, facts, matrix),
            download_bytes=size(answer[name], at.python, at.platform),
        )
        for name, version in sorted(changed.items(), key=lambda pair: (pair[0] not in goal.why, pair[0] not in before, pair[0]))
    ]
    found += [_going(name, before[name], goal.why[name]) for name in goal.remove if name in before]
    left = {name for name in before if name not in after and name not in at.aside and name not in goal.remove}
    return (*found, *(_going(name, before[name], why) for name, why in _orphans(facts, left, changed)))


def _going(name: str, version: str, why: str) -> Move:
    return Move(name=name, before=version, after=None, why=why, download_bytes=0)


def _orphans(facts: Facts, left: set[str], changed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What nothing needs any more and what cannot stay, with the reason."""
    brought = brought_by_torch(facts) if "torch" in changed else frozenset()
    coming = {_library(name) for name in changed if name.startswith(TORCH_BRINGS)}
    gone = {
        name
        for name in left
        if name in brought or (name.startswith(TORCH_BRINGS) and "torch" in changed and _library(name) in coming)
    }
    yield from ((name, f"torch {changed['torch']} does not use it") for name in sorted(gone))
    edges = [edge for edge in requirements(facts).edges if normalized(edge.requirer.name) in left]
    grown = True
    while grown:
        grown = False
        for edge in edges:
            name = normalized(edge.requirer.name)
            version = parsed(changed[edge.name]) if edge.name in changed else None
            lost = edge.name in gone or (version is not None and not admits(edge.specifier, version))
            if name not in gone and lost:
                gone.add(name)
                grown = True
                yield name, f"nothing needs it any more, and it asks for {edge.name}{edge.specifier}"


def _library(name: str) -> str:
    """The library in a CUDA wheel, whatever CUDA it is of: nvidia-cudnn of nvidia-cudnn-cu12."""
    return re.sub(r"-cu\d+$", "", name)


def _follows(name: str, changed: Mapping[str, str], facts: Facts, matrix: Matrix) -> str:
    """Whom a move follows, in words."""
    for other, version in changed.items():
        spec = known_pins(other, version, matrix).get(name)
        if spec is not None:
            return f"{other} {version} asks for {name}{spec}"
    whom = [normalized(edge.requirer.name) for edge in requirements(facts).edges if edge.name == name]
    whom = [one for one in dict.fromkeys(whom) if one in changed]
    if whom:
        return f"to go with {whom[0]} {changed[whom[0]]}"
    if name.startswith(TORCH_BRINGS) and "torch" in changed:
        return f"torch {changed['torch']} brings it"
    return "what changes here needs it"


def cost(found: tuple[Move, ...], facts: Facts, matrix: Matrix, proof: Proof) -> Cost:
    """What these moves cost."""
    estimated = estimate({one.name: one.after or REMOVED for one in found}, facts, matrix)
    return Cost(
        errors=len(proof.remaining),
        warnings=len(proof.new_warnings),
        heads=estimated.heads,
        distance=estimated.distance,
        changed=sum(one.before is not None for one in found),
        added=sum(one.before is None for one in found),
        download_bytes=sum(one.download_bytes or 0 for one in found),
    )
