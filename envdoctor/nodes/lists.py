"""The names of the nodes that passed and of those that did not, one a line, in two files that a scheduler takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.errors import UserError
from envdoctor.files import settled, staged

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILING, PASSING = "failing_nodes.txt", "passing_nodes.txt"
HINT = "Give a folder that exists and that you may write: --nodes-out DIR."


class Written(NamedTuple):
    """Where they are."""

    failing: str
    passing: str


def checked(folder: str) -> None:
    """Refuse, before anything is asked, a folder that the files cannot be written to. Raises UserError."""
    if not os.path.isdir(folder or "."):
        raise UserError(f"{folder} is no folder", HINT)
    if not os.access(folder or ".", os.W_OK | os.X_OK):
        raise UserError(f"{folder or 'the working folder'} cannot be written to", HINT)
    for name in (FAILING, PASSING):
        if os.path.isdir(os.path.join(folder, name)):
            raise UserError(f"{os.path.join(folder, name)} is a folder, and the names are to be written there", HINT)


def write(folder: str, failing: Iterable[str], passing: Iterable[str]) -> Written:
    """Put both files in their place; each is whole whatever happens, and both are staged before one is moved.

    Args:
        folder: "" for the working folder.
        failing: names of nodes.
        passing: names of nodes.

    Raises:
        UserError: they cannot be written.
    """
    places = Written(os.path.join(folder, FAILING), os.path.join(folder, PASSING))
    bodies = ["".join(f"{name}\n" for name in names).encode() for names in (failing, passing)]
    try:
        with staged(places.failing, bodies[0]) as first, staged(places.passing, bodies[1]) as second:
            os.replace(first, places.failing)
            os.replace(second, places.passing)
        settled(folder or ".")
    except OSError as error:
        raise UserError(f"the names of the nodes cannot be written to {folder or '.'}: {error.strerror}", HINT) from error
    return places


def option(path: str) -> str:
    """The path as ``srun --exclude`` takes it for a file: with a slash (srun(1): else it is taken for names of nodes)."""
    return path if "/" in path else f"./{path}"
