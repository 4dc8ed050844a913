"""Which of a release's files an installer takes on a machine that is not this one: the first tag that fits decides. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.tags import Tag

    from envdoctor.resolver import File, Pinned

OLDEST_GLIBC = 5
"""glibc 2.5, of manylinux1: no wheel is for an older one."""
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
NOT_FITTING = 1 << 30


@lru_cache(maxsize=8)
def ranks(python: str, glibc: str) -> Mapping[Tag, int]:
    """The wheel tags of CPython ``python`` ("3.12") on x86_64 Linux with that glibc ("2.39"), best first, each with its place."""
    numbers = tuple(int(part) for part in python.split(".")[:2])
    platforms = list(_platforms(int(glibc.split(".")[1])))
    interpreter = f"cp{numbers[0]}{numbers[1]}"
    tags = [*cpython_tags(numbers, platforms=platforms), *compatible_tags(numbers, interpreter, platforms)]
    return {tag: place for place, tag in reversed(list(enumerate(tags)))}


def _platforms(minor: int) -> Iterator[str]:
    for one in range(minor, OLDEST_GLIBC - 1, -1):
        yield f"manylinux_2_{one}_x86_64"
        if one in LEGACY:
            yield f"{LEGACY[one]}_x86_64"
    yield "linux_x86_64"


def chosen(pin: Pinned, python: str, glibc: str) -> File:
    """The file that pip and uv install there: the wheel of the best tag, of several the highest build; else the source.

    Raises:
        UserError: none fits, or the index states no sha256 of it.
    """
    order = ranks(python, glibc)
    wheels = [(place, one) for one in pin.files if one.is_wheel and (place := _place(one.name, order))[0] < NOT_FITTING]
    best = min(wheels, key=lambda pair: (pair[0], pair[1].name))[1] if wheels else None
    found = best or next((one for one in pin.files if not one.is_wheel), None)
    if found is None:
        what = f"{pin.name} {pin.version} has no file for Python {python} on x86_64 Linux with glibc {glibc}"
        raise UserError(what, "Ask for another release of it, or for another Python with --python.")
    if found.sha256 is None:
        what = f"the package index states no sha256 of {found.name}, so it cannot be locked"
        raise UserError(what, "Use an index that states hashes (every PEP 503 index should), with --default-index or --index.")
    return found


def _place(name: str, order: Mapping[Tag, int]) -> tuple[int, int, str]:
    """Where a wheel stands: by its best tag, then by its build number, higher ones first."""
    try:
        _, _, build, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return NOT_FITTING, 0, ""
    number, letters = build or (0, "")
    return min((order[tag] for tag in tags if tag in order), default=NOT_FITTING), -number, letters
