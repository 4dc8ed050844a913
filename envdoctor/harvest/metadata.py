"""Which file of a release speaks for it, and what its metadata says."""

from __future__ import annotations

import hashlib
import re
from email.errors import MessageError
from typing import TYPE_CHECKING, NamedTuple

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from envdoctor.harvest.archive import MAX_SMALL_BYTES, Wheel, sdist_metadata
from envdoctor.harvest.remote import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

    from envdoctor.harvest.index import File
    from envdoctor.harvest.remote import Client

MAX_REQUIREMENTS = 2_000
MAX_LINE = 1_000
PREFERRED = ("cp311", "cp312", "cp310", "cp39", "cp38", "cp313", "cp314", "py3")
"""Of several wheels of a release, the first of these speaks for it: metadata is the same in all of them."""
LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_x86_64")


class Said(NamedTuple):
    """What a release's metadata says."""

    requires_python: str | None
    requires: tuple[str, ...]


def tags_of(file: File) -> frozenset[Tag]:
    """The tags of a wheel that a Linux x86_64 machine with CPython may install; empty for any other file."""
    if file.kind != "wheel":
        return frozenset()
    try:
        _, _, _, tags = parse_wheel_filename(file.name)
    except InvalidWheelFilename:
        return frozenset()
    return frozenset(tag for tag in tags if _is_linux(tag.platform) and not tag.abi.endswith("t") and tag.interpreter != "py2")


def _is_linux(platform: str) -> bool:
    return platform in {"any", "linux_x86_64"} or (platform.startswith("manylinux") and platform.endswith("_x86_64"))


def glibc_of(tags: Iterable[Tag]) -> tuple[int, int] | None:
    """The lowest glibc that the manylinux tags name; None for pure Python."""
    found = []
    for tag in tags:
        exact = _MANYLINUX.fullmatch(tag.platform)
        if exact is not None:
            found.append((int(exact[1]), int(exact[2])))
        else:
            found += [glibc for name, glibc in LEGACY.items() if tag.platform == f"{name}_x86_64"]
    return min(found, default=None)


def python_tags(tags: Iterable[Tag]) -> tuple[str, ...]:
    """Python and ABI tags as one writes them short: "cp311" for cp311-cp311, "cp38-abi3", "py3" for py3-none."""
    short = {tag.interpreter if tag.abi in {tag.interpreter, "none"} else f"{tag.interpreter}-{tag.abi}" for tag in tags}
    return tuple(sorted(short, key=lambda text: (len(text.partition("-")[0]), text)))


def speaker(files: Iterable[File]) -> File | None:
    """The file whose metadata is read: a Linux x86_64 or pure wheel if there is one, else any wheel, else the sdist."""

    def order(file: File) -> tuple[int, int, str]:
        tags = tags_of(file)
        rank = min((PREFERRED.index(tag.interpreter) for tag in tags if tag.interpreter in PREFERRED), default=len(PREFERRED))
        return (0 if tags else 1 if file.kind == "wheel" else 2), rank, file.name

    return min(files, key=order, default=None)


def read(client: Client, file: File) -> tuple[Said, Wheel | None]:
    """What the file says, by PEP 658 where the index serves it, else out of the archive; and the wheel, if it was opened.

    Raises:
        Unreadable: the index does not give it, or it is not metadata.
    """
    wheel = None
    if file.metadata is not None:
        data, _ = client.whole(f"{file.url.partition('#')[0]}.metadata", MAX_SMALL_BYTES)
        if file.metadata and hashlib.sha256(data).hexdigest() != file.metadata.lower():
            raise Unreadable("the metadata beside it does not have the hash that the page states")
    elif file.kind == "wheel":
        wheel = Wheel(client, file.url)
        data = wheel.metadata()
    else:
        data = sdist_metadata(client, file.url)
    return parse(data, file), wheel


def _is_of(name: str, file: File) -> bool:
    """Whether a file name begins with that project; only a wheel's tells where its project's name ends."""
    if file.kind == "wheel":
        return canonicalize_name(file.name.partition("-")[0]) == name
    return canonicalize_name(file.name).startswith(f"{name}-")


def parse(data: bytes, file: File) -> Said:
    """Read METADATA or PKG-INFO. Raises Unreadable: it is none, is of another project, or is too long to be meant."""
    try:
        fields, _ = parse_email(data)
    except (MessageError, ValueError, TypeError) as error:
        raise Unreadable(f"its metadata cannot be read: {type(error).__name__}") from error
    name = fields.get("name", "")
    if not name or not _is_of(canonicalize_name(name), file):
        raise Unreadable(f"its metadata is of {name[:60]!r}")
    requires = tuple(dict.fromkeys(" ".join(line.split()) for line in fields.get("requires_dist", ())))
    if len(requires) > MAX_REQUIREMENTS or any(len(line) > MAX_LINE for line in requires):
        raise Unreadable(f"its metadata has {len(requires)} requirements, or one too long to be meant")
    requires_python = fields.get("requires_python")
    if requires_python is not None and len(requires_python) > MAX_LINE:
        raise Unreadable(f"its metadata has a Requires-Python of {len(requires_python)} characters")
    return Said(requires_python, requires)
