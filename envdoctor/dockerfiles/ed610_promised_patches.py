"""A patch that is promised, and not applied.

## What it checks
A .patch or .diff file that is copied into the image by name and that no later command names, no script that runs could apply
and no pattern covers; `patch`, `git apply` and `git am` of a file that COPY should have brought and the build context does
not have; and a patch, or an edit of site-packages with sed, whose failure nobody sees (`|| true`, a `;` behind it).

## Why it breaks
The image builds and lacks the repair that its author counts on. A patch stops to apply as soon as the package below it moves
on; then `|| true` turns "Hunk FAILED" into silence, and the old fault shows up in a training run.

## What to do
Let it fail: `RUN git -C /opt/vllm apply /tmp/fix.patch`, or `patch -p1 < /tmp/fix.patch` joined by `&&`; remove a patch that
is no longer needed.

## Sources
- https://git-scm.com/docs/git-apply (fails as a whole if a hunk does not apply)
- https://docs.docker.com/reference/dockerfile/#run
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.sheet import finding
from envdoctor.dockerfiles.swallowed import swallowed
from envdoctor.findings import Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Sheet
    from envdoctor.dockerfiles.stages import Executed, Stage, Step

CODE = "ED610"
CAUSE = "patch-not-applied"
QUESTION = "Is every patch that the Dockerfile brings really applied?"
ENDINGS = (".patch", ".diff")
PACKAGES = re.compile(r"(?:site|dist)-packages")
SOURCE = Source("https://git-scm.com/docs/git-apply", "2026-11-26")


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """Copied and not applied, applied and not there, failed and not noticed."""
    for stage, step in sheet.dockerfile.steps():
        for name in brought(step):
            if not used(sheet, stage, step, name):
                yield unused(sheet, step.instruction.line, name)
        for index, run in enumerate(step.runs):
            if not patches(run):
                continue
            how = swallowed(step.runs, index)
            if how is not None:
                yield unseen(sheet, run, how)
            for path in named(run):
                yield from absent(sheet, stage, step, run, path)


def brought(step: Step) -> list[str]:
    """The names of the patch files that a COPY or ADD brings by name."""
    if step.instruction.keyword not in {"COPY", "ADD"} or len(step.words) < 2:  # noqa: PLR2004
        return []
    *sources, target = step.words
    found = [posixpath.basename(one) for one in sources if one.endswith(ENDINGS) and not any(mark in one for mark in "*?[$")]
    if len(found) == 1 and target.endswith(ENDINGS):
        return [posixpath.basename(target)]
    return found


def used(sheet: Sheet, stage: Stage, step: Step, name: str) -> bool:
    """Whether anything later names the file, may cover it by a pattern or folder, or runs a script that could apply it."""
    later = False
    for other, after in sheet.dockerfile.steps():
        if after is step:
            later = True
            continue
        if not later and other is stage:
            continue
        one = after.instruction
        text = " ".join((one.value, *one.flags, *(doc.body for doc in one.heredocs)))
        if name in text or re.search(r"\*\.?(?:patch|diff)\b|\*\.(?:patch|diff)|git\s+am\b|quilt|patches\b", text):
            return True
        if one.keyword in {"COPY", "ADD"} and (one.flag("from") or "").lower() in {
            (stage.name or "-").lower(),
            str(stage.number),
        }:
            return True
        if one.keyword in {"CMD", "ENTRYPOINT"} or any(script(run) for run in after.runs):
            return True
    return False


def script(run: Executed) -> bool:
    """Whether a command runs a script of which the Dockerfile does not say what it does."""
    return run.argv[0].startswith(("./", "/")) or any(word.endswith((".sh", ".py")) for word in run.argv) or run.argv[0] == "make"


def patches(run: Executed) -> bool:
    """Whether a command applies a patch, or edits an installed package."""
    words = run.argv
    if words[0] == "git":
        return ("apply" in words or "am" in words) and not any(
            word in {"--check", "--stat", "--abort", "--numstat"} for word in words
        )
    if words[0] == "patch":
        return "--dry-run" not in words and "--version" not in words
    return (
        words[0] == "sed"
        and any(word.startswith("-i") or word == "--in-place" for word in words)
        and bool(PACKAGES.search(" ".join(words)))
    )


def named(run: Executed) -> list[str]:
    """The patch files that a command reads."""
    if run.argv[0] == "sed":
        return []
    words = [*run.argv[1:], *(target for operator, target in run.redirects if operator == "<")]
    return [word for word in words if word.endswith(ENDINGS) and not any(mark in word for mark in "*?[$")]


def absent(sheet: Sheet, stage: Stage, step: Step, run: Executed, path: str) -> Iterator[LineFinding]:
    """A patch file that a bind mount or COPY of this Dockerfile should bring and that the context does not have."""
    if sheet.context is None:
        return
    origin = sheet.bound(step, path, run.cwd)
    if origin is None or sheet.context.read(origin) is not None:
        return
    yield finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=run.line,
        title=f"{posixpath.basename(path)} is applied, but {origin} is not in the build context",
        severity=Severity.ERROR,
        why="The command fails, or with it what it was to mend.",
        advice=f"Add {origin} to the build context, or remove the line.",
        sources=(SOURCE,),
        subjects=(stage.name or "",) if stage.name else (),
    )


def unused(sheet: Sheet, line: int, name: str) -> LineFinding:
    """The finding on a file that lies there."""
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=line,
        title=f"{name} is copied into the image and nothing applies it",
        severity=Severity.WARNING,
        why="The image lacks the repair that the file promises.",
        advice="Apply it where the code is, or remove the line:",
        write=(f"RUN git -C FOLDER apply {name}",),
        sources=(SOURCE,),
    )


def unseen(sheet: Sheet, run: Executed, how: str) -> LineFinding:
    """The finding on a patch that may fail in silence."""
    what = "an edit of an installed package" if run.argv[0] == "sed" else "a patch"
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=run.line,
        title=f"{what} may fail without anybody noticing: {how}",
        severity=Severity.WARNING,
        why="When the code below moves on, the patch no longer applies; the build goes on and the image lacks the repair.",
        advice="Join the commands by && and let it fail:",
        write=(" ".join(run.argv),),
        sources=(SOURCE, Source("https://docs.docker.com/reference/dockerfile/#run", "2026-11-26")),
    )
