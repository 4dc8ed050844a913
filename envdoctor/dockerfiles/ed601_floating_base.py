"""A base image that is not held by its digest.

## What it checks
Every image that FROM, COPY --from and RUN --mount=from= name, with the defaults of ARG put in. A stage of the same file,
`scratch` and a name that has no default are no images to judge. No tag, or a tag that moves by its nature (latest, nightly,
main), is a warning; a tag without a digest is told as information.

## Why it breaks
A tag is a label that its owner moves. `latest` of an engine or of PyTorch changes torch and CUDA between two builds of an
unchanged Dockerfile, and everything compiled against the old ones stops to load. A version tag moves too: vendors rebuild it
for security updates.

## What to do
Write the digest behind the tag: `FROM nvidia/cuda:12.8.1-devel-ubuntu22.04@sha256:...`. The tag then is for people, the
digest counts. `docker buildx imagetools inspect IMAGE` prints it.

## Sources
- https://docs.docker.com/build/building/best-practices/ (pin base image versions)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.sheet import BEST_PRACTICES, finding, image
from envdoctor.findings import Doubt, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Sheet
    from envdoctor.dockerfiles.stages import Stage

CODE = "ED601"
CAUSE = "base-image-floats"
QUESTION = "Is every base image held by its digest?"
MOVING = re.compile(r"(?:.*[-_.])?(?:latest|nightly|main|master|dev|edge|stable)(?:[-_.].*)?", re.IGNORECASE)


def check(sheet: Sheet) -> Iterator[LineFinding | Doubt]:
    """One finding for each image, on the first line that names it."""
    done: set[str] = set()
    for line, reference in references(sheet):
        if reference in done:
            continue
        done.add(reference)
        one = image(reference)
        if one is None:
            if "$" in reference:
                yield Doubt(f"Is {reference} (line {line}) held by its digest?", "a variable in it has no default", (reference,))
            continue
        if one.digest is not None:
            continue
        moves = one.tag is None or MOVING.fullmatch(one.tag) is not None
        if one.tag is None:
            title = f"{reference} has no tag, so each build takes whatever is newest"
        elif moves:
            title = f"{reference}: the tag {one.tag} moves, so each build may take another image"
        else:
            title = f"{reference} is named by its tag alone, which its owner can move"
        tag = one.tag if one.tag is not None and not moves else "VERSION"
        yield finding(
            sheet,
            code=CODE,
            cause=CAUSE,
            line=line,
            title=title,
            severity=Severity.WARNING if moves else Severity.INFO,
            why="An unchanged Dockerfile then builds another image, with another torch, CUDA or glibc than it was tried with.",
            advice="Write the digest behind the tag; this prints it:",
            write=(f"docker buildx imagetools inspect {one.name}:{tag}", f"FROM {one.name}:{tag}@sha256:DIGEST"),
            sources=(BEST_PRACTICES,),
            subjects=(one.name,),
        )


def chooses(stage: Stage, names: set[str]) -> bool:
    """Whether a variable in FROM chooses among stages of this file: "FROM base-${PLATFORM}", whatever its default says."""
    parts = re.split(r"\$\w+|\$\{[^}]*\}", stage.written.split(None, 1)[0].lower())
    if len(parts) < 2 or not any(parts):  # noqa: PLR2004 - no variable, or nothing beside it
        return False
    return any(name.startswith(parts[0]) and name.endswith(parts[-1]) for name in names)


def references(sheet: Sheet) -> Iterator[tuple[int, str]]:
    """The images that are named, with their lines; stages and scratch are none."""
    dockerfile = sheet.dockerfile
    stages = {stage.name.lower() for stage in dockerfile.stages if stage.name}
    for stage in dockerfile.stages:
        if stage.parent is None and stage.base.lower() != "scratch" and stage.base and not chooses(stage, stages):
            yield stage.line, stage.base
    for _, step in dockerfile.steps():
        names = step.instruction.flags_of("from")
        for mount in step.instruction.flags_of("mount"):
            names += [part.removeprefix("from=") for part in mount.split(",") if part.startswith("from=")]
        for name in names:
            # a name without tag, folder or dot is as likely a named context as an image
            if name.lower() not in stages and not name.isdigit() and re.search(r"[/:.]", name):
                yield step.instruction.line, name
