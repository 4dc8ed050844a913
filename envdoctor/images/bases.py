"""What an image stands on: a digest, never a tag that moves."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.images.asked import Base

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUT = "oci-layout://"
LOCAL = "local/oci-layout"
"""What a base from a folder is called in the Dockerfile and its labels: paths of this machine stay out of images."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._:/-]{0,254}")
FLOATING = ("latest", "devel", "nightly", "main", "master", "edge", "stable", "rolling", "dev")
"""Tags that are moved on purpose."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """The base that is really built on."""

    base: Base
    """With its digest."""
    context: str | None
    """What the build context ``base`` is set to; None builds on what the Dockerfile names."""
    how: str
    """How the digest is known, in a phrase."""


def resolved(asked: Base, wish: str | None, digest_of: Callable[[str], str]) -> Resolved:
    """The base by digest.

    Args:
        asked: what image.toml says.
        wish: what --base says, or None.
        digest_of: asks the registry, or the folder of an OCI layout, which digest a reference has.

    Raises:
        UserError: it floats, is no reference, or cannot be resolved.
    """
    if wish is None and asked.digest is not None:
        return Resolved(base=asked, context=None, how="pinned in image.toml")
    if wish is not None and wish.startswith(LAYOUT):
        return _layout(wish, digest_of)
    reference = wish if wish is not None else asked.image
    name, at, digest = reference.removeprefix("docker-image://").partition("@")
    if not _REFERENCE.fullmatch(name) or (at and not _DIGEST.fullmatch(digest)):
        raise UserError(f"{reference!r} is no image", "Give NAME:TAG, NAME@sha256:..., or oci-layout://FOLDER.")
    if at:
        how = "named by digest"
    else:
        refuse_floating(name)
        digest, how = digest_of(name), "resolved from its tag now"
    return Resolved(
        base=Base(image=name, digest=digest), context=None if wish is None else f"docker-image://{name}@{digest}", how=how
    )


def _layout(wish: str, digest_of: Callable[[str], str]) -> Resolved:
    folder, at, digest = wish.removeprefix(LAYOUT).partition("@")
    folder = os.path.abspath(os.path.expanduser(folder))
    if at and not _DIGEST.fullmatch(digest):
        raise UserError(f"{wish!r}: {digest!r} is no digest", "Give oci-layout://FOLDER@sha256:..., or only the folder.")
    digest = digest or digest_of(f"{LAYOUT}{folder}")
    if at and not os.path.isfile(os.path.join(folder, "blobs", *digest.split(":"))):
        raise UserError(f"the OCI layout {folder} holds no {digest}", f"What it holds: cat {folder}/index.json")
    how = "named by digest, in a local OCI layout" if at else "read from a local OCI layout"
    return Resolved(base=Base(image=LOCAL, digest=digest), context=f"{LAYOUT}{folder}@{digest}", how=how)


def refuse_floating(name: str) -> None:
    """Refuse a base whose tag is none, or is moved on purpose. Raises UserError."""
    last = name.rpartition("/")[2]
    _, colon, tag = last.partition(":")
    if not colon or tag in FLOATING:
        said = f"its tag {tag!r} is moved on purpose" if colon else "it has no tag, which means latest"
        what = f"the base {name} floats: {said}"
        raise UserError(what, "Name a release, NAME:VERSION, or better NAME@sha256:...; a build of it tomorrow is another image.")
