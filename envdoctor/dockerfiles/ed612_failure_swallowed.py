"""An install whose failure does not stop the build.

## What it checks
pip, uv, conda and apt installs that are followed by `|| true`, `|| echo ...`, by `;` or a line end and another command
without `set -e`, or by `| tee` without pipefail. A condition (`if pip install ...`), a second attempt (`pip install a || pip
install b`) and a message with `exit 1` are none.

## Why it breaks
The status of a RUN is that of its last command. The image is built, tagged and pushed without the package, and the failure
shows as an ImportError on a node that costs money by the hour. The body of a here-document runs without `set -e` too.

## What to do
Join the commands by `&&`, begin a here-document with `set -e`, and use `SHELL ["/bin/bash", "-o", "pipefail", "-c"]` where
pipes are.

## Sources
- https://docs.docker.com/build/building/best-practices/ (using pipes)
- https://docs.docker.com/reference/dockerfile/#run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.dockerfiles.apt import apt
from envdoctor.dockerfiles.sheet import BEST_PRACTICES, finding
from envdoctor.dockerfiles.swallowed import swallowed
from envdoctor.findings import Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Sheet

CODE = "ED612"
CAUSE = "install-failure-swallowed"
QUESTION = "Does a failed install stop the build?"
SOURCES = (BEST_PRACTICES, Source("https://docs.docker.com/reference/dockerfile/#run", "2026-11-26"))


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each install."""
    lines = {id(placed.install.run): placed.install for placed in sheet.installs}
    for _, step in sheet.dockerfile.steps():
        for index, run in enumerate(step.runs):
            install = lines.get(id(run))
            other = apt(run) if install is None else None
            if install is None and (other is None or other.verb != "install"):
                continue
            how = swallowed(step.runs, index)
            if how is None:
                continue
            what = install.tool if install is not None else f"{run.argv[0]} install"
            yield finding(
                sheet,
                code=CODE,
                cause=CAUSE,
                line=run.line,
                title=f"a failing {what} does not stop the build: {how}",
                severity=Severity.WARNING if install is not None else Severity.INFO,
                why="The image is built without the package, and the failure shows as an ImportError when it runs.",
                advice="Join the commands by &&, or begin with set -e.",
                sources=SOURCES,
            )
