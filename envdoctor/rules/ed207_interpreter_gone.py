"""The environment's own interpreter does not start.

## What it checks
Whether the target's python could be run. If not, the probe ran under another interpreter and read the environment's files.

## Why it breaks
A virtual environment holds only a link to the Python it was made with. When that Python is removed or upgraded (a system
upgrade, `uv python uninstall`, a deleted pyenv or conda installation, a folder copied into an image without it), the link
points nowhere: "No such file or directory", "bad interpreter".

## What to do
Where the base Python is there and only could not be read or started (permissions, memory, a missing library), mend that.
Otherwise bring the old Python back in its place, or make the environment again and install its packages there: compiled packages
belong to one Python minor, so they cannot be carried to another.

## Sources
- https://docs.python.org/3/library/venv.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import BASE_IS_GONE, Known
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.views import elsewhere, in_root, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED207"
CAUSE = "interpreter-gone"
JOINT = Joint.PYTHON
QUESTION = "Does the environment's interpreter start?"
EXPLAINED_BY = ()

SHORTEST = 4
"""Characters of a path that may be emptied: "/", "~" and "/a" are typing errors."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """Report why the interpreter did not start."""
    why = facts.target.broken
    if why is None:
        return
    python = facts.python.value if isinstance(facts.python, Known) else None
    folder = python.prefix if python is not None else facts.target.spec
    version = parsed(python.version) if python is not None else None
    minor = f"{version.major}.{version.minor}" if version is not None else "3"
    argv: tuple[tuple[str, ...], ...] = ()
    if not why.endswith(BASE_IS_GONE):
        says = (
            "Mend what keeps it from starting: the environment itself may be whole. If it is not, make a new environment with"
            f" Python {minor} and install the packages there."
        )
    elif clearable(facts):
        says = f"Make {folder} again with Python {minor}, which deletes what is in it, and install its packages again."
        argv = ((f"python{minor}", "-m", "venv", "--clear", folder),)
    else:
        says = (
            f"Bring that Python back in its place, or make a new environment with Python {minor} and install the packages there."
        )
    yield Finding(
        code=CODE,
        title=f"the interpreter of {folder} does not start",
        severity=Severity.ERROR,
        layer=Layer.LINKED if in_root(facts) else Layer.LOADED,
        cause=CAUSE,
        subjects=("__python",),
        why='Nothing in this environment can run: "No such file or directory" or "bad interpreter".',
        evidence=(Evidence("starting the interpreter", why, facts.target.spec),),
        sources=(Source("https://docs.python.org/3/library/venv.html", "2026-11-22"),),
        changes=(Change(kind=Kind.SYSTEM, says=says, argv=argv),),
    )


def clearable(facts: Facts) -> bool:
    """Whether a command may empty the folder: surely a virtual environment of this machine, and not what it was made from."""
    if elsewhere(facts) or not isinstance(facts.python, Known):
        return False
    python = facts.python.value
    folder, base = python.prefix.rstrip("/"), python.base_prefix.rstrip("/")
    if python.kind != "venv" or not folder.startswith(("/", "~/")) or len(folder) < SHORTEST or ".." in folder:
        return False
    return folder != base and not base.startswith(f"{folder}/")
