"""An apt install that leaves its lists, or packages that nobody asked for, in the image.

## What it checks
RUN lines with `apt-get install`: whether the same RUN removes /var/lib/apt/lists (or has it on a cache mount), and whether
--no-install-recommends is given or configured. Stages from which others only copy files are left out: what they leave behind
is in no image. Told as information.

## Why it breaks
The package lists are 20 to 50 MB in each such layer, and a later `rm` cannot take them out again. They also differ from day
to day, so that the layer is never the same twice. Recommended packages bring whole desktops and other CUDA parts.

## What to do
`RUN apt-get update && apt-get install -y --no-install-recommends ... && rm -rf /var/lib/apt/lists/*`.

## Sources
- https://docs.docker.com/build/building/best-practices/ (apt-get)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.dockerfiles.apt import LISTS, apt, cached, configured
from envdoctor.dockerfiles.sheet import BEST_PRACTICES, finding
from envdoctor.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.apt import Apt
    from envdoctor.dockerfiles.sheet import LineFinding, Sheet
    from envdoctor.dockerfiles.stages import Dockerfile, Step

CODE = "ED609"
CAUSE = "apt-leaves-behind"
QUESTION = "Does apt leave only what was asked for in the layers?"


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each RUN."""
    passing = copied_from(sheet.dockerfile)
    for stage in sheet.dockerfile.stages:
        if stage.number in passing:
            continue
        for step in stage.steps:
            found = [one for run in step.runs if (one := apt(run)) is not None and one.verb == "install" and not one.simulates]
            if not found:
                continue
            leaves = not cached(step) and not removes(step)
            loose = [one for one in found if not recommended_off(one)]
            more = bool(loose) and not configured(stage, "Install-Recommends")
            if leaves or more:
                yield said(sheet, (loose or found)[0], leaves=leaves, more=more)


def copied_from(dockerfile: Dockerfile) -> set[int]:
    """Stages that end up in no image: others take files from them, or only such stages begin with them."""
    names = set()
    for _, step in dockerfile.steps():
        names |= {name.lower() for name in step.instruction.flags_of("from")}
        for mount in step.instruction.flags_of("mount"):
            names |= {part.removeprefix("from=").lower() for part in mount.split(",") if part.startswith("from=")}
    passing: set[int] = set()
    for stage in reversed(dockerfile.stages):  # a stage begins only with one before it
        children = [other.number for other in dockerfile.stages if other.parent is stage]
        taken = (stage.name or "").lower() in names or str(stage.number) in names
        if (children or taken) and stage is not dockerfile.stages[-1] and passing.issuperset(children):
            passing.add(stage.number)
    return passing


def removes(step: Step) -> bool:
    """Whether the RUN removes apt's lists itself."""
    for run in step.runs:
        name = run.argv[0].rsplit("/", 1)[-1]
        if name in {"rm", "find"} and any(
            word.rstrip("/*").startswith(LISTS) or word.startswith("/var/lib/apt") for word in run.argv
        ):
            return True
        if name == "apt-get" and "distclean" in run.argv:
            return True
    return False


def recommended_off(one: Apt) -> bool:
    """Whether recommended packages stay away."""
    text = " ".join(one.options).lower()
    return "--no-install-recommends" in text or "install-recommends=0" in text or "install-recommends=false" in text


def said(sheet: Sheet, one: Apt, *, leaves: bool, more: bool) -> LineFinding:
    """The finding on one RUN."""
    parts = [
        *(["its package lists stay in the layer"] if leaves else []),
        *(["recommended packages come along"] if more else []),
    ]
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=one.run.line,
        title=f"{one.program} install: {' and '.join(parts)}",
        severity=Severity.INFO,
        why="The layer is larger than it need be and differs with each day's lists; a later RUN cannot take it out again.",
        advice="Write in one RUN:",
        write=("RUN apt-get update && apt-get install -y --no-install-recommends ... && rm -rf /var/lib/apt/lists/*",),
        sources=(BEST_PRACTICES,),
    )
