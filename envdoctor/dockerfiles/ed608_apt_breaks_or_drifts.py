"""An apt command that stops the build, or installs something else next time.

## What it checks
`apt-get install` without -y; `apt-get update` with words behind it (a forgotten &&); an install whose `apt-get update` stands
in another RUN; `upgrade` and `dist-upgrade`; NVIDIA's unversioned packages (cuda, cuda-toolkit, libnccl2, libcudnn9-cuda-12,
tensorrt) without a version; and, as information, `apt` where `apt-get` is meant for scripts.

## Why it breaks
Nobody answers in a build: where a package brings others, apt asks and aborts. An update in a layer of its own is cached for
months, and the install behind it then asks for versions that the mirror no longer has (404). An upgrade makes another image
every day. An NCCL or cuDNN from apt that moves ahead is found before the one that torch brings.

## What to do
`RUN apt-get update && apt-get install -y --no-install-recommends NAME=VERSION && rm -rf /var/lib/apt/lists/*`, in one RUN; a
newer base image instead of an upgrade.

## Sources
- https://docs.docker.com/build/building/best-practices/ (apt-get)
- https://manpages.debian.org/bookworm/apt/apt-get.8.en.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.apt import apt, cached, configured
from envdoctor.dockerfiles.sheet import BEST_PRACTICES, finding
from envdoctor.findings import Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.apt import Apt
    from envdoctor.dockerfiles.sheet import LineFinding, Sheet
    from envdoctor.dockerfiles.stages import Stage, Step

CODE = "ED608"
CAUSE = "apt-breaks-or-drifts"
QUESTION = "Do the apt commands run unattended, and install the same thing each time?"
NVIDIA = re.compile(
    r"cuda|cuda-toolkit|cuda-drivers|libnccl2|libnccl-dev|libcudnn[0-9]*(?:-dev)?(?:-cuda-[0-9]+)?|cudnn[0-9]*(?:-cuda-[0-9]+)?|tensorrt|libnvinfer[0-9]*"
)
MANUAL = Source("https://manpages.debian.org/bookworm/apt/apt-get.8.en.html", "2026-11-26")


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """Command by command, each fault at most once a line."""
    plain = True
    for stage in sheet.dockerfile.stages:
        for step in stage.steps:
            found = [one for run in step.runs if (one := apt(run)) is not None]
            for one in found:
                yield from command(sheet, stage, one)
                if plain and one.program == "apt" and one.verb in {"install", "update", "upgrade"}:
                    plain = False
                    yield said(
                        sheet,
                        one,
                        "apt is made for people; its behaviour may change between releases",
                        Severity.INFO,
                        "apt itself warns that it has no stable command line interface.",
                        "Write apt-get:",
                        f"apt-get {one.verb} ...",
                    )
            yield from updates(sheet, stage, step, found)


def command(sheet: Sheet, stage: Stage, one: Apt) -> Iterator[LineFinding]:
    """What is wrong with one command by itself."""
    if one.verb == "update" and one.packages and not any("$" in name for name in one.packages):
        yield said(
            sheet,
            one,
            f"{one.program} update is given {one.packages[0]!r}, which it does not take: a && is missing",
            Severity.ERROR,
            'apt-get stops with "The update command takes no arguments".',
            "Write:",
            f"{one.program} update && {' '.join(one.packages[:2])} ...",
        )
    if one.verb in {"upgrade", "dist-upgrade", "full-upgrade"} and not one.simulates:
        yield said(
            sheet,
            one,
            f"{one.program} {one.verb} makes another image each day",
            Severity.WARNING,
            "It takes whatever the mirror has that day; on a CUDA image that may be another CUDA, cuDNN or NCCL.",
            "Leave it away and take a newer base image by its digest.",
            "",
        )
    if one.verb not in {"install", "upgrade", "dist-upgrade"} or one.simulates:
        return
    asks = bool(one.packages) or one.verb != "install"
    if asks and not one.says_yes and not configured(stage, "Assume-Yes") and one.run.before != "|":
        yield said(
            sheet,
            one,
            f"{one.program} {one.verb} without -y: it may ask, and nobody answers in a build",
            Severity.WARNING,
            'Where a package brings others that are not there yet, apt asks "Do you want to continue?" and aborts.',
            "Write:",
            f"{one.program} {one.verb} -y {' '.join(one.packages[:3])}".strip() + (" ..." if len(one.packages) > 3 else ""),  # noqa: PLR2004
        )
    loose = [name for name in one.packages if NVIDIA.fullmatch(name)]
    if loose and one.verb == "install":
        yield said(
            sheet,
            one,
            f"{', '.join(loose)} {'has' if len(loose) == 1 else 'have'} no version",
            Severity.WARNING,
            "The newest one is taken; it may be for another CUDA, and the loader may find it before the one that torch brings.",
            "Write the version that was tried:",
            f"{one.program} install -y --no-install-recommends {loose[0]}=VERSION",
        )


def updates(sheet: Sheet, stage: Stage, step: Step, found: list[Apt]) -> Iterator[LineFinding]:
    """An install that relies on the update of an earlier RUN."""
    if cached(step):
        return
    updated = False
    for one in found:
        updated = updated or one.verb == "update"
        named = [name for name in one.packages if "/" not in name and not name.endswith(".deb")]
        if one.verb != "install" or updated or not named:
            continue
        others = [
            other
            for earlier in stage.history()
            if earlier.instruction.line < step.instruction.line
            for run in earlier.runs
            if (other := apt(run)) is not None and other.verb == "update"
        ]
        if others:
            yield said(
                sheet,
                one,
                f"the apt-get update for this install is in another RUN (line {others[-1].run.line})",
                Severity.WARNING,
                "That layer stays cached while its line is unchanged; the mirror no longer has the versions in its lists (404).",
                "Write both in one RUN:",
                f"RUN apt-get update && apt-get install -y {' '.join(named[:2])} ... && rm -rf /var/lib/apt/lists/*",
            )
        return


def said(sheet: Sheet, one: Apt, title: str, severity: Severity, why: str, advice: str, write: str) -> LineFinding:
    """The finding."""
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=one.run.line,
        title=title,
        severity=severity,
        why=why,
        advice=advice,
        write=(write,) if write else (),
        sources=(BEST_PRACTICES, MANUAL),
        subjects=tuple(one.packages[:3]),
    )
