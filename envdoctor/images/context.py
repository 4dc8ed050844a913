"""The build context: a folder with all that the Dockerfile copies, the same bytes and modes each time.

Nothing of the user's project goes in: no file that is not named here can end up in an image.
"""

from __future__ import annotations

import os
import re
from importlib import resources
from typing import TYPE_CHECKING

import envdoctor
from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.images.dockerfile import dockerfile
from envdoctor.locks import files, sbom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.images.asked import Asked
    from envdoctor.locks.document import Lock

DOCKERFILE = "Dockerfile"
MAX_FILE = 64 * 1024 * 1024
_OURS = "data/image"
_LEFT_OUT = ("__pycache__",)
_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?:[^\n]*\\\n)*[^\n]*\n", re.MULTILINE)


def write(folder: str, asked: Asked, lock: Lock) -> None:
    """Make the context of an image in an empty folder, which is made if it is not there.

    Args:
        folder: where.
        asked: the image.toml.
        lock: its lock; both of its files go into the image, and its SBOM.

    Raises:
        UserError: the folder is not empty or cannot be written, or the two have no Dockerfile.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        if os.listdir(folder):
            raise UserError(f"{folder} is not empty", "Name a folder that is empty or not there: all of it goes to the engine.")
        for name, body, mode in contents(asked, lock):
            _put(os.path.join(folder, name), body, mode)
        files.write(lock, os.path.join(folder, "lock"))
        for place, _, _ in os.walk(folder):
            os.chmod(place, 0o755)  # noqa: S103 - they go into an image, whatever the umask is here
    except OSError as error:
        hint = "Give a folder on a disk with room that you may write."
        raise UserError(f"the build context cannot be written to {folder}: {error.strerror}", hint) from error


def contents(asked: Asked, lock: Lock) -> Iterator[tuple[str, bytes, int]]:
    """Path, bytes and mode of every file of it but the lock's."""
    requirements = own_requirements()
    yield DOCKERFILE, dockerfile(asked, lock).encode(), 0o644
    yield "requirements/envdoctor.txt", requirements.encode(), 0o644
    yield "requirements/uv.txt", pin(requirements, "uv").encode(), 0o644
    yield f"sbom/{lock.target}.cdx.json", sbom.of_lock(lock).encode(), 0o644
    yield "wheels/.keep", b"", 0o644
    yield "launcher", (resources.files(envdoctor) / _OURS / "envdoctor").read_bytes(), 0o755
    yield "collisions", (resources.files(envdoctor) / _OURS / "collisions").read_bytes(), 0o644
    yield from _package()


def own_requirements() -> str:
    """What envdoctor itself needs in an image, hashed, for every Python that it runs on."""
    return (resources.files(envdoctor) / _OURS / "requirements.txt").read_text(encoding="utf-8")


def pin(requirements: str, name: str) -> str:
    """The lines that pin one package.

    Raises:
        ValueError: it is not there; a bug of who made the file.
    """
    for found in _PIN.finditer(requirements):
        if found["name"] == name:
            return found[0]
    raise ValueError(f"{name} is not pinned")


def _package() -> Iterator[tuple[str, bytes, int]]:
    """Our own files, without what Python compiled of them here."""
    root = os.path.dirname(os.path.abspath(envdoctor.__file__))
    for place, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if one not in _LEFT_OUT)
        for name in sorted(names):
            path = os.path.join(place, name)
            if not name.endswith(".pyc") and not os.path.islink(path):
                yield os.path.join("envdoctor", os.path.relpath(path, root)), read_file(path, MAX_FILE), 0o644


def _put(path: str, body: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(body)
        os.fchmod(handle, mode)
