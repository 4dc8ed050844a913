"""The committed Dockerfile of a target: generated, written, compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.images.asked import FILE
from envdoctor.images.dockerfile import dockerfile

if TYPE_CHECKING:
    from envdoctor.images.asked import Place
    from envdoctor.locks.document import Lock

NAME = "Dockerfile"


def text(place: Place, lock: Lock) -> str:
    """The Dockerfile that image.toml and the lock make.

    Raises:
        UserError: the base has no digest: such a file would build another image tomorrow.
    """
    base = place.asked.base
    if base.digest is None:
        where = os.path.join(place.folder, FILE)
        hint = f"Write its digest into {where}; a build says it: envdoctor build-image {place.asked.target}"
        raise UserError(f"the base {base.image} has no digest", hint)
    return dockerfile(place.asked, lock)


def write(place: Place, lock: Lock, *, dry: bool = False) -> tuple[str, bool]:
    """Write it beside image.toml, unless ``dry``; gives its path and whether the one that was there is the same.

    Raises:
        UserError: the base has no digest, or the file cannot be written.
    """
    path, wanted = os.path.join(place.folder, NAME), text(place, lock)
    same = _there(path) == wanted
    if not same and not dry:
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(wanted)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}", "Run it in a checkout that you may write.") from error
    return path, same


def stale(place: Place, lock: Lock) -> tuple[str, ...]:
    """A note where a Dockerfile is there that is not what would be written."""
    path = os.path.join(place.folder, NAME)
    there = _there(path)
    if there is None or place.asked.base.digest is None or there == dockerfile(place.asked, lock):
        return ()
    return (f"{path} is out of date and was not used; `envdoctor build-image {place.asked.target} --write-only` renews it",)


def _there(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None
