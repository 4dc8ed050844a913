"""A small real environment that is worth breaking, what is true of it down to the mtimes, and a repair of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.plans import Move, Repair
from envdoctor.resolver import File, Index, Pinned, uv_program
from tests.applying.wheels import AFTER, BEFORE, file_name, sha256

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"


class Seen(NamedTuple):
    """All that is to be the same of an entry."""

    kind: str
    mode: int
    mtime_ns: int
    content: str


def seen(root: Path, *, leave_out: tuple[str, ...] = ()) -> dict[str, Seen]:
    """Every entry under a folder by its path: bytes, modes, links, times. ``leave_out``: names in the root."""
    found = {}
    for folder, names, files in os.walk(os.fsencode(root)):
        if folder == os.fsencode(root):
            names[:] = [name for name in names if os.fsdecode(name) not in leave_out]
            files[:] = [name for name in files if os.fsdecode(name) not in leave_out]
        for name in (*names, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            mode = stat.S_IMODE(status.st_mode)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(root)))
            if stat.S_ISLNK(status.st_mode):
                found[key] = Seen("link", 0, status.st_mtime_ns, os.fsdecode(os.readlink(path)))
            elif stat.S_ISDIR(status.st_mode):
                found[key] = Seen("dir", mode, status.st_mtime_ns, "")
            else:
                with open(path, "rb") as file:
                    found[key] = Seen("file", mode, status.st_mtime_ns, hashlib.sha256(file.read()).hexdigest())
    return found


def timeless(found: dict[str, Seen]) -> dict[str, Seen]:
    """The same without times: what comes has the time at which it came."""
    return {path: one._replace(mtime_ns=0) for path, one in found.items()}


def uv(*words: str) -> None:
    done = subprocess.run((uv_program(), *words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def build(prefix: Path, url: str) -> None:
    """Make the environment as it is before the repair."""
    uv("venv", "--no-project", "--python", sys.executable, str(prefix))
    asked = (f"{name}=={version}" for name, version in BEFORE.items())
    uv("pip", "install", "--python", str(prefix / "bin/python"), "--no-deps", "--default-index", url, *asked)
    decorate(prefix)


def site(prefix: Path) -> Path:
    return prefix / "lib" / PYTHON / "site-packages"


def decorate(prefix: Path) -> None:
    """What environments have that were lived in."""
    packages = site(prefix)
    cache = packages / "alpha" / "__pycache__"
    cache.mkdir()
    (cache / "old.cpython-00.pyc").write_bytes(b"stale")
    (packages / "space" / "__pycache__").mkdir()
    (packages / "space" / "__pycache__" / "b.cpython-00.pyc").write_bytes(b"stale too")
    (packages / "alpha" / "notes.txt").write_text("written by the user into a package\n")
    (packages / "link.py").symlink_to("stays/__init__.py")
    (packages / "folder-link").symlink_to("stays")
    (packages / "alpha" / "dangling").symlink_to("/nowhere/at/all")
    (packages / "local.pth").write_text("# by hand\n")
    (packages / "empty").mkdir(mode=0o711)
    (packages / "stays" / "secret.txt").write_text("x")
    (packages / "stays" / "secret.txt").chmod(0o600)
    (packages / "stays" / "__init__.py").chmod(0o444)
    (packages / "alpha" / "deep").chmod(0o750)
    os.link(packages / "stays" / "secret.txt", packages / "stays" / "second-name.txt")
    with open(os.path.join(os.fsencode(packages), b"caf\xe9.txt"), "wb") as file:
        file.write(b"no UTF-8 in the name")
    (prefix / "etc").mkdir()
    (prefix / "etc" / "settings.toml").write_text("a = 1\n")
    (packages / "stays" / "data").chmod(0o555)
    for number, path in enumerate(sorted(packages.rglob("*"))):
        if path.is_file() and not path.is_symlink():
            os.utime(path, ns=(10**18, 1_600_000_000_000_000_000 + number * 1_000_007))


def repair(moves: dict[str, tuple[str | None, str | None]] | None = None, *, hashes: dict[str, str] | None = None) -> Repair:
    """From BEFORE to AFTER, or the moves that are named. ``hashes`` by name, blanks between them, replace the right ones."""
    if moves is None:
        names = sorted({*BEFORE, *AFTER})
        moves = {name: (BEFORE.get(name), AFTER.get(name)) for name in names if BEFORE.get(name) != AFTER.get(name)}
    return Repair(
        moves=tuple(
            Move(name=name, before=before, after=after, why="a test", download_bytes=1000)
            for name, (before, after) in moves.items()
        ),
        pins=tuple(pin(name, after, (hashes or {}).get(name)) for name, (_, after) in moves.items() if after is not None),
        mends=(),
        leaves=(),
        commands=(),
        resolved_s=0.0,
    )


def pin(name: str, version: str, hashes: str | None) -> Pinned:
    found = (hashes or sha256(name, version)).split()
    return Pinned(name, version, tuple(File(file_name(name, version), one, 1000, None, "") for one in found))


def again(saved: Path, prefix: Path) -> None:
    """The environment as it was first, at its own place: every byte, mode and time."""
    if prefix.exists():
        shutil.rmtree(prefix)
    subprocess.run(("cp", "-a", str(saved), str(prefix)), check=True)


def index_of(url: str | None) -> Index:
    return Index(default=url)
