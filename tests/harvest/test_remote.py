"""Parts of files by HTTP: what a server may do, and what it may not get away with."""

from __future__ import annotations

import gzip
import inspect
import io
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.harvest import remote
from envdoctor.harvest.remote import TAIL_BYTES, Client, RemoteFile, Streamed, Unreadable
from tests.harvest.server import broken_off, busy, chunked, endless, hanging_up, saying, whole

if TYPE_CHECKING:
    from tests.harvest.server import Handler, Index

BYTES = random.Random(1).randbytes(200_000)  # noqa: S311 - the same bytes each time
PATH = "/files/x/x-1.0-py3-none-any.whl"
SAME_SERVER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def put(index: Index, content: bytes = BYTES) -> str:
    return index.root + index.add("x", "x-1.0-py3-none-any.whl", content)


# --- single parts


def test_a_part_is_the_bytes_that_were_asked_for_and_the_size_of_the_whole(index: Index, client: Client) -> None:
    url = put(index)
    assert client.part(url, 10, 19) == (BYTES[10:20], len(BYTES))
    assert client.part(url, -16, 0) == (BYTES[-16:], len(BYTES))
    assert client.part(url, len(BYTES) - 4, len(BYTES) + 100) == (BYTES[-4:], len(BYTES))
    assert (client.traffic.requests, client.traffic.body_bytes) == (3, 30)


def test_the_end_of_a_file_that_is_shorter_than_what_is_asked_for_is_all_of_it(index: Index, client: Client) -> None:
    url = put(index, b"short")
    assert client.part(url, -TAIL_BYTES, 0) == (b"short", 5)


@pytest.mark.parametrize("size", [0, 1, TAIL_BYTES - 1, TAIL_BYTES, TAIL_BYTES + 1])
def test_files_around_the_size_of_the_first_read_are_read_whole(index: Index, client: Client, size: int) -> None:
    url = put(index, BYTES[:size])
    if size == 0:
        with pytest.raises(Unreadable, match="HTTP status 416"):
            RemoteFile(client, url)
        return
    assert RemoteFile(client, url).read() == BYTES[:size]
    assert len(index.asked) == (2 if size > TAIL_BYTES else 1)


def test_a_small_file_of_a_server_without_ranges_is_read_whole_and_once(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = whole
    file = RemoteFile(client, url)
    file.seek(1000)
    assert file.read(10) == BYTES[1000:1010]
    file.follow(5000, 100)
    file.seek(5000)
    assert file.read(100) == BYTES[5000:5100]
    assert len(index.asked) == 1
    assert client.part(url, 7, 9) == (BYTES[7:10], len(BYTES))


@pytest.mark.parametrize("limit", [len(BYTES) - 1, 0])
def test_a_large_file_of_a_server_without_ranges_is_not_read(
    index: Index, client: Client, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(remote, "MAX_WHOLE_BYTES", limit)
    url = put(index)
    index.manners[PATH] = whole
    with pytest.raises(Unreadable, match="the index serves whole files only, no ranges"):
        RemoteFile(client, url)


def test_a_file_whose_length_is_not_announced_is_not_read_whole(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = chunked
    with pytest.raises(Unreadable, match="whole files only"):
        client.part(url, -10, 0)
    with pytest.raises(Unreadable, match="HTTP status 200"):
        next(client.stream(url, 0, 10))


@pytest.mark.parametrize(
    "said",
    ["bytes 0-9/200000", "bytes 11-19/200000", "bytes 10-18/200000", "bytes 10-19/*", "", "bytes x", "bytes 10-19/12",
     "bytes 10-19/" + "9" * 5000, "bytes 19-10/200000"],
)  # fmt: skip
def test_another_range_than_was_asked_for_is_refused(index: Index, client: Client, said: str) -> None:
    url = put(index)
    index.manners[PATH] = saying(206, BYTES[10:20], Content_Range=said)
    with pytest.raises(Unreadable):
        client.part(url, 10, 19)
    with pytest.raises(Unreadable):
        next(client.stream(url, 10, 19))


@pytest.mark.parametrize("length", [5, 15])
def test_a_body_shorter_or_longer_than_its_range_is_refused(index: Index, client: Client, length: int) -> None:
    url = put(index)
    index.manners[PATH] = saying(206, BYTES[:length], Content_Range="bytes 10-19/200000")
    with pytest.raises(Unreadable, match=r"5 bytes where 10 were announced|more than 10 bytes"):
        client.part(url, 10, 19)
    with pytest.raises(Unreadable, match=r"5 bytes where 10 were announced|more than 10 bytes"):
        list(client.stream(url, 10, 19))


def test_a_transfer_that_breaks_off_is_said_to_have(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = broken_off(1000)
    with pytest.raises(Unreadable, match="broke off: "):
        client.part(url, -5000, 0)
    with pytest.raises(Unreadable, match="broke off"):
        client.whole(url, 1_000_000)
    with pytest.raises(Unreadable, match="broke off"):
        list(client.stream(url, 0, 5000))
    with pytest.raises(Unreadable, match="broke off"):
        list(client.beginning(url, 1_000_000))


def test_a_body_without_end_is_left(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = endless
    with pytest.raises(Unreadable, match="more than 1000000 bytes"):
        client.whole(url, 1_000_000)
    with pytest.raises(Unreadable, match="more than 1000000 bytes"):
        list(client.beginning(url, 1_000_000))


def test_a_size_that_only_an_archive_announces_is_not_held_in_memory(index: Index, client: Client) -> None:
    url = put(index)
    with pytest.raises(Unreadable, match="a part of 67108865 bytes"):
        client.part(url, 0, remote.MAX_PART_BYTES)
    assert index.asked == []


def test_a_body_that_is_packed_otherwise_than_said_or_unpacks_without_end_is_left(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = saying(206, BYTES[10:20], Content_Range="bytes 10-19/200000", Content_Encoding="gzip")
    with pytest.raises(Unreadable, match="broke off: ContentDecodingError"):
        client.part(url, 10, 19)
    index.manners[PATH] = saying(200, gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
    with pytest.raises(Unreadable, match="more than 1000000 bytes"):
        client.whole(url, 1_000_000)


# --- servers that are busy, gone, elsewhere


def test_a_busy_server_is_asked_again(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = busy(2)
    assert client.part(url, 0, 3) == (BYTES[:4], len(BYTES))
    assert len(index.asked) == 3


def test_a_server_that_stays_busy_is_given_up_after_four_tries(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = busy(99, 429)
    with pytest.raises(Unreadable, match="HTTP status 429"):
        client.part(url, 0, 3)
    assert len(index.asked) == remote.TRIES


def test_what_is_not_there_is_asked_for_once(index: Index, client: Client) -> None:
    with pytest.raises(Unreadable, match="HTTP status 404"):
        client.whole(f"{index.root}/files/nothing", 100)
    assert len(index.asked) == 1


def test_a_server_that_hangs_up_is_asked_again_and_then_said_to_give_no_answer(index: Index, client: Client) -> None:
    url = put(index)
    index.manners[PATH] = hanging_up
    with pytest.raises(Unreadable, match="no answer: ConnectionError"):
        client.part(url, 0, 3)
    assert len(index.asked) >= remote.TRIES


def test_nobody_listening_is_no_answer(index: Index) -> None:
    with pytest.raises(Unreadable, match="no answer: ConnectionError"):
        Client(pause_s=0).whole("http://127.0.0.1:1/simple/x/", 100)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "x",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://*.x/",
        "//x/y",
        "",
    ],
)
def test_an_address_that_is_none_of_http_is_refused(client: Client, url: str) -> None:
    with pytest.raises(Unreadable, match="its address is none of http or https"):
        client.whole(url, 100)


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=60)
def test_no_address_without_a_host_makes_another_error(text: str) -> None:
    with pytest.raises(Unreadable):
        Client(pause_s=0).part(f"http://127.0.0.1:1/{text}", 0, 1)
    with pytest.raises(Unreadable):
        Client(pause_s=0).whole(f"x{text}", 1)


def test_redirections_are_followed_with_the_range_and_their_bodies_are_not_read(index: Index, client: Client) -> None:
    url = put(index)
    index.manners["/files/old"] = saying(302, b"x" * 100_000, Location=url)
    assert client.part(f"{index.root}/files/old", 3, 5) == (BYTES[3:6], len(BYTES))
    assert [one.range for one in index.asked] == ["bytes=3-5"] * 2
    index.manners["/files/old"] = saying(307, b"", Location=url, Content_Length="99999999999")
    assert client.part(f"{index.root}/files/old", 3, 5) == (BYTES[3:6], len(BYTES))


def test_a_redirection_whose_body_never_ends_is_followed_at_once(index: Index, client: Client) -> None:
    url = put(index)

    def manner(handler: Handler) -> bool:
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        with suppress(OSError):
            while True:
                handler.wfile.write(bytes(65536))
        return True

    index.manners["/files/old"] = manner
    assert client.part(f"{index.root}/files/old", 3, 5) == (BYTES[3:6], len(BYTES))


@pytest.mark.parametrize("target", ["/files/old", "file:///etc/passwd", "http://[", ""])
def test_redirections_in_a_circle_or_to_no_address_end(index: Index, client: Client, target: str) -> None:
    index.manners["/files/old"] = saying(302, b"", Location=target)
    with pytest.raises(Unreadable):
        client.part(f"{index.root}/files/old", 3, 5)


# --- a file


READS = st.tuples(
    st.integers(0, 210_000), st.integers(-1, 30_000), st.integers(0, 40_000), st.sampled_from(["read", "fetch", "follow"])
)


@SAME_SERVER
@given(st.lists(READS, max_size=8))
def test_reads_at_random_places_give_the_bytes_of_the_file(
    index: Index, client: Client, reads: list[tuple[int, int, int, str]]
) -> None:
    file = RemoteFile(client, put(index))
    for place, length, ahead, how in reads:
        if how == "fetch":
            file.fetch(place, ahead)
        elif how == "follow" and place < len(BYTES) and ahead > 0:
            file.follow(place, ahead)
        assert file.seek(place) == place == file.tell()
        assert file.read(length) == (BYTES[place:] if length < 0 else BYTES[place : place + length])


def test_a_read_that_reaches_behind_the_end_of_a_stream_has_all_its_bytes(index: Index, client: Client) -> None:
    file = RemoteFile(client, put(index))
    assert file.readable()
    assert file.seekable()
    file.follow(0, 1000)
    assert file.read(400) == BYTES[:400]
    assert file.read(1000) == BYTES[400:1400]
    assert file.read(10) == BYTES[1400:1410]
    file.seek(0)
    assert file.readall() == BYTES


@SAME_SERVER
@given(st.lists(st.tuples(st.integers(-300_000, 300_000), st.sampled_from([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END])), max_size=8))
def test_it_seeks_as_a_file_does(index: Index, client: Client, seeks: list[tuple[int, int]]) -> None:
    file, real = RemoteFile(client, put(index)), io.BytesIO(BYTES)
    for offset, whence in seeks:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: real.tell(), io.SEEK_END: len(BYTES)}[whence]
        if base + offset < 0:
            with pytest.raises(Unreadable, match="before its own beginning"):
                file.seek(offset, whence)
            file.seek(0)
            real.seek(0)
        else:
            assert file.seek(offset, whence) == real.seek(offset, whence)
    assert file.read(10) == real.read(10)


def test_a_long_piece_is_one_request_and_a_gap_in_it_is_skipped(index: Index, client: Client) -> None:
    file = RemoteFile(client, put(index))
    index.asked.clear()
    file.follow(100, 100_000)
    file.seek(100)
    assert file.read(30) == BYTES[100:130]
    file.seek(200)  # an extra field
    assert b"".join(file.read(7919) for _ in range(12)) == BYTES[200 : 200 + 12 * 7919]
    assert len(index.asked) == 1


def test_a_new_piece_closes_the_stream_of_the_one_before(index: Index, client: Client) -> None:
    file = RemoteFile(client, put(index, BYTES * 20))
    streams = []
    for start in (0, 500_000, 1_000_000, 1_500_000):
        file.follow(start, 2_000_000)
        file.seek(start)
        assert file.read(10) == (BYTES * 20)[start : start + 10]
        streams.append(file._stream)
    assert [inspect.getgeneratorstate(one) for one in streams if one] == ["GEN_CLOSED"] * 3 + ["GEN_SUSPENDED"]


def test_a_file_that_changes_its_size_is_not_read_on(index: Index, client: Client) -> None:
    url = put(index)
    file = RemoteFile(client, url)
    index.manners[PATH] = saying(206, BYTES[:100], Content_Range="bytes 0-99/100")
    with pytest.raises(Unreadable, match="it has 100 bytes and had 200000"):
        file.read(1000)


def test_reading_before_the_beginning_or_behind_the_end_asks_for_nothing_that_is_not_there(index: Index, client: Client) -> None:
    file = RemoteFile(client, put(index))
    index.asked.clear()
    file.fetch(300_000, 10)
    file.seek(300_000)
    assert file.read(10) == b""
    assert index.asked == []
    with pytest.raises(Unreadable, match="before its own beginning"):
        file.fetch(-5, 10)


def test_streamed_answers_read_as_one_file_in_any_pieces(index: Index, client: Client) -> None:
    with Streamed(client.beginning(put(index), 1_000_000)) as file:
        assert file.readable()
        assert file.read(10) + file.read(70_000) == BYTES[:70_010]
        assert file.read() == BYTES[70_010:]
        assert file.read(5) == b""
