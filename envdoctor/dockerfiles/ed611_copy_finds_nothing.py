"""COPY of something that is not in the build context.

## What it checks
Every source of COPY and ADD that is a path of the build context, and every source of a bind mount, with .dockerignore (or
NAME.dockerignore) applied. The context is what --context says; else the folder of the Dockerfile or the nearest one above it,
up to the root of the repository, in which the sources are found (where fewer than half are, it is asked and not judged).
Addresses, other stages, patterns, and paths with unknown variables are not judged; of what .gitignore names it is asked
whether something makes it before the build.

## Why it breaks
The build stops with "failed to calculate checksum ... not found" at that line, in a Dockerfile often after half an hour of
compiling.

## What to do
Mend the path, take it out of .dockerignore, or build with the folder that has it: `docker build -f docker/Dockerfile .`

## Sources
- https://docs.docker.com/reference/build-checks/copy-ignored-file/
- https://docs.docker.com/reference/dockerfile/#copy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.dockerfiles.sheet import finding
from envdoctor.dockerfiles.sources import asked
from envdoctor.findings import Doubt, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Sheet

CODE = "ED611"
CAUSE = "copy-source-missing"
QUESTION = "Is everything that COPY names in the build context?"
SOURCES = (
    Source("https://docs.docker.com/reference/build-checks/copy-ignored-file/", "2026-11-26"),
    Source("https://docs.docker.com/reference/dockerfile/#copy", "2026-11-26"),
)


def check(sheet: Sheet) -> Iterator[LineFinding | Doubt]:
    """One finding for each source that is not there."""
    wanted = asked(sheet.dockerfile)
    if not wanted:
        return
    if sheet.context is None:
        yield Doubt(QUESTION, "no build context is known; --context DIR names it")
        return
    missing = [(one, why) for one in wanted if (why := sheet.context.has(one.path)) is not None]
    if len(missing) * 2 > len(wanted) and not sheet.context.chosen:
        found = len(wanted) - len(missing)
        many = f"only {found}" if found else "none"
        where = "in its folder or in one above it; --context DIR names the right one"
        why = f"{many} of the {len(wanted)} things it copies are {where}"
        yield Doubt(QUESTION, why)
        return
    for one, why in missing:
        made_by = sheet.context.generated(one.path)
        if made_by is not None and not sheet.context.ignored(one.path):
            question = f"Is {one.path} (line {one.line}) there when the image is built?"
            yield Doubt(question, f"it is not there now, and {made_by} says that something makes it", (one.path,))
            continue
        yield finding(
            sheet,
            code=CODE,
            cause=CAUSE,
            line=one.line,
            title=f"{one.path} cannot be copied: {why}",
            severity=Severity.ERROR,
            why='The build stops at this line: "failed to calculate checksum ... not found".',
            advice="Mend the path or .dockerignore, or name the folder that has it with --context DIR.",
            sources=SOURCES,
        )
