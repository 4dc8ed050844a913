"""A later install replaces the torch that was installed before.

## What it checks
Installs into the same environment that always run, in order: a second torch, and packages whose release wants another torch
(vLLM, torchvision, torchaudio, xformers and others, as their own metadata in the data says), unless --no-deps or a
constraints file holds it. What has no exact version counts as the newest release that the data knows, and the finding says
that it *may* replace or be replaced. Requirements files are read as far as they are in the build context. A base image of
PyTorch or NVIDIA's (nvcr.io/nvidia/pytorch, whose torch is on no index) counts as the first install. Also two versions in one
command that no resolver can join.

## Why it breaks
pip replaces the first torch silently: a gigabyte that nobody uses stays in the layer below, and what was compiled or chosen
for the first torch (flash-attn, the CUDA of the index) no longer fits: "undefined symbol" at import.

## What to do
Install torch once, in the version that the engine pins, in the same command as the engine. `envdoctor matrix show` lists what
goes together.

## Sources
- https://github.com/vllm-project/vllm/issues/1781
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.sheet import always, finding
from envdoctor.dockerfiles.torches import BESIDE, NVIDIA, Torch, admitted, base, packages, removed, torches, unknown, unread
from envdoctor.findings import Doubt, Evidence, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Placed, Sheet
    from envdoctor.dockerfiles.stages import Stage

CODE = "ED605"
CAUSE = "torch-installed-twice"
QUESTION = "Is torch installed once, in the version that stays?"
SOURCE = Source("https://github.com/vllm-project/vllm/issues/1781", "2026-11-26")


def check(sheet: Sheet) -> Iterator[LineFinding | Doubt]:
    """One finding for each command that replaces."""
    done: set[int] = set()
    for stage in sheet.dockerfile.stages:
        for placed, before, after in replaced(sheet, stage):
            if after.command in done:
                continue
            done.add(after.command)
            if before.command == after.command:
                yield contradicts(sheet, before, after)
                continue
            open_files = [] if after.exact else unread(sheet, placed)
            if open_files:
                why = f"{after.package} has no exact version there, and {open_files[0]}, which may hold it, cannot be read"
                yield Doubt(f"Does line {after.line} keep {held(before)}?", why, ("torch",))
            elif before.release is None or before.public != after.public:
                yield said(sheet, before, after)
            elif not (before.closed and after.closed):
                loose = before if not before.exact else after
                why = f"{loose.package} in line {loose.line} has no exact version; the newest that the data knows fits"
                yield Doubt(f"Does line {after.line} keep {held(before)}?", why, ("torch",))


def replaced(sheet: Sheet, stage: Stage) -> Iterator[tuple[Placed, Torch, Torch]]:
    """Each torch of a stage that another takes the place of, or may; within one command, what it asks for twice."""
    from_base = base(stage)
    torch: dict[str, Torch | None] = {}
    there: dict[str, set[str]] = {}
    beside = set() if from_base is None else set(BESIDE)
    steps: dict[int, list[tuple[int, Placed]]] = {}
    for command, placed in enumerate(sheet.installs):
        steps.setdefault(id(placed.step), []).append((command, placed))
    for step in stage.history():
        gone = {name for run in step.runs for name in removed(run.argv)}
        there = {where: names - gone for where, names in there.items()}
        beside -= gone
        if "torch" in gone:
            torch, from_base = {}, None
        for command, placed in steps.get(id(step), ()):
            where = placed.install.where
            if not always(placed.install.run):
                continue
            before = torch.get(where, from_base)
            names = there.setdefault(where, set(beside))
            every = list(torches(sheet, placed, command, names))
            after = max(every, key=lambda one: one.rank, default=None)
            yield from ((placed, one, other) for one, other in pairwise(every) if disagree(one, other))
            names |= packages(placed)
            if after is not None and not unknown(placed) and replaces(before, after):
                if before is not None:
                    yield placed, before, after
                torch[where] = before if before is not None and before.exact and before.public == after.public else after
            elif unknown(placed):
                torch[where] = None


def replaces(before: Torch | None, after: Torch) -> bool:
    """Whether another torch is there after an install, or may be."""
    if before is None:
        return not after.ranges  # a range says nothing of which torch it brings, or whether one was there
    return not after.keeps(before) or (after.exact and not before.exact)


def disagree(one: Torch, other: Torch) -> bool:
    """Whether no resolver can give both."""
    if one.exact and other.exact:
        return one.public != other.public
    exact, loose = (one, other) if one.exact else (other, one)
    return exact.exact and not loose.by and exact.release is not None and not admitted(loose.spec, exact.release)


def held(one: Torch) -> str:
    """The torch that was there, in words."""
    if one.command < 0:
        return ("NVIDIA's torch" if one.release == NVIDIA else f"torch {one.release}") + " of the base image"
    if one.exact:
        return f"torch {one.release} of line {one.line}" + (f", which {one.by} pins," if one.by else "")
    if one.by:
        return f"the torch of line {one.line}, where {one.package} has no exact version,"
    return f"the torch of line {one.line}, which has no exact version,"


def headline(before: Torch, after: Torch) -> str:
    """Which line replaces which."""
    verb = "replaces" if after.surely_replaces(before) else "may replace"
    line = f"line {after.line}" if before.line != after.line else f"a later command of line {after.line}"
    what = f"{line} {verb} {held(before)}"
    if after.exact:
        return f"{what} by {after.release}" + (f", which {after.by} pins" if after.by else "")
    if after.surely_replaces(before):
        return f"{what.rstrip(',')}: {after.by or 'it'} wants torch{after.spec}"
    return f"{what.rstrip(',')}: {after.package} has no exact version there"


def contradicts(sheet: Sheet, before: Torch, after: Torch) -> LineFinding:
    """The finding on a command that asks for two."""
    texts = [
        f"{one.by} pins torch {one.release}" if one.by else f"torch {one.release or one.spec} is asked for"
        for one in (before, after)
    ]
    right = after if after.exact and (after.by or not before.by) else before
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=after.line,
        title=f"{texts[1]}, but {texts[0]} in the same command",
        severity=Severity.ERROR,
        why="No resolver can install both: the build stops.",
        advice=f"Install torch once; {right.by or 'this line'} goes with torch {right.release}:",
        write=(f'"torch=={right.release}"',),
        sources=sources(before, after),
        subjects=("torch",),
        evidence=evidence(sheet, before, after),
    )


def said(sheet: Sheet, before: Torch, after: Torch) -> LineFinding:
    """The finding on two lines."""
    what = "NVIDIA's torch" if before.release == NVIDIA else f"torch {before.release}" if before.exact else "The first torch"
    sure = "is" if after.surely_replaces(before) else "may be"
    if after.exact:
        advice, write = (
            f"Install torch once; {after.by or 'this line'} goes with torch {after.release}:",
            f"torch=={after.release}",
        )
    else:
        advice, write = (
            f"Name the release of {after.package} that goes with the torch that is meant, and install both in one command:",
            f"{after.package}==VERSION",
        )
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=after.line,
        title=headline(before, after),
        severity=Severity.WARNING,
        why=f"{what} {sure} replaced silently: what was made for it breaks, and it stays in the layer below.",
        advice=advice,
        write=(f'"{write}"',),
        sources=sources(before, after),
        subjects=("torch",),
        evidence=evidence(sheet, before, after),
    )


def evidence(sheet: Sheet, before: Torch, after: Torch) -> tuple[Evidence, ...]:
    """The other line, the lines of requirements files, and what the data says."""
    found = [] if before.line == after.line else [sheet.seen(before.line)]
    found += [one.seen for one in (before, after) if one.seen is not None]
    return (*found, *(Evidence("the data", one.claim.says, one.claim.basis) for one in (before, after) if one.claim is not None))


def sources(before: Torch, after: Torch) -> tuple[Source, ...]:
    """The issue, and the files that the data was read in."""
    return (SOURCE, *(Source(one.claim.source, one.claim.read) for one in (before, after) if one.claim is not None))
