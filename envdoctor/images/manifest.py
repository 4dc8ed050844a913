"""``images/<target>/manifest.json``: which image was built of what, what was found of it, and how long that took.

It is committed beside the Dockerfile, so nothing of the machine stands in it that made it: no host, user or path of it, and of
registries only what the user has named.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import tempfile
from datetime import date
from typing import Annotated, Literal

import msgspec

from envdoctor.errors import UserError
from envdoctor.facts import Part
from envdoctor.files import read_file
from envdoctor.wording import harmless

FILE = "manifest.json"
FORMAT: Literal[1] = 1
MAX_BYTES = 4 * 1024 * 1024
Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class LayerBuilt(Part, frozen=True, kw_only=True):
    """One layer, lowest first; sizes in bytes."""

    digest: Digest
    diff_id: Digest
    size_bytes: Count
    """Compressed, as it is pulled."""
    unpacked_bytes: Count | None
    says: str
    """What is in it, or the instruction that made it."""


class BaseUsed(Part, frozen=True, kw_only=True):
    """The image it stands on."""

    image: str
    digest: Digest
    how: str
    """How the digest is known: "pinned in image.toml"."""


class LockUsed(Part, frozen=True, kw_only=True):
    """The lock that was installed."""

    name: str
    requirements_sha256: Hash
    made: Day


class EngineUsed(Part, frozen=True, kw_only=True):
    """What built it."""

    version: str
    buildx: str
    store: Literal["containerd", "graphdriver"]
    """Where the engine keeps images: only the first one builds the same bytes twice."""


class Verdict(Part, frozen=True, kw_only=True):
    """What one check said."""

    word: str
    """"clean", "no drift", "not run" ..."""
    counts: dict[str, Count] = {}  # noqa: RUF012 - msgspec copies it
    """{"errors": 0, "warnings": 1} or {"departures": 0, "locked": 183, "proven": 183}."""
    says: str = ""
    """The line that the user saw."""


class Verdicts(Part, frozen=True, kw_only=True):
    """What was found before, inside and after the build."""

    lock: Verdict
    build: Verdict
    """The check as a step of the build."""
    image: Verdict
    """The image looked at from outside."""
    drift: Verdict
    """The image held against its lock."""


class Smoke(Part, frozen=True, kw_only=True):
    """Whether it was tried on a GPU."""

    state: Literal["passed", "failed", "not run"]
    says: str
    """Why it was not run, or what came of it."""
    gpus: tuple[str, ...] = ()


class Manifest(Part, frozen=True, kw_only=True):
    """One image that was built."""

    format: Literal[1] = FORMAT
    target: str
    references: tuple[str, ...]
    """The names that the user has given it."""
    digest: Digest
    """Of the manifest: the same bytes."""
    config_digest: Digest | None
    """None where the engine does not tell it."""
    diff_ids: tuple[Digest, ...]
    """Of the unpacked layers: what engines agree on that compress differently."""
    layers: tuple[LayerBuilt, ...]
    """Empty where the engine writes no OCI archive."""
    base: BaseUsed
    lock: LockUsed
    dockerfile_sha256: Hash
    source_date_epoch: Count
    sbom: str | None
    """Path of its SBOM, relative to this file."""
    engine: EngineUsed
    envdoctor: str
    """Version that built it."""
    data_as_of: Day | None
    """Day of the oldest compatibility data that the verdicts rest on."""
    verdicts: Verdicts
    smoke: Smoke
    reproducible: bool | None
    """Whether a second build without caches gave the same bytes; None: it was not tried."""
    differences: tuple[str, ...]
    """Where it did not."""
    seconds: dict[str, Seconds]
    """What each step took."""
    made: Day
    """UTC."""

    def __post_init__(self) -> None:
        for day in (self.made, self.lock.made, self.data_as_of):
            if day is not None:
                date.fromisoformat(day)
        if self.layers and tuple(one.diff_id for one in self.layers) != self.diff_ids:
            raise ValueError("its layers have other diff_ids than it says")
        if bool(self.differences) != (self.reproducible is False):
            raise ValueError("it is reproducible, or there are differences")
        if self.sbom is not None and (self.sbom.startswith(("/", "~")) or ".." in self.sbom.split("/")):
            raise ValueError("the path of its SBOM leads out of its folder")
        if self.base.image.startswith(("/", "~", ".")) or "://" in self.base.image:
            raise ValueError("its base is named by a place of one machine")

    @property
    def size_bytes(self) -> int:
        """All layers, as they are pulled."""
        return sum(one.size_bytes for one in self.layers)


def path_in(folder: str) -> str:
    """Where the manifest of a target stands."""
    return os.path.join(folder, FILE)


def text(manifest: Manifest) -> str:
    """The file: sorted keys, so that two of them can be compared line by line."""
    body = msgspec.json.encode(manifest, order="sorted")
    return msgspec.json.format(body, indent=2).decode() + "\n"


def write(folder: str, manifest: Manifest) -> str:
    """Write it, whole or not at all; gives its path.

    A file that says the same but for day and times is left alone: an image that was built again to the same bytes is no change to
    commit.

    Raises:
        UserError: it cannot be written.
    """
    path, body = path_in(folder), text(manifest)
    with contextlib.suppress(UserError, FileNotFoundError):
        there = read(folder)
        if (
            msgspec.structs.replace(there, made=manifest.made, seconds=manifest.seconds) == manifest
            and _bytes(path) == text(there).encode()
        ):
            return path
    try:
        os.makedirs(folder, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{FILE}.new-", dir=folder)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(body)
                file.flush()
                os.fchmod(handle, 0o644)  # mkstemp's own mode would hide a committed file from the group
                os.fsync(handle)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}", "Run it in a checkout that you may write, on a disk with room."
        ) from error
    return path


def read(folder: str) -> Manifest:
    """What was built.

    Raises:
        UserError: there is none, or it is none.
    """
    path = path_in(folder)
    name = posixpath.basename(os.path.normpath(folder))
    again = f"Build it again: envdoctor build-image {name}"
    try:
        body = _bytes(path)
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}: the image was not built yet", f"envdoctor build-image {name} writes it.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}", again) from error
    if len(body) > MAX_BYTES:
        raise UserError(f"{path} is larger than {MAX_BYTES >> 20} MiB; no manifest is", again)
    try:
        version = msgspec.json.decode(body, type=_Version).format
        if version > FORMAT:
            raise UserError(f"{path} has format {version}, and this envdoctor knows {FORMAT}", "Update envdoctor.")
        return msgspec.json.decode(body, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is no manifest of an image: {harmless(str(error))}", again) from error


class _Version(msgspec.Struct):
    format: int


def _bytes(path: str) -> bytes:
    return read_file(path, MAX_BYTES + 1)
