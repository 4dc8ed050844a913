"""Whether the failure of a command in a RUN goes unnoticed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.dockerfiles.stages import Executed

HARMLESS = ("true", ":", "echo", "printf")
ENDS = ("exit", "false", "return", "test", "[")
NEAR = 3
"""Commands behind a message among which an exit still belongs to it."""


def swallowed(runs: Sequence[Executed], index: int) -> str | None:
    """How the failure of a command is swallowed, in words; None if it stops the build or that is not certain."""
    run = runs[index]
    following = runs[index + 1] if index + 1 < len(runs) else None
    if run.condition or following is None:
        return None
    if run.after == "||":
        if following.argv[0] not in HARMLESS or any(one.argv[0] in ENDS for one in runs[index + 1 : index + 1 + NEAR]):
            return None
        return f'"|| {" ".join(following.argv)[:40]}" makes a success of it'
    if run.after == ";" and not run.stops:
        same = following.arms[: len(run.arms)] == run.arms
        # "x; status=$?" and "x; if [ $? ...": somebody looks at it
        looks = any("$?" in word for word in following.argv) or "$?" in "".join(following.sets.values())
        if same and not looks and following.argv[0] not in {*ENDS, "if"}:
            return "the command behind it decides alone (a ; or a line end, without set -e)"
    if run.after == "|" and not run.pipefail and following.argv[0] == "tee":
        return "the status of a pipe is that of its last command (without pipefail)"
    return None
