"""The entries of a tar, read as a stream from someone who may mean harm.

The standard library's reader keeps every entry, takes headers of any length into memory, and leaves by a dozen kinds of
exception. Here an entry is forgotten once it was given out, what is not content has a limit, and whatever is wrong is a
:class:`BadTar`. Nothing is ever extracted, so no name can lead anywhere.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
MAX_EXTENDED = 1024 * 1024
"""Of one extended header; names end at 4 KB, extended attributes at 64 KB."""
MAX_DIGITS = 20
CHUNK = 1024 * 1024
_NAMED_BY = {b"L": "path", b"K": "linkpath"}
_WITHOUT_CONTENT = frozenset("123456")
"""Links, devices, folders and pipes: what their header says of a size is not followed by content."""
_DEVICES = frozenset("34")
_PLAIN = {"0": "0", "\0": "0", "7": "0"}


class BadTar(ValueError):  # noqa: N818 - it reads as a statement
    """The bytes are no tar; says where."""


class Stream(Protocol):
    """Bytes in one direction."""

    def read(self, size: int, /) -> bytes:
        """At most so many, fewer only where it can give no more now; none at its end."""

    def skip(self, size: int, /) -> int:
        """Leave so many out; gives how many there were."""


class Entry(NamedTuple):
    """What a tar says of one file."""

    path: str
    kind: str
    """As in its header: "0" file, "1" hard link, "2" symbolic link, "5" folder ..."""
    size: int
    mode: int
    owner: tuple[int, int]
    names: tuple[str, str]
    """Of its owner and group."""
    mtime: str
    """Seconds, with their fraction where there is one."""
    link: str
    device: tuple[int, int]
    more: tuple[tuple[str, str], ...]
    """What else an extended header says: other times, extended attributes."""
    content: bytes
    """SHA-256 of the content; empty where it was not read."""


class _Place(NamedTuple):
    """Where the content of an entry lies."""

    entry: Entry
    offset: int


def contents(stream: Stream) -> Iterator[Entry]:
    """The entries, each with the digest of its content. Raises BadTar."""
    return (place.entry for place in _Reader(stream, hashing=True).places())


def places(stream: Stream) -> Iterator[tuple[Entry, int]]:
    """The entries, and where the content of each begins; the content is skipped. Raises BadTar."""
    return iter(_Reader(stream, hashing=False).places())


class _Reader:
    def __init__(self, stream: Stream, *, hashing: bool) -> None:
        self.stream = stream
        self.hashing = hashing
        self.offset = 0
        self.everywhere: dict[str, str] = {}
        """What a global header says of all entries behind it."""

    def places(self) -> Iterator[_Place]:
        said: dict[str, str] = {}
        while header := self._header():
            kind = header[156:157]
            if kind in _NAMED_BY:
                said[_NAMED_BY[kind]] = _text(self._extended(header)).split("\0", 1)[0]
            elif kind in {b"x", b"g"}:
                told = said if kind == b"x" else self.everywhere
                told.update(_records(self._extended(header)))
                if sum(len(key) + len(value) for key, value in told.items()) > MAX_EXTENDED:
                    raise BadTar("its extended headers are too large")
            else:
                yield self._entry(header, {**self.everywhere, **said})
                said = {}

    def _header(self) -> bytes:
        """The next header; empty at the end."""
        header = self._take(BLOCK, may_end=True)
        if not header or not header.strip(b"\0"):
            return b""
        said = header[148:156].strip(b" \0")
        if not said.isdigit() or said != b"%0*o" % (len(said), sum(header) - sum(header[148:156]) + 8 * 32):
            raise BadTar(f"at byte {self.offset - BLOCK} is no header of a tar")
        return header

    def _entry(self, header: bytes, said: dict[str, str]) -> _Place:
        kind = _text(header[156:157])
        kind = _PLAIN.get(kind, kind)
        ustar = header[257:263] == b"ustar\0"
        path = said.pop("path", "") or _path(header, ustar=ustar)
        if kind == "0" and header[156:157] == b"\0" and path.endswith("/"):
            kind = "5"  # the oldest tars mark folders by their name alone
        if kind == "S":
            self._skip_map(header)
        size = _given(said, "size", header[124:136])
        entry = Entry(
            path=path,
            kind=kind,
            size=0 if kind in _WITHOUT_CONTENT else size,
            mode=_number(header[100:108], "mode"),
            owner=(_given(said, "uid", header[108:116]), _given(said, "gid", header[116:124])),
            names=(_named(said, "uname", header[265:297]), _named(said, "gname", header[297:329])),
            mtime=said.pop("mtime", "") or str(_number(header[136:148], "mtime")),
            link=said.pop("linkpath", "") or _cut(header[157:257]),
            device=(_number(header[329:337], "device"), _number(header[337:345], "device")) if kind in _DEVICES else (0, 0),
            more=tuple(sorted(said.items())),
            content=b"",
        )
        offset = self.offset
        if entry.size:
            entry = entry._replace(content=self._content(entry.size))
        elif self.hashing:
            entry = entry._replace(content=_NOTHING)
        return _Place(entry, offset)

    def _content(self, size: int) -> bytes:
        padding = -size % BLOCK
        if not self.hashing:
            self._skip(size + padding)
            return b""
        digest = hashlib.sha256()
        left = size
        while left:
            piece = self.stream.read(min(left, CHUNK))
            if not piece:
                raise BadTar("it ends inside a file")
            digest.update(piece)
            left -= len(piece)
        self.offset += size
        self._take(padding)
        return digest.digest()

    def _skip_map(self, header: bytes) -> None:
        """Pass over the blocks that say where an old sparse file has its holes."""
        goes_on = header[482]
        while goes_on:
            goes_on = self._take(BLOCK)[504]

    def _extended(self, header: bytes) -> bytes:
        size = _number(header[124:136], "size")
        if size > MAX_EXTENDED:
            raise BadTar(f"a header of {size} bytes")
        return self._take(size + -size % BLOCK)[:size]

    def _take(self, size: int, *, may_end: bool = False) -> bytes:
        """Exactly so many bytes; none where it ends here and may."""
        pieces = []
        left = size
        while left:
            piece = self.stream.read(left)
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        if left and not (may_end and left == size):
            raise BadTar(f"it ends at byte {self.offset + size - left}, inside an entry")
        self.offset += size - left
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _skip(self, size: int) -> None:
        found = self.stream.skip(size)
        self.offset += found
        if found != size:
            raise BadTar("it ends inside a file")


_NOTHING = hashlib.sha256().digest()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _cut(raw: bytes) -> str:
    return _text(raw.split(b"\0", 1)[0])


def _path(header: bytes, *, ustar: bool) -> str:
    name, above = _cut(header[:100]), _cut(header[345:500]) if ustar else ""
    return f"{above}/{name}" if above else name


def _named(said: dict[str, str], key: str, field: bytes) -> str:
    """A name of the extended header, or else of the field."""
    text = said.pop(key, None)
    return _cut(field) if text is None else text


def _given(said: dict[str, str], key: str, field: bytes) -> int:
    """A number of the extended header, or else of the field."""
    text = said.pop(key, None)
    if text is None:
        return _number(field, key)
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadTar(f"its {key} is no number")
    return int(text)


def _number(field: bytes, what: str) -> int:
    """Octal digits, or the binary form that GNU tar has for what is too large for them."""
    if field[0] & 0x80:
        if not field[0] & 0x40:
            return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
        if what != "mtime":
            raise BadTar(f"its {what} is negative")
        return int.from_bytes(field, "big", signed=True)
    digits = field.strip(b" \0").split(b"\0", 1)[0]
    if digits.strip(b"01234567"):
        raise BadTar(f"its {what} is no number")
    return int(digits or b"0", 8)


def _records(body: bytes) -> dict[str, str]:
    """The records of an extended header: each has its length, a key and a value, and ends its line."""
    found = {}
    at = 0
    while at < len(body) and body[at : at + 1] != b"\0":
        digits, _, _ = body[at : at + MAX_DIGITS].partition(b" ")
        if not digits.isdigit():
            raise BadTar("an extended header is damaged")
        length = int(digits)
        record = body[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if length <= len(digits) or at + length > len(body) or not equals or not value.endswith(b"\n"):
            raise BadTar("an extended header is damaged")
        found[_text(key)] = _text(value[:-1])
        at += length
    return found
