"""Locks on disk: ``h100.txt`` and ``h100.toml``, written as a pair and read as hostile input."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file, settled, staged, upwards
from envdoctor.locks import edited, form, text
from envdoctor.locks.document import Listed
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.locks.document import ListedPackage, Lock

FOLDER = "lockfiles"
MAX_LOCK_BYTES = 1024 * 1024
"""Of each of the two files; 200 packages take 43 KB."""
MAX_DIFFERENCES = 8
"""Lines of a hand-edited file that are named."""
TARGET = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")

requirements = text.requirements


def sealed(lock: Lock) -> Lock:
    """The lock with the hash of its requirements file filled in."""
    return msgspec.structs.replace(lock, requirements_sha256=_sha256(text.requirements(lock).encode()))


def write(lock: Lock, folder: str = FOLDER) -> tuple[str, str]:
    """Write both files into the folder, which is made if it is not there; gives their paths, the requirements first.

    Comments and order of a TOML file that is there are kept. Each file is replaced whole, the requirements first: whoever is
    killed in between leaves a TOML file whose hash does not fit, which :func:`read` notices.

    Args:
        lock: what to write; ``requirements_sha256`` is filled in here.
        folder: where.

    Raises:
        UserError: the TOML file that is there is not TOML, or the files cannot be written.
        ValueError: the lock holds a value that could not be read back; a bug of who made it.
    """
    lock = sealed(lock)
    lines = text.requirements(lock).encode()
    toml = _beside(os.path.join(folder, lock.target), "toml")
    document = _over(toml, lock).encode()
    paths = (_beside(os.path.join(folder, lock.target), "txt"), toml)
    try:
        os.makedirs(folder, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_only_writer(folder, lock.target))
            new_files = [stack.enter_context(staged(path, body)) for path, body in zip(paths, (lines, document), strict=True)]
            for new, path in zip(new_files, paths, strict=True):
                os.replace(new, path)
            settled(folder)
    except OSError as error:
        hint = "Give a folder on a disk with room that you may write: envdoctor lock ... --output DIR"
        raise UserError(f"the lock cannot be written to {folder}: {error.strerror}", hint) from error
    return paths


def _over(path: str, lock: Lock) -> str:
    """The TOML text, over what is there, proven to read back as the lock."""
    tables = form.tables(lock)
    fresh = edited.document(tables, None)
    if form.read(fresh.encode()) != lock:
        raise ValueError(f"the packages of the lock of {lock.target} are not sorted by name, or one is there twice")
    try:
        old = _bytes(path).decode()
    except (FileNotFoundError, NotADirectoryError):
        return fresh
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is there and cannot be read: {error}", "Move it away and lock again.") from error
    try:
        made = edited.document(tables, old)
        kept = form.read(made.encode()) == lock
    except ValueError as error:
        what = f"{path} is there and cannot be updated: {harmless(str(error))}"
        raise UserError(what, "Mend it or move it away, and lock again.") from error
    if not kept:
        hint = "Move it away and lock again; its comments are then to be brought over by hand."
        raise UserError(f"{path} is there in a form of TOML that cannot be updated in place", hint)
    return made


@contextlib.contextmanager
def _only_writer(folder: str, target: str) -> Iterator[None]:
    """Keep other writers out of the folder, and take away what one that was killed has left there."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another envdoctor is writing a lock to {folder}", "Wait until it has ended, and lock again."
            ) from error
        left = re.compile(rf"\.{re.escape(target)}\.(?:txt|toml)\.new-\w+")
        for name in filter(left.fullmatch, os.listdir(folder)):
            os.unlink(os.path.join(folder, name))
        yield
    finally:
        os.close(handle)


def read(path_or_name: str, folder: str = FOLDER) -> Lock:
    """A lock by the name of its target ("h100": lockfiles/h100.toml here or above), or by the path of either file.

    Raises:
        UserError: there is none; it is damaged; its files do not say the same, and which lines differ.
    """
    path = locate(path_or_name, folder)
    toml, lines = _beside(os.path.splitext(path)[0], "toml"), _beside(os.path.splitext(path)[0], "txt")
    pair = []
    for one in (toml, lines):
        try:
            pair.append(_bytes(one))
        except OSError as error:
            raise UserError(
                f"{one} cannot be read: {error.strerror or error}",
                "A lock is two files, NAME.txt and NAME.toml; `envdoctor lock TARGET` writes both.",
            ) from error
    lock = _parsed(pair[0], pair[1], toml)
    if TARGET.fullmatch(path_or_name) and lock.target != path_or_name:
        hint = f"Name a copy by its path, lock:{toml}, or make its own: envdoctor lock {path_or_name}"
        raise UserError(f"{toml} is a lock of {lock.target}, not of {path_or_name}", hint)
    return lock


def locate(path_or_name: str, folder: str = FOLDER) -> str:
    """The path of a lock's TOML or requirements file.

    Raises:
        UserError: there is none of that name in the folder, here or above.
    """
    if path_or_name.endswith((".toml", ".txt")) or "/" in path_or_name:
        path = os.path.expanduser(path_or_name)
        path = path if path.endswith((".toml", ".txt")) else _beside(path, "toml")
        if not os.path.lexists(path):
            raise UserError(f"there is no lock {path}", "`envdoctor lock TARGET` makes one.")
        return path
    if not TARGET.fullmatch(path_or_name):
        raise UserError(
            f"{path_or_name!r} is no name of a lock", "Give a target's name as in lock:h100, or a path: lock:./file.txt"
        )
    for above in upwards():
        path = os.path.join(above, folder, f"{path_or_name}.toml")
        if os.path.lexists(path):
            return os.path.relpath(path) if above == os.getcwd() else path
    hint = f"`envdoctor lock {path_or_name}` makes it; a lock elsewhere is named by its path: lock:DIR/{path_or_name}.toml"
    raise UserError(f"there is no {folder}/{path_or_name}.toml in this folder or above", hint)


def names(folder: str = FOLDER) -> tuple[str, ...]:
    """The locks that :func:`read` finds by name from here, sorted."""
    found: set[str] = set()
    for above in upwards():
        with contextlib.suppress(OSError):
            found |= {name[:-5] for name in os.listdir(os.path.join(above, folder)) if name.endswith(".toml")}
    return tuple(sorted(name for name in found if TARGET.fullmatch(name)))


def read_requirements(path: str) -> Listed:
    """A requirements file of exact versions, hashed or not, as ``pip freeze`` and ``uv pip compile`` write it.

    Raises:
        UserError: it cannot be read, or a line is anything else than a pinned release.
    """
    try:
        document = _bytes(os.path.expanduser(path))
    except OSError as error:
        hint = "Give a requirements file: lock:requirements.txt"
        raise UserError(f"{path} cannot be read: {error.strerror or error}", hint) from error
    packages = text.listed(document, path)
    if not packages:
        raise UserError(f"{path} names no package", "Write one with: uv pip freeze > requirements.txt")
    return Listed(path=path, packages=packages)


def _parsed(document: bytes, lines: bytes, toml: str) -> Lock:
    try:
        lock = form.read(document)
    except ValueError as error:
        hint = (
            f"Take it from version control again, or make it anew: envdoctor lock {os.path.basename(toml).removesuffix('.toml')}"
        )
        raise UserError(f"{toml} is no lock: {harmless(str(error))}", hint) from error
    txt = _beside(os.path.splitext(toml)[0], "txt")
    same = _sha256(lines) == lock.requirements_sha256
    differences = _differences(lock, text.listed(lines, txt))
    if same and not differences:
        return lock
    shown = "; ".join(differences[:MAX_DIFFERENCES])
    more = f"; and {len(differences) - MAX_DIFFERENCES} more" if len(differences) > MAX_DIFFERENCES else ""
    found = shown + more if differences else "only comments, blanks or the order of its lines are others"
    raise UserError(
        f"{txt} is not the file that {os.path.basename(toml)} was written with ({plural(len(differences), 'package')}): {found}",
        f"It was edited by hand, or the writing was interrupted. `envdoctor lock {lock.target}` writes both anew (a version that "
        "you want goes on its command line); to judge the list as it is, copy it to another name: lock:FILE.txt",
    )


def _differences(lock: Lock, packages: tuple[ListedPackage, ...]) -> list[str]:
    """What the requirements say otherwise than the lock, one phrase a package."""
    told = {one.name: one for one in packages}
    said = {one.name: one for one in lock.packages}
    found = []
    for name in sorted(told.keys() | said.keys()):
        ours, theirs = said.get(name), told.get(name)
        if ours is None and theirs is not None:
            found.append(f"{name}=={theirs.version} is only in the .txt")
        elif theirs is None and ours is not None:
            found.append(f"{name}=={ours.version} is only in the .toml")
        elif ours is not None and theirs is not None and theirs.version != ours.version:
            found.append(f"{name} is {theirs.version}, in the .toml {ours.version}")
        elif ours is not None and theirs is not None and theirs.sha256 != (ours.sha256,):
            found.append(f"{name} {ours.version} has another hash")
    return found


def _bytes(path: str) -> bytes:
    document = read_file(path, MAX_LOCK_BYTES + 1)
    if len(document) > MAX_LOCK_BYTES:
        raise OSError(0, f"it is larger than {MAX_LOCK_BYTES // 1024 // 1024} MiB")
    return document


def _beside(stem: str, kind: str) -> str:
    return f"{stem}.{kind}"


def _sha256(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()
