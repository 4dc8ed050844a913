"""A later install replaces the torch that was installed before.

## What it checks
Installs into the same environment that always run, in order: a second exact torch, and packages whose pinned release pins
another torch (vLLM, torchvision, torchaudio, xformers and others, as their own metadata in the data says), unless --no-deps
or a constraints file is given. A base image of PyTorch or NVIDIA's (nvcr.io/nvidia/pytorch, whose torch is on no index)
counts as the first install. Also two exact versions in one command that no resolver can join.

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

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.claims import exact_pin
from envdoctor.dockerfiles.installs import version
from envdoctor.dockerfiles.sheet import always, finding, image
from envdoctor.findings import Evidence, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.claims import Claim
    from envdoctor.dockerfiles.sheet import LineFinding, Placed, Sheet
    from envdoctor.dockerfiles.stages import Stage

CODE = "ED605"
CAUSE = "torch-installed-twice"
QUESTION = "Is torch installed once, in the version that stays?"
PYTORCH = re.compile(r"(?:.*/)?pytorch/pytorch")
NGC = re.compile(r"nvcr\.io/nvidia/pytorch")
NVIDIA = Version("0")
"""Stands for a build that has no release."""
SOURCE = Source("https://github.com/vllm-project/vllm/issues/1781", "2026-11-26")


class Torch(NamedTuple):
    """A torch that a line brings: its release, and who says so."""

    release: Version
    command: int
    """The line on which the command begins."""
    line: int
    says: str
    claim: Claim | None


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each line that replaces."""
    done: set[int] = set()
    for stage in sheet.dockerfile.stages:
        there: dict[str, Torch] = {}
        from_base = base(stage)
        for step in stage.history():
            removed = [run for run in step.runs if "uninstall" in run.argv and "torch" in run.argv]
            if removed:
                there, from_base = {}, None
            for placed in sheet.installs:
                install = placed.install
                if placed.step is not step or not always(install.run):
                    continue
                for one in torches(sheet, placed):
                    before = there.get(install.where, from_base)
                    differs = before is not None and before.release.public.split("+")[0] != one.release.public.split("+")[0]
                    if before is not None and differs and one.command not in done:
                        done.add(one.command)
                        yield said(sheet, before, one)
                    there[install.where] = one


def base(stage: Stage) -> Torch | None:
    """The torch of a base image of PyTorch, by its tag, or NVIDIA's own build, which is on no index."""
    one = image(stage.root)
    if one is not None and NGC.fullmatch(one.name):
        where = stage.lineage()[0].line
        return Torch(NVIDIA, where, where, "the base image brings NVIDIA's own build of torch", None)
    found = re.match(r"([0-9]+\.[0-9]+\.[0-9]+)-", one.tag or "") if one is not None and PYTORCH.fullmatch(one.name) else None
    line = stage.lineage()[0].line
    return Torch(Version(found[1]), line, line, f"the base image brings torch {found[1]}", None) if found else None


def torches(sheet: Sheet, placed: Placed) -> Iterator[Torch]:
    """The torch that an install names, and those that what it names pins."""
    install = placed.install
    command = install.run.line
    named = version(wanted.exact) if (wanted := install.wants("torch")) else None
    if named is not None:
        line = sheet.line_of(placed.step, command, wanted.text if wanted else "", "torch")
        yield Torch(named, command, line, f"torch {named} is installed", None)
    if (
        install.has("--no-deps", "--no-dependencies")
        or install.constraints
        or install.tool not in {"pip install", "uv pip install"}
    ):
        return
    for one in install.wanted:
        exact = version(one.exact)
        if exact is None or one.name in {"", "torch"} or one.kind != "named":
            continue
        for claim in (*sheet.matrix.claims(one.name, "pins"), *sheet.matrix.claims(one.name, "torch-family")):
            pinned = exact_pin(claim.then["torch"]) if "torch" in claim.then and claim.admits(one.name, exact) else None
            if pinned is not None:
                line = sheet.line_of(placed.step, command, one.text, one.name)
                yield Torch(pinned, command, line, f"{one.name} {exact} pins torch {pinned}", claim)
                break


def said(sheet: Sheet, before: Torch, after: Torch) -> LineFinding:
    """The finding on two lines, or on one command that contradicts itself."""
    together = before.command == after.command
    held = "NVIDIA's torch" if before.release == NVIDIA else f"torch {before.release}"
    title = f"{after.says}, but {before.says}" + (" in the same command" if together else "")
    evidence = [] if before.line == after.line else [sheet.seen(before.line)]
    sources = [SOURCE]
    whom = after.says.split(" pins", maxsplit=1)[0] if after.claim else "this line"
    for one in (before, after):
        if one.claim is not None:
            evidence.append(Evidence("the data", one.claim.says, one.claim.basis))
            sources.append(Source(one.claim.source, one.claim.read))
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=after.line,
        title=title,
        severity=Severity.ERROR if together else Severity.WARNING,
        why=(
            "No resolver can install both: the build stops."
            if together
            else f"{held} is replaced silently: what was made for it breaks, and it stays in the layer below."
        ),
        advice=f"Install torch once; {whom} goes with torch {after.release}:",
        write=(f'"torch=={after.release}"',),
        sources=tuple(sources),
        subjects=("torch",),
        evidence=tuple(evidence),
    )
