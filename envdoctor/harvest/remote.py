"""Parts of files on a package index, read by HTTP ranges and counted. The answers are hostile until they are checked."""

from __future__ import annotations

import io
import re
import threading
import time
from typing import TYPE_CHECKING

import requests
from typing_extensions import override

from envdoctor import __version__

if TYPE_CHECKING:
    from collections.abc import Generator

AGENT = f"envdoctor/{__version__} (compatibility matrix)"
TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two pieces of an answer."""
TRIES = 4
RETRY_AFTER_S = 1.0
"""Wait before the second try; doubled before each further one."""
BUSY = frozenset({408, 429, 500, 502, 503, 504})
TAIL_BYTES = 16 * 1024
"""The first read of an archive: its end, where the table of contents is. Most wheels of pure Python need no more than this
and the piece that holds METADATA."""
MARGIN_BYTES = 48 * 1024
"""Read before a table of contents that is larger than the tail: wheels put their metadata right before it."""
PIECE_BYTES = 1024 * 1024
MAX_WHOLE_BYTES = 32 * 1024 * 1024
"""Of a file that is read as a whole where the index serves no parts of files."""
MAX_PART_BYTES = 64 * 1024 * 1024
"""Of a part that is held in memory, whatever size an archive announces for it; torch's table of contents has 2 MB."""
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)


class Unreadable(Exception):  # noqa: N818 - a result of reading, recorded beside the file
    """The index did not give what was asked for; the message says what it gave instead."""


class Traffic:
    """What was asked of the index: requests, and bytes of the bodies read. Safe to add to from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.body_bytes = 0

    def add(self, *, requests: int = 0, body_bytes: int = 0) -> None:
        """Count."""
        with self._lock:
            self.requests += requests
            self.body_bytes += body_bytes


class Client:
    """Asks one index. Each thread has a connection of its own, so four workers are four connections."""

    def __init__(self, traffic: Traffic | None = None, pause_s: float = RETRY_AFTER_S) -> None:
        self.traffic = traffic or Traffic()
        self.pause_s = pause_s
        self._local = threading.local()

    def _session(self) -> requests.Session:
        found: requests.Session | None = getattr(self._local, "session", None)
        if found is None:
            found = self._local.session = requests.Session()
            found.headers["User-Agent"] = AGENT
            found.hooks["response"].append(_without_body)
            found.mount("https://", requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=1))
        return found

    def get(self, url: str, headers: dict[str, str], expected: frozenset[int]) -> requests.Response:
        """An answer whose body has not been read yet, with one of the expected statuses; busy servers are asked again.

        Raises:
            Unreadable: another status, or no answer in the end.
        """
        why = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            try:
                # as it lies there: a compressed transfer would make a mess of ranges
                asked = {"Accept-Encoding": "identity", **headers} if "Range" in headers else headers
                answer = self._session().get(url, headers=asked, stream=True, timeout=TIMEOUT_S)
            except ValueError as error:  # what requests and urllib3 say of addresses, also of one that an answer redirects to
                raise Unreadable("its address is none of http or https") from error
            except requests.RequestException as error:
                why = f"no answer: {type(error).__name__}"
                continue
            self.traffic.add(requests=1)
            if answer.status_code in expected:
                return answer
            answer.close()
            why = f"HTTP status {answer.status_code}"
            if answer.status_code not in BUSY:
                break
        raise Unreadable(why)

    def body(self, answer: requests.Response, limit: int) -> bytes:
        """The whole body. Raises Unreadable when it is longer than ``limit`` bytes or breaks off."""
        parts: list[bytes] = []
        length = 0
        try:
            for piece in answer.iter_content(PIECE_BYTES):
                length += len(piece)
                if length > limit:
                    raise Unreadable(f"an answer of more than {limit} bytes")
                parts.append(piece)
        except requests.RequestException as error:
            raise Unreadable(f"the answer broke off: {type(error).__name__}") from error
        finally:
            answer.close()
            self.traffic.add(body_bytes=length)
        return b"".join(parts)

    def whole(self, url: str, limit: int, accept: str = "*/*") -> tuple[bytes, requests.Response]:
        """The body at an address and the answer that carried it. Raises Unreadable."""
        answer = self.get(url, {"Accept": accept}, frozenset({200}))
        return self.body(answer, limit), answer

    def part(self, url: str, first: int, last: int) -> tuple[bytes, int]:
        """The bytes first..last (both included) of a file and the size of the whole; a negative ``first`` counts from the end.

        From a server that serves whole files only, a part counted from the end is the whole file, if that is small.

        Raises:
            Unreadable: the server does not serve parts of files, or gives others than were asked for.
        """
        if first >= 0 and last - first >= MAX_PART_BYTES:
            raise Unreadable(f"a part of {last - first + 1} bytes")
        wanted = f"bytes={first}" if first < 0 else f"bytes={first}-{last}"
        answer = self.get(url, {"Range": wanted}, frozenset({200, 206}))
        if answer.status_code != 206:  # noqa: PLR2004 - partial content
            whole = self._whole_instead(answer)
            return (whole if first < 0 else whole[first : last + 1]), len(whole)
        length, size = _length(answer, first, last)
        body = self.body(answer, length)
        if len(body) != length:
            raise Unreadable(f"{len(body)} bytes where {length} were announced")
        return body, size

    def _whole_instead(self, answer: requests.Response) -> bytes:
        length = answer.headers.get("Content-Length", "")
        if _LENGTH.fullmatch(length) is None or int(length) > MAX_WHOLE_BYTES:
            answer.close()
            raise Unreadable("the index serves whole files only, no ranges")
        return self.body(answer, MAX_WHOLE_BYTES)

    def stream(self, url: str, first: int, last: int) -> Generator[bytes]:
        """The same bytes piece by piece, for what is too large to hold. Raises Unreadable."""
        answer = self.get(url, {"Range": f"bytes={first}-{last}"}, frozenset({206}))
        length, _ = _length(answer, first, last)
        return self._pieces(answer, PIECE_BYTES, length, exact=True)

    def beginning(self, url: str, limit: int) -> Generator[bytes]:
        """A file from its beginning, in small pieces, at most ``limit`` bytes of it. Raises Unreadable."""
        return self._pieces(self.get(url, {}, frozenset({200})), TAIL_BYTES, limit)

    def _pieces(self, answer: requests.Response, size: int, limit: int, *, exact: bool = False) -> Generator[bytes]:
        length = 0
        try:
            for piece in answer.iter_content(size):
                length += len(piece)
                self.traffic.add(body_bytes=len(piece))
                if length > limit:
                    raise Unreadable(f"an answer of more than {limit} bytes")
                yield piece
            if exact and length != limit:
                raise Unreadable(f"{length} bytes where {limit} were announced")
        except requests.RequestException as error:
            raise Unreadable(f"the answer broke off: {type(error).__name__}") from error
        finally:
            answer.close()


def _without_body(answer: requests.Response, *_: object, **__: object) -> None:
    """Requests reads the body of a redirection to its end, however long it is: close it before that."""
    if answer.is_redirect:
        answer.close()


def _length(answer: requests.Response, first: int, last: int) -> tuple[int, int]:
    """Bytes of the part that was asked for, and of the whole file. Raises Unreadable: it is another part."""
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if found is None:
        answer.close()
        raise Unreadable(f"an answer without its range: {answer.headers.get('Content-Range')!r}")
    start, end, size = map(int, found.groups())
    begins = max(0, size + first) if first < 0 else first
    ends = size - 1 if first < 0 else min(last, size - 1)
    if (start, end) != (begins, ends) or end < start:
        answer.close()
        raise Unreadable(f"bytes {start}-{end} of {size} instead of {begins}-{ends}")
    return end - start + 1, size


class Streamed(io.RawIOBase):
    """An answer as a file that is read once from its beginning, for tarfile; leaving it ends the transfer."""

    def __init__(self, pieces: Generator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._buffer = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        parts, length = [self._buffer], len(self._buffer)
        while size < 0 or length < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            length += len(piece)
        whole = b"".join(parts)
        wanted = len(whole) if size < 0 else size
        self._buffer = whole[wanted:]
        return whole[:wanted]

    @override
    def close(self) -> None:
        self._pieces.close()
        super().close()


class RemoteFile(io.RawIOBase):
    """A file on the index as a seekable file, for zipfile: its end is read at once, anything else when it is asked for.

    Pieces once read are kept. :meth:`follow` reads one long piece as a stream instead.
    """

    def __init__(self, client: Client, url: str) -> None:
        super().__init__()
        self._client = client
        self._url = url
        tail, self.size = client.part(url, -TAIL_BYTES, 0)
        self._pieces: list[tuple[int, bytes]] = [(self.size - len(tail), tail)]
        self._position = 0
        self._stream: Generator[bytes] | None = None
        self._buffer = b""
        self._stream_at = 0

    @override
    def seekable(self) -> bool:
        return True

    @override
    def readable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = base + offset
        if self._position < 0:
            raise Unreadable(f"the archive points before its own beginning ({self._position})")
        return self._position

    @override
    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._from_stream(wanted) if self._stream is not None and self._skipped_to(self._position) else None
        if data is None:
            data = self._from_pieces(self._position, wanted)
        self._position += len(data)
        return data

    @override
    def readall(self) -> bytes:
        return self.read(-1)

    def follow(self, first: int, length: int) -> None:
        """Read ``length`` bytes from ``first`` on as one stream while they are asked for in order."""
        last = min(first + length, self.size) - 1
        if self._stream is not None:
            self._stream.close()  # before another connection is opened
            self._stream = None
        if any(start <= first and last < start + len(piece) for start, piece in self._pieces):
            return
        self._stream, self._stream_at, self._buffer = self._client.stream(self._url, first, last), first, b""

    def fetch(self, first: int, length: int) -> None:
        """Read a piece in one request that will be asked for in several reads."""
        self._from_pieces(first, min(length, self.size - first))

    def _skipped_to(self, position: int) -> bool:
        """Whether the stream is at that place, perhaps after leaving out a little (an extra field of a local header)."""
        gap = position - self._stream_at
        return gap == 0 or (0 < gap <= MARGIN_BYTES and self._from_stream(gap) is not None)

    def _from_stream(self, wanted: int) -> bytes | None:
        parts, length = [self._buffer], len(self._buffer)
        while length < wanted and self._stream is not None:
            piece = next(self._stream, None)
            if piece is None:
                self._stream = None
                break
            parts.append(piece)
            length += len(piece)
        whole = b"".join(parts)
        if length < wanted:  # it reaches behind the end of the stream
            self._buffer = whole
            return None
        self._buffer = whole[wanted:]
        self._stream_at += wanted
        return whole[:wanted]

    def _from_pieces(self, first: int, wanted: int) -> bytes:
        if wanted <= 0:
            return b""
        if first < 0:
            raise Unreadable(f"the archive points before its own beginning ({first})")
        for start, piece in self._pieces:
            if start <= first and first + wanted <= start + len(piece):
                return piece[first - start : first - start + wanted]
        start, tail = self._pieces[0]
        if first < start <= first + wanted:
            # it reaches into the end that is here already: what lies between is asked for, and the metadata before it
            begin = max(0, first - MARGIN_BYTES)
            self._pieces[0] = (begin, self._part(begin, start - 1) + tail)
        else:
            self._pieces.append((first, self._part(first, first + wanted - 1)))
        return self._from_pieces(first, wanted)

    def _part(self, first: int, last: int) -> bytes:
        data, size = self._client.part(self._url, first, last)
        if size != self.size:
            raise Unreadable(f"it has {size} bytes and had {self.size}")
        return data
