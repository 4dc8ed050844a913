"""Putting the staged files into the environment, by rename: no file that is there is written into."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envdoctor.applying.installed import installed, recorded
from envdoctor.applying.snapshot import manifest
from envdoctor.applying.tree import OURS, Copier, Entry, half_made, walk
from envdoctor.errors import UserError
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.applying.journal import Place

OF_UV = frozenset({b".lock"})
"""What uv makes in a prefix for itself."""
RESERVED = frozenset({b"pyvenv.cfg", b"bin/python", b"bin/python3"})
"""What makes it an environment at all: no package may bring these."""


def coming(place: Place) -> tuple[Entry, ...]:
    """Everything that is staged, a folder before what it holds.

    Raises:
        UserError: something staged would lie where no package may put anything.
    """
    found = tuple(one for one in walk(place.stage, OF_UV) if one.path)
    for one in found:
        first = one.path.split(b"/", 1)[0]
        if first == OURS or one.path in RESERVED or one.kind == "other":
            raise UserError(
                f"one of the packages would put a file at {_words(one.path)}, which belongs to the environment itself",
                "Nothing was changed. The package that does this is broken or hostile: do not install it.",
            )
        _fits(place, one)
    return found


def _fits(place: Place, one: Entry) -> None:
    """Whether it can be put there without leaving the prefix."""
    path = os.path.join(place.root, one.path)
    if one.kind == "dir" and os.path.isdir(path) and not os.path.realpath(path).startswith(place.root + b"/"):
        raise UserError(
            f"{_words(path)} leads out of the environment, and a package has files for it",
            "Nothing is changed, because what lies outside cannot be undone. Build a new one: envdoctor fix --into NEW_VENV",
        )


def merge(place: Place) -> int:
    """Put all of it into the environment; gives the number of files. Raises OSError, UserError."""
    copier = Copier()
    count = 0
    for one in coming(place):
        source, target = os.path.join(place.stage, one.path), os.path.join(place.root, one.path)
        if one.kind == "dir":
            if not os.path.isdir(target):
                os.mkdir(target)
                os.chmod(target, one.mode)
            _fits(place, one)
            continue
        made = half_made(target)
        if one.kind == "link":
            os.symlink(one.goal, made)
        else:
            copier.link(source, made)  # the stage stays whole: a killed merge begins again with it
        os.replace(made, target)
        count += 1
    return count


def put_back(place: Place) -> tuple[str, ...]:
    """Give distributions that stay the files which went with another one that listed them too.

    Installers remove every file in the RECORD of what goes, whoever else owns it (opencv-python and opencv-python-headless share
    all of cv2). Gives the paths, relative to the prefix.
    """
    before = manifest(place)
    copier = Copier()
    back = []
    for path in _listed_and_gone(place):
        relative = os.path.relpath(path, place.root)
        was = before.get(relative)
        if was is None or was.kind != "file":
            continue
        _folders(place, os.path.dirname(relative), before)
        made = half_made(path)
        kept = os.path.join(place.before, relative)
        if was.copied:
            copier.copy(kept, made)
        else:
            copier.link(kept, made)
        os.replace(made, path)
        back.append(_words(relative))
    return tuple(sorted(back))


def _folders(place: Place, relative: bytes, before: Mapping[bytes, Entry]) -> None:
    path = os.path.join(place.root, relative)
    if not os.path.isdir(path):
        _folders(place, os.path.dirname(relative), before)
        os.mkdir(path)
        os.chmod(path, before[relative].mode)


def _listed_and_gone(place: Place) -> Iterator[bytes]:
    for one in installed(os.fsdecode(place.root)):
        for path in map(os.fsencode, recorded(one)):
            # compiled files follow from their sources; only a whole file inside the prefix is given back
            if path.startswith(place.root + b"/") and not path.endswith(b".pyc") and not os.path.lexists(path):
                yield path


def _words(path: bytes) -> str:
    return harmless(path.decode("utf-8", "replace"))
