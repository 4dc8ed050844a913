"""The stream of a container's files as a folder: a hostile archive that must not write outside, nor make anything but files.

Python's own extraction filters are newer than the oldest Python that we run on, so nothing of them is used.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

SPARE_BYTES = 10**9
"""What is left free on the disk."""
MAX_MEMBERS = 5_000_000
MAX_DEPTH = 200
CHUNK = 1 << 20
BLOCK = 4096
"""What even an empty file costs."""


class TooLarge(Exception):  # noqa: N818 - an answer
    """It does not fit."""


class BadArchive(Exception):  # noqa: N818 - likewise
    """It is no archive of files."""


def unpack(chunks: Iterable[bytes], folder: str, *, max_bytes: int) -> None:
    """Unpack a stream. Devices, pipes and what would lie outside are left out; owners and set-id bits are not taken over.

    Args:
        chunks: the archive as it comes.
        folder: an empty folder that nobody else can write to.
        max_bytes: of all files together.

    Raises:
        TooLarge: there are more, or too many files.
        BadArchive: the stream is no archive.
    """
    times: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks), CHUNK), mode="r|") as archive:
            _members(archive, folder, max_bytes, times)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TooLarge from error
        raise
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise BadArchive(f"the engine's stream of files is broken: {error}") from error
    for place, member in sorted(times.items(), reverse=True):
        path = os.path.join(folder, place)
        # ours must stay able to read and to delete
        os.chmod(path, stat.S_IMODE(member.mode) & 0o777 | 0o700)
        _timed(path, member)


def _members(archive: tarfile.TarFile, folder: str, left: int, times: dict[str, tarfile.TarInfo]) -> None:
    """All members as they come; ``times`` gets the folders, which keep their times only when all else is there."""
    known: set[str] = {""}
    for number, member in enumerate(archive):
        left -= BLOCK + (member.size if member.isreg() else 0)
        if left < 0 or number >= MAX_MEMBERS:
            raise TooLarge
        # a streamed archive keeps all it has read
        archive.members = []  # type: ignore[attr-defined]
        place = _inside(member.name)
        if place is None:
            continue
        if member.isdir():
            if _folder(folder, place, known):
                times[place] = member
        elif _folder(folder, os.path.dirname(place), known):
            _one(archive, member, folder, place, known)


def _one(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: str, place: str, known: set[str]) -> None:
    """Anything but a folder; its parents are folders of ours."""
    path = os.path.join(folder, place)
    if not (member.isreg() or member.issym() or member.islnk()):
        return
    source = _inside(member.linkname) if member.islnk() else None
    if member.islnk() and not (source and _is_file(folder, source, known)):
        return
    if not _made_free(path):
        return
    if member.issym():
        # kept as it is: whoever reads the folder follows links inside it
        with contextlib.suppress(ValueError, OSError):
            os.symlink(member.linkname, path)
    elif source is not None:
        os.link(os.path.join(folder, source), path, follow_symlinks=False)
    else:
        _file(archive, member, path)


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    content = archive.extractfile(member)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as out:
        while content is not None:
            data = content.read(CHUNK)
            if not data:
                break
            out.write(data)
        os.fchmod(out.fileno(), stat.S_IMODE(member.mode) & 0o777 | 0o600)
    _timed(path, member)


def _timed(path: str, member: tarfile.TarInfo) -> None:
    with contextlib.suppress(OSError, OverflowError, ValueError):
        os.utime(path, (member.mtime, member.mtime))


def _inside(name: str) -> str | None:
    """The path below the folder; None: it leads out of it, or is no path."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or "\0" in name or len(parts) > MAX_DEPTH:
        return None
    return "/".join(parts)


def _folder(folder: str, place: str, known: set[str]) -> bool:
    """Whether it is a folder of ours, made now if nothing was there; False where a link or a file stands on the way."""
    if place in known:
        return True
    path = ""
    for part in place.split("/"):
        path = f"{path}/{part}" if path else part
        if path in known:
            continue
        try:
            os.mkdir(os.path.join(folder, path), 0o700)
        except FileExistsError:
            return False
        except OSError:
            return False
        known.add(path)
    return True


def _is_file(folder: str, place: str, known: set[str]) -> bool:
    """Whether a hard link may lead there: a file or link that lies in a folder of ours."""
    if os.path.dirname(place) not in known:
        return False
    try:
        mode = os.lstat(os.path.join(folder, place)).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _made_free(path: str) -> bool:
    """A later member replaces an earlier one, as tar does; a folder stays."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


class _Chunks(io.RawIOBase):
    """The chunks of a download as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Read on."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
