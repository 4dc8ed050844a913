"""Members of a wheel or sdist that lies on the index: the one file that is wanted, without the rest of the archive."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

from envdoctor.harvest.remote import RemoteFile, Streamed, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from zipfile import ZipInfo

    from envdoctor.harvest.remote import Client

MAX_MEMBERS = 100_000
"""torch's wheels have 13,000."""
MAX_SMALL_BYTES = 8 * 1024 * 1024
"""Of a member that is read into memory: METADATA, a Python file."""
MAX_LARGE_BYTES = 4 * 1024 * 1024 * 1024
"""Of a member that is unpacked to disk: a compiled library."""
MAX_SDIST_BYTES = 96 * 1024 * 1024
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
"""Of a source archive, up to its PKG-INFO."""
LOCAL_HEADER_BYTES = 30
EXTRA_BYTES = 512
"""Room for the extra field of a local header, whose length only the header itself tells."""
GAP_BYTES = 256 * 1024
"""Between two wanted members, read along rather than asked around: it takes less time than another request."""
MAX_PIECE_BYTES = 16 * 1024 * 1024
"""Of members that are asked for together."""
COPY_BYTES = 4 * 1024 * 1024
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What the standard library raises for archives that are damaged or made to hurt."""


class Wheel:
    """A wheel on the index; its table of contents has been read."""

    def __init__(self, client: Client, url: str) -> None:
        self.file = RemoteFile(client, url)
        try:
            self._zip = zipfile.ZipFile(self.file)
        except BROKEN as error:
            raise Unreadable(f"it is no archive: {error}") from error
        self.members = {info.filename: info for info in self._zip.infolist()[:MAX_MEMBERS]}

    def read(self, name: str) -> bytes:
        """A small member. Raises Unreadable: it is not there, too large, or damaged."""
        info = self.members.get(name)
        if info is None:
            raise Unreadable(f"it holds no {name}")
        if info.file_size > MAX_SMALL_BYTES or info.compress_size > MAX_SMALL_BYTES:
            raise Unreadable(f"{name} is {max(info.file_size, info.compress_size)} bytes long")
        _plainly_packed(info)
        try:
            self.file.fetch(*_span(info))
            with self._zip.open(info) as member:
                data = member.read(MAX_SMALL_BYTES + 1)
        except BROKEN as error:
            raise Unreadable(f"{name} is damaged: {error}") from error
        if len(data) != info.file_size:
            raise Unreadable(f"{name} has {len(data)} bytes where {info.file_size} were announced")
        return data

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Small members in the order of the archive, those that lie near each other asked for together. Raises Unreadable."""
        ordered = sorted(names, key=lambda name: self.members[name].header_offset)
        for together in _near(ordered, {name: _span(self.members[name]) for name in ordered}):
            first = self.members[together[0]].header_offset
            self.file.fetch(first, sum(_span(self.members[together[-1]])) - first)
            for name in together:
                yield name, self.read(name)

    def unpack(self, name: str, path: str, told: Callable[[int], None] = lambda _: None) -> None:
        """Write a large member to ``path``; ``told`` hears of the bytes as they are written. Raises Unreadable."""
        info = self.members[name]
        if info.file_size > MAX_LARGE_BYTES:
            raise Unreadable(f"{name} is {info.file_size} bytes long")
        _plainly_packed(info)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file.follow(*_span(info))
        try:
            with self._zip.open(info) as member, open(path, "wb") as out:
                while piece := member.read(COPY_BYTES):
                    out.write(piece)
                    told(len(piece))
        except BROKEN as error:
            raise Unreadable(f"{name} is damaged: {error}") from error

    def metadata(self) -> bytes:
        """The METADATA of its one ``.dist-info`` folder. Raises Unreadable."""
        return self.read(_only([name for name in self.members if name.count("/") == 1 and name.endswith(".dist-info/METADATA")]))


def _span(info: ZipInfo) -> tuple[int, int]:
    return info.header_offset, LOCAL_HEADER_BYTES + len(os.fsencode(info.filename)) + EXTRA_BYTES + info.compress_size


def _near(ordered: list[str], spans: Mapping[str, tuple[int, int]]) -> Iterator[list[str]]:
    """Members in groups without a wide gap in them, none too long for one part."""
    group: list[str] = []
    first = last = 0
    for name in ordered:
        start, length = spans[name]
        if group and (start - last > GAP_BYTES or start + length - first > MAX_PIECE_BYTES):
            yield group
            group = []
        if not group:
            first = start
        group.append(name)
        last = max(last, start + length) if len(group) > 1 else start + length
    if group:
        yield group


def _plainly_packed(info: ZipInfo) -> None:
    """Zipfile unpacks other methods than deflate without a limit, however little is asked for; wheels do not use them."""
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Unreadable(f"{info.filename} is packed by a method that wheels do not use ({info.compress_type})")


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise Unreadable(f"it holds {len(names)} metadata files")
    return names[0]


def sdist_metadata(client: Client, url: str) -> bytes:
    """PKG-INFO of a source archive (the one at its top). Raises Unreadable: not there, or the archive is damaged.

    A tar.gz archive is read as a stream and left where PKG-INFO has been found: near its beginning, as setuptools sorts it.
    """
    try:
        if url.partition("#")[0].endswith(".zip"):
            wheel = Wheel(client, url)
            return wheel.read(_only([name for name in wheel.members if _is_top(name)]))
        pieces = _unpacked(client.beginning(url, MAX_SDIST_BYTES))
        with Streamed(pieces) as source, tarfile.open(fileobj=source, mode="r|") as archive:
            for count, member in enumerate(archive):
                if count > MAX_MEMBERS:
                    break
                if _is_top(member.name) and member.isfile() and member.size <= MAX_SMALL_BYTES:
                    found = archive.extractfile(member)
                    if found is not None:
                        return found.read(MAX_SMALL_BYTES)
    except BROKEN as error:
        raise Unreadable(f"it is no archive: {error}") from error
    raise Unreadable("it holds no PKG-INFO")


def _unpacked(pieces: Generator[bytes]) -> Generator[bytes]:
    """A gzip transfer unpacked, piece by piece: tarfile would unpack it, and what its headers announce, without a limit."""
    machine, length = zlib.decompressobj(zlib.MAX_WBITS | 16), 0
    with closing(pieces):
        for piece in pieces:
            packed, full = piece, True
            while packed or full:
                data = machine.decompress(packed, COPY_BYTES)
                packed, full = machine.unconsumed_tail, len(data) == COPY_BYTES
                length += len(data)
                if length > MAX_UNPACKED_BYTES:
                    raise Unreadable(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
                yield data


def _is_top(name: str) -> bool:
    return name.removeprefix("./").count("/") == 1 and name.endswith("/PKG-INFO")
