"""The tar of a layer as a stream: gzip and plain everywhere, zstd where this Python can."""

from __future__ import annotations

import importlib
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Self

PIECE = 256 * 1024
"""Of compressed bytes, read at once."""
MAX_PIECE = 4 * 1024 * 1024
"""Of unpacked bytes, held at once."""
MAX_UNPACKED = 1 << 40
"""Of one layer; the largest of ours has 10 GB."""
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Unreadable(Exception):  # noqa: N818 - it reads as a statement
    """It cannot be unpacked; ``hint`` where something can be done about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class Stream(Protocol):
    """Bytes in one direction; none at the end."""

    def read(self, size: int, /) -> bytes:
        """At most so many."""


class Ahead:
    """A stream that is unpacked in a thread of its own, one piece ahead of who reads it.

    Unpacking takes most of the time of a comparison and lets go of the interpreter's lock, so two layers unpack at once.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.pool = ThreadPoolExecutor(1)
        self.coming: Future[bytes] = self.pool.submit(self._piece)
        self.held = b""
        self.used = 0

    def _piece(self) -> bytes:
        return self.stream.read(MAX_PIECE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def read(self, size: int, /) -> bytes:
        """At most so many bytes, at least one unless it ends here. Raises Unreadable."""
        if self.used == len(self.held):
            self.held, self.used = self.coming.result(), 0
            if self.held:
                self.coming = self.pool.submit(self._piece)
        piece = self.held[self.used : self.used + size]
        self.used += len(piece)
        return piece

    def skip(self, size: int, /) -> int:
        """Leave so many out; gives how many there were."""
        left = size
        while left and (piece := self.read(min(left, MAX_PIECE))):
            left -= len(piece)
        return size - left


class Unpacked:
    """Bytes of a region of a file, unpacked as they are asked for. Raises Unreadable."""

    def __init__(self, handle: int, offset: int, size: int) -> None:
        self.handle = handle
        self.at = offset
        self.left = size
        self.given = 0
        self.held = b""
        self.used = 0
        """Of what is held, how much was given away."""
        self.raw = b""
        self.make = _maker(os.pread(handle, min(4, size), offset))
        self.inflate: Any = self.make() if self.make else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.held = self.raw = b""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes, at least one unless it ends here."""
        if self.used == len(self.held):
            self.held, self.used = self._more(), 0
        piece = self.held[self.used : self.used + size]
        self.used += len(piece)
        return piece

    def _more(self) -> bytes:
        """The next unpacked bytes; none at the end."""
        if self.inflate is None:
            return self._raw()
        while True:
            if self.inflate.eof:  # several members one after the other are one stream too
                rest = self.inflate.unused_data or self._raw()
                if not rest.strip(b"\0"):
                    return b""
                self.inflate = self.make() if self.make else None
                self.raw = rest
            if not self.raw and _hungry(self.inflate):
                self.raw = self._raw()
                if not self.raw:
                    raise Unreadable("it is cut off")
            piece = self._step()
            self.given += len(piece)
            if self.given > MAX_UNPACKED:
                raise Unreadable(f"it has more than {MAX_UNPACKED >> 30} GiB unpacked")
            if piece:
                return piece

    def _step(self) -> bytes:
        try:
            piece: bytes = self.inflate.decompress(self.raw, MAX_PIECE)
        except (zlib.error, EOFError, ValueError) as error:
            raise Unreadable(f"it is damaged ({error})") from error
        except Exception as error:  # the zstd module's own error, which exists only where the module does
            if type(error).__name__ != "ZstdError":
                raise
            raise Unreadable(f"it is damaged ({error})") from error
        self.raw = getattr(self.inflate, "unconsumed_tail", b"")
        return piece

    def _raw(self) -> bytes:
        piece = os.pread(self.handle, min(PIECE, self.left), self.at)
        if self.left and not piece:
            raise Unreadable("the archive is cut off")
        self.at += len(piece)
        self.left -= len(piece)
        return piece


def _hungry(inflate: Any) -> bool:  # noqa: ANN401 - zlib's and zstd's decompressors have no common type
    """Whether it can give nothing more without more input."""
    return bool(getattr(inflate, "needs_input", True))


def _maker(magic: bytes) -> Any:  # noqa: ANN401 - see above
    """What makes a decompressor for such bytes; None where they are not compressed."""
    if magic.startswith(GZIP):
        return lambda: zlib.decompressobj(wbits=31)
    if magic != ZSTD:
        return None
    try:
        return importlib.import_module("compression.zstd").ZstdDecompressor
    except ImportError:
        hint = "Run envdoctor under Python 3.14 or newer, or build with gzip: -o type=oci,compression=gzip,..."
        raise Unreadable("it is compressed with zstd, which Python can read from 3.14 on", hint) from None
