"""What the command line asks of a build, and what of it can be told to be wrong before anything is done."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.resolver import Index
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from envdoctor.images.asked import Asked
    from envdoctor.locks.document import Lock

_HOST = r"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?"
_TAG = re.compile(_HOST + r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?")
_URL = re.compile(r"(?:https?|file)://\S+")
MAX_TAG = 255


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    tag: str | None = None
    """The name that the image gets; None: envdoctor/<target>:<day of the lock>."""
    push: bool = False
    base: str | None = None
    ca_bundle: str | None = None
    index: Index = Index()
    wheel_cache: str | None = None
    """A folder of wheels that are taken before any index is asked."""
    verify: bool = False
    """Build a second time without caches, and compare."""
    smoke: bool = True
    """Try the image on a GPU, where there is one."""
    no_cache: bool = False
    archive: str | None = None
    """Where the OCI archive is kept; None: it is deleted."""


def checked(asked: Asked, lock: Lock, wishes: Wishes) -> None:
    """Refuse what would only fail after minutes of building.

    Raises:
        UserError: a name, a file or an address that cannot be right, or a Python that is not the lock's.
    """
    if asked.python not in {"python3", f"python{lock.python}"}:
        what = f"image.toml names {asked.python}, and the lock of {lock.target} is for Python {lock.python}"
        raise UserError(
            what, f'Write python = "python{lock.python}", or lock for the other one: envdoctor lock {lock.target} --python ...'
        )
    tag = wishes.tag
    if tag is not None and (not _TAG.fullmatch(tag) or len(tag) > MAX_TAG):
        hint = "Small letters, digits, and . _ - between them: --tag registry.example/team/h100:1"
        raise UserError(f"{harmless(tag)!r} is no name for an image", hint)
    if wishes.push and tag is None:
        raise UserError("--push needs a name with a registry in it", "Say where to: --tag registry.example/team/h100:1 --push")
    if wishes.wheel_cache is not None and not os.path.isdir(wishes.wheel_cache):
        raise UserError(f"--wheel-cache {wishes.wheel_cache} is not a folder", "Name a folder that holds .whl files.")
    above = os.path.dirname(os.path.abspath(wishes.archive or "x"))
    if wishes.archive is not None and not (os.path.isdir(above) and os.access(above, os.W_OK)):
        raise UserError(f"--archive: {above} is no folder that you may write", "Name a file in one: --archive ./h100.tar")
    for address in (wishes.index.default, *wishes.index.extra):
        if address is not None and not _URL.fullmatch(address):
            raise UserError("an index is named by its address", "https://HOST/simple, for --index and --default-index.")
    if wishes.ca_bundle is not None:
        _certificates(wishes.ca_bundle)


def _certificates(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        hint = "Give a PEM file: --ca-bundle /etc/ssl/certs/ca-certificates.crt"
        raise UserError(f"{path} holds no certificates: {error.strerror or 'it is no PEM file'}", hint) from error
