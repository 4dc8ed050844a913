"""What an image is made of: ``images/<target>/image.toml``, read as hostile input."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file, upwards
from envdoctor.wording import harmless, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "images"
FIRST_USER, LAST_USER = 1000, 65533
FILE = "image.toml"
MAX_BYTES = 64 * 1024
_WORDS = {
    "target": r"[a-z0-9][a-z0-9-]{0,79}",
    "image": r"[a-z0-9][a-z0-9._/:-]{0,254}",
    "digest": r"sha256:[0-9a-f]{64}",
    "snapshot": r"\d{8}T\d{6}Z",
    "package": r"[a-z0-9][a-z0-9.+-]*(?:[a-z0-9]|\+\+)(?:=[A-Za-z0-9.+~:-]+)?",
    "source": r"deb(?:-src)? (?:\[[A-Za-z0-9=,./_ -]+\] )?https?://[A-Za-z0-9./_:{}-]+ [A-Za-z0-9./ _-]+",
    "program": r"python3(?:\.\d+)?",
    "user": r"[a-z_][a-z0-9_-]{0,30}",
    "variable": r"[A-Z_][A-Z0-9_]*",
    "value": r"[^\x00-\x1f\x7f\"\\$`]*",
    "label": r"[a-z0-9][a-z0-9.-]*",
    "apart": r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    "path": r"/[A-Za-z0-9._+@*/-]+",
}
"""What may stand in a Dockerfile without becoming an instruction or a shell word; by field."""

_STRIPPED = re.compile(r"/(?!opt/)[A-Za-z0-9._+@-]+/[A-Za-z0-9._+@-]+")
"""How a path that is stripped begins; the shell that removes it runs as root."""


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The image it stands on."""

    image: str
    """Repository and tag, without a registry: "nvidia/cuda:13.0.1-base-ubuntu24.04"."""
    digest: str | None = None
    """"sha256:..." of the image or its index; None is resolved when it is built, and such a Dockerfile is not written."""
    source: str | None = None
    """Where the digest was read, with the day."""


class Apt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Debian packages of the image that runs; what only the build needs is not among them."""

    packages: tuple[str, ...] = ()
    snapshot: str | None = None
    """Moment of the archive that is installed from, "20261125T000000Z"; None takes the base's own sources as they are."""
    sources: tuple[str, ...] = ()
    """Lines of sources.list with ``{snapshot}`` in them; empty leaves those of the base."""


class User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs in it; never root."""

    name: str = "trainer"
    id: int = 10001


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image.toml. The lock says which GPU, driver, CUDA and packages it is for."""

    target: str
    says: str
    """What it is, in one line; becomes its description."""
    lock: str
    """A lock's name ("h100"), or its path relative to this file ("./ci.toml")."""
    base: Base
    apt: Apt = Apt()
    python: str
    """The program of the base, or of its packages, that the environment is made with: "python3.12"."""
    user: User = User()
    environment: dict[str, str] = {}
    labels: dict[str, str] = {}
    apart: tuple[str, ...] = ()
    """Folders of site-packages that get a layer each: pulled side by side, and kept where only the rest changes."""
    linked: tuple[str, ...] = ()
    """Packages of which the check inside the build links every compiled module, beside those of the GPU stack."""
    bytecode: bool = True
    """Compile .pyc files, with hashes instead of times: imports are faster, the image is larger."""
    strip: tuple[str, ...] = ()
    """What the base or its packages bring and nobody needs, as absolute glob patterns; never a file of the environment."""
    why: dict[str, str]
    """Why each thing was chosen, one line each, by its field."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An image.toml and the folder that it stands in."""

    folder: str
    asked: Asked


def locate(target: str, folder: str = FOLDER) -> str:
    """The folder of a target: a path that holds an image.toml, or a name under ``images/`` here or in a folder above.

    Raises:
        UserError: there is none.
    """
    if "/" in target or target in {".", ".."}:
        found = os.path.dirname(target) if target.endswith(f"/{FILE}") else target
        if os.path.isfile(os.path.join(found, FILE)):
            return found
        raise UserError(
            f"{target} holds no {FILE}", f"Give a folder with an {FILE} in it, or a target: {', '.join(names(folder))}."
        )
    for place in _places(folder):
        if os.path.isfile(os.path.join(place, target, FILE)):
            return os.path.join(place, target)
    known = names(folder)
    hint = nearest(target, known) if known else f"Run it in a checkout that has {folder}/<target>/{FILE}."
    raise UserError(f"there is no image target {target!r}", hint)


def names(folder: str = FOLDER) -> tuple[str, ...]:
    """The targets that have an image.toml here."""
    for place in _places(folder):
        if os.path.isdir(place):
            return tuple(sorted(name for name in os.listdir(place) if os.path.isfile(os.path.join(place, name, FILE))))
    return ()


def _places(folder: str) -> Iterable[str]:
    """``folder`` here, as it was named, and in every folder above."""
    return (folder, *(os.path.join(above, folder) for above in [*upwards()][1:]))


def read(target: str, folder: str = FOLDER) -> Place:
    """What is asked for.

    Raises:
        UserError: there is no such target, or its file cannot be read or would put more into a Dockerfile than it says.
    """
    place = locate(target, folder)
    path = os.path.join(place, FILE)
    try:
        asked = msgspec.toml.decode(read_file(path, MAX_BYTES), type=Asked)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is no description of an image: {harmless(str(error))}", "docs/images.md says what stands in it."
        ) from error
    for field, value in _said(asked):
        if not re.fullmatch(_WORDS[field], value):
            raise UserError(f"{path}: {harmless(value)!r} cannot be a {field}", "docs/images.md says what may stand there.")
    _sound(path, asked)
    if asked.user.id == 0 or asked.user.name == "root":
        raise UserError(
            f"{path}: the user is root", "Name another one: a training run needs no root, and its mistakes cost less."
        )
    for pattern in asked.strip:
        if not _STRIPPED.match(pattern) or ".." in pattern.split("/"):
            hint = "Name at least two folders before the first *, none of them under /opt: that is what the image is for."
            raise UserError(f"{path}: {harmless(pattern)!r} is too much to strip", hint)
    return Place(folder=place, asked=asked)


def _sound(path: str, asked: Asked) -> None:
    """Refuse what each field may be by itself and not beside the rest. Raises UserError."""
    if asked.user.id and not FIRST_USER <= asked.user.id <= LAST_USER:
        hint = f"Take one from {FIRST_USER} to {LAST_USER}: those below are the system's own."
        raise UserError(f"{path}: the user has the number {asked.user.id}", hint)
    ours = sorted({"PATH", "VIRTUAL_ENV"} & set(asked.environment))
    if ours:
        raise UserError(f"{path}: {ours[0]} is set by envdoctor, so that /opt/venv is what runs", "Leave it away.")
    twice = sorted({one for one in asked.apart if asked.apart.count(one) > 1})
    if twice:
        raise UserError(f"{path}: apart names {twice[0]} twice", "A folder can have one layer of its own.")


def _said(asked: Asked) -> Iterable[tuple[str, str]]:
    """Everything that will stand in the Dockerfile, with the field it is."""
    yield "target", asked.target
    yield "value", asked.says
    yield "image", asked.base.image
    yield "program", asked.python
    yield "user", asked.user.name
    if asked.base.digest is not None:
        yield "digest", asked.base.digest
    if asked.apt.snapshot is not None:
        yield "snapshot", asked.apt.snapshot
    for field, values in (
        ("package", asked.apt.packages),
        ("source", asked.apt.sources),
        ("apart", asked.apart),
        ("apart", asked.linked),
        ("path", asked.strip),
    ):
        for value in values:
            yield field, value
    for field, table in (("variable", asked.environment), ("label", asked.labels)):
        for name, value in table.items():
            yield field, name
            yield "value", value
