"""Talking to a program in a container: its input and both outputs over one socket, with a limit and a deadline."""

from __future__ import annotations

import contextlib
import selectors
import socket as sockets
import time
from typing import Any

HEADER = 8
CHUNK = 1 << 16
ERR = 2


class TooLate(Exception):  # noqa: N818 - an answer, made a sentence by the caller
    """The deadline is over."""


class TooMuch(Exception):  # noqa: N818 - likewise
    """It printed more than was allowed."""


def plain_socket(stream: Any) -> sockets.socket | None:  # noqa: ANN401 - what the SDK hands out
    """The socket under what the SDK hands out; None where its writing half cannot be closed alone (TLS)."""
    inner = stream if isinstance(stream, sockets.socket) else getattr(stream, "_sock", None)
    # an SSLSocket is a socket too, and shutdown() ends its encryption in both directions
    return inner if type(inner) is sockets.socket else None


def hang_up(stream: Any) -> None:  # noqa: ANN401 - what the SDK hands out
    """End the connection in both directions: an engine that has output left for us kills no container before it is rid of it."""
    one = plain_socket(stream)
    if one is not None:
        with contextlib.suppress(OSError):
            one.shutdown(sockets.SHUT_RDWR)
    # the SDK keeps the answer that the connection began as, and that keeps the socket open
    answer = getattr(stream, "_response", None)
    if answer is not None:
        answer.close()
    stream.close()
    if one is not None:
        one.close()


def talk(one: sockets.socket, stdin: bytes, *, until: float, max_bytes: int) -> tuple[bytes, bytes]:
    """Write the input, close that half, and read both outputs to their end.

    Reading and writing go on at once: a program may print before it has read everything, and either pipe may be full.

    Args:
        one: the attached socket.
        stdin: what the program reads.
        until: the deadline, of time.monotonic().
        max_bytes: of both outputs together.

    Raises:
        TooLate: the deadline came first.
        TooMuch: more than ``max_bytes`` were printed.
        OSError: the engine went away.
    """
    one.setblocking(False)  # noqa: FBT003 - its only parameter
    frames = _Frames(max_bytes)
    rest = memoryview(stdin)
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ | (selectors.EVENT_WRITE if rest else 0))
        if not rest:
            _close_writing(one)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TooLate
            for _, events in ready.select(left):
                if events & selectors.EVENT_WRITE:
                    rest = rest[_sent(one, rest) :]
                    if not rest:
                        _close_writing(one)
                        ready.modify(one, selectors.EVENT_READ)
                if events & selectors.EVENT_READ:
                    data = _received(one)
                    if data == b"":
                        return bytes(frames.out), bytes(frames.err)
                    frames.feed(data or b"")


def _sent(one: sockets.socket, rest: memoryview) -> int:
    try:
        return one.send(rest[:CHUNK])
    except BlockingIOError:
        return 0
    except (BrokenPipeError, ConnectionResetError):
        # the program did not want to read it all; what it printed is still to be read
        return len(rest)


def _received(one: sockets.socket) -> bytes | None:
    try:
        return one.recv(CHUNK)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        # the program ended without having read all of its input; what it had printed came before this
        return b""


def _close_writing(one: sockets.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(sockets.SHUT_WR)


class _Frames:
    """The engine sends both outputs as frames: one byte says which, four how long."""

    def __init__(self, max_bytes: int) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self._left = max_bytes
        self._head = bytearray()
        self._body = 0

    def feed(self, data: bytes) -> None:
        """Some bytes, cut anywhere."""
        view = memoryview(data)
        while view:
            if not self._body:
                missing = HEADER - len(self._head)
                self._head += view[:missing]
                view = view[missing:]
                if len(self._head) < HEADER:
                    return
                self._body = int.from_bytes(self._head[4:], "big")
                if not self._body:
                    self._head.clear()
                continue
            piece = view[: self._body]
            self._left -= len(piece)
            if self._left < 0:
                raise TooMuch
            (self.err if self._head[0] == ERR else self.out).extend(piece)
            self._body -= len(piece)
            view = view[len(piece) :]
            if not self._body:
                self._head.clear()
