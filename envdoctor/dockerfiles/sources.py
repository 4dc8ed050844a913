"""What a Dockerfile takes from its build context, and which folder that probably is."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.dockerfiles.context import Context

if TYPE_CHECKING:
    from envdoctor.dockerfiles.stages import Dockerfile

LEVELS = 5
"""Folders above the Dockerfile that may be the context."""
ROOTS = (".git", ".hg")


class Asked(NamedTuple):
    """A path that is taken from the context, and the line that does it."""

    path: str
    line: int


def asked(dockerfile: Dockerfile) -> list[Asked]:
    """Sources of COPY, ADD and bind mounts that can only be paths of the context; the whole context is not listed."""
    found = []
    for _, step in dockerfile.steps():
        one = step.instruction
        if one.keyword in {"COPY", "ADD"} and one.flag("from") is None and len(step.words) > 1:
            found += [Asked(word, one.line) for word in step.words[:-1]]
        for mount in one.flags_of("mount"):
            parts = dict(part.partition("=")[::2] for part in mount.split(","))
            if parts.get("type", "bind") == "bind" and "from" not in parts:
                found.append(Asked(parts.get("source") or parts.get("src") or ".", one.line))
    return [one for one in found if is_path(one.path)]


def is_path(word: str) -> bool:
    """Whether a source names something in the context: no address, no unknown variable, not the context itself."""
    if "$" in word or "://" in word or word.startswith(("git@", "<<")):
        return False
    return posixpath.normpath(word.lstrip("/") or ".") not in {".", ""}


def guessed(dockerfile: Dockerfile, path: str) -> Context:
    """The folder of the Dockerfile, or the nearest one above it that has more of what it copies, up to the repository's root."""
    folder = os.path.dirname(os.path.abspath(path))
    wanted = asked(dockerfile)
    best = Context(folder, path, chosen=False)
    most = sum(best.has(one.path) is None for one in wanted)
    for _ in range(LEVELS):
        if most == len(wanted) or any(os.path.lexists(os.path.join(folder, root)) for root in ROOTS):
            break
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
        candidate = Context(folder, path, chosen=False)
        there = sum(candidate.has(one.path) is None for one in wanted)
        if there > most:
            best, most = candidate, there
    return best
