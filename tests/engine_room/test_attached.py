"""A program's input and outputs over one socket, with a peer that behaves as engines do."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from envdoctor.engine.attached import TooLate, TooMuch, hang_up, plain_socket, talk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], socket.socket]]:
    """Starts an engine's end of the connection; the other end."""
    pairs: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(act: Callable[[socket.socket], object]) -> socket.socket:
        ours, theirs = socket.socketpair()
        pairs.extend((ours, theirs))

        def run() -> None:
            try:
                act(theirs)
            except OSError:
                return

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return ours

    yield start
    for one in pairs:
        one.close()
    for thread in threads:
        thread.join(5)


def soon() -> float:
    return time.monotonic() + 60


def read_all(one: socket.socket) -> bytes:
    parts = []
    while data := one.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def test_the_input_is_written_its_half_closed_and_both_outputs_told_apart(peer: Callable[..., socket.socket]) -> None:
    def cat(one: socket.socket) -> None:
        data = read_all(one)
        one.sendall(frame(1, data) + frame(2, b"warned"))
        one.close()

    assert talk(peer(cat), b"abc", until=soon(), max_bytes=100) == (b"abc", b"warned")


def test_frames_may_be_cut_anywhere(peer: Callable[..., socket.socket]) -> None:
    def slow(one: socket.socket) -> None:
        for byte in frame(1, b"hello ") + frame(2, b"") + frame(1, b"world"):
            one.sendall(bytes([byte]))
        one.close()

    assert talk(peer(slow), b"", until=soon(), max_bytes=100) == (b"hello world", b"")


def test_neither_side_waits_for_the_other_when_both_have_much_to_say(peer: Callable[..., socket.socket]) -> None:
    many = 3_000_000

    def chatty(one: socket.socket) -> None:
        one.sendall(frame(1, b"x" * many))
        got = read_all(one)
        one.sendall(frame(1, b"%d" % len(got)))
        one.close()

    out, _ = talk(peer(chatty), b"y" * many, until=soon(), max_bytes=2 * many)
    assert out[many:] == b"%d" % many


def test_a_program_that_does_not_read_its_input_is_heard_all_the_same(peer: Callable[..., socket.socket]) -> None:
    def deaf(one: socket.socket) -> None:
        one.sendall(frame(1, b"no thanks"))
        one.shutdown(socket.SHUT_RD)
        time.sleep(0.2)
        one.close()

    ours = peer(deaf)
    assert talk(ours, b"z" * 10, until=soon(), max_bytes=100)[0] == b"no thanks"


def test_too_much_is_refused_as_soon_as_it_is(peer: Callable[..., socket.socket]) -> None:
    def endless(one: socket.socket) -> None:
        while True:
            one.sendall(frame(1, b"y\n" * 10_000))

    ours = peer(endless)
    with pytest.raises(TooMuch):
        talk(ours, b"", until=soon(), max_bytes=100_000)


def test_the_deadline_holds(peer: Callable[..., socket.socket]) -> None:
    started = time.monotonic()
    ours = peer(read_all)  # and says nothing
    with pytest.raises(TooLate):
        talk(ours, b"", until=started + 0.3, max_bytes=100)
    assert time.monotonic() - started < 15


def test_hanging_up_frees_an_engine_that_still_has_output(peer: Callable[..., socket.socket]) -> None:
    gone = threading.Event()

    def endless(one: socket.socket) -> None:
        try:
            while True:
                one.sendall(b"y" * 10_000)
        except OSError:
            gone.set()

    ours = peer(endless)
    time.sleep(0.1)
    hang_up(ours)
    assert gone.wait(5)


def test_only_a_plain_socket_can_be_half_closed() -> None:
    assert plain_socket(object()) is None
    with socket.socket() as one:
        assert plain_socket(one) is one
