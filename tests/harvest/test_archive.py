"""Members of archives that lie on an index: few requests for the honest, a clear word for the damaged and the hostile."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.harvest import archive as archives
from envdoctor.harvest.archive import Wheel, sdist_metadata
from envdoctor.harvest.remote import Unreadable
from tests.harvest.samples import archive, metadata, sdist, wheel
from tests.harvest.server import whole

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.harvest.remote import Client
    from tests.harvest.server import Index

NAME = "x-1.0-py3-none-any.whl"
SAID = metadata("x", "1.0", "torch==2.5.1")
NOISE = random.Random(2).randbytes(3_000_000)  # noqa: S311 - bytes that do not pack
SAME_SERVER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)


def put(index: Index, content: bytes, name: str = NAME) -> str:
    return index.root + index.add("x", name, content)


def test_metadata_of_a_small_wheel_costs_one_request(index: Index, client: Client) -> None:
    url = put(index, wheel("x", "1.0", SAID, {"x/__init__.py": b"x = 1\n"}))
    assert Wheel(client, url).metadata() == SAID
    assert len(index.asked) == 1


def test_metadata_of_a_large_wheel_costs_three_requests_and_a_fraction_of_its_bytes(index: Index, client: Client) -> None:
    members = {f"x/module_{number}.py": b"x = 1\n" for number in range(400)} | {"x/large.bin": NOISE}
    url = put(index, wheel("x", "1.0", SAID, members))
    assert Wheel(client, url).metadata() == SAID
    assert len(index.asked) <= 3
    assert client.traffic.body_bytes < 150_000


def test_a_member_in_the_middle_is_one_more_request(index: Index, client: Client) -> None:
    members = {"x/first.bin": NOISE[:500_000], "x/wanted.py": b"y = 2\n" * 3000, "x/last.bin": NOISE[500_000:1_000_000]}
    found = Wheel(client, put(index, wheel("x", "1.0", SAID, members)))
    before = len(index.asked)
    assert found.read("x/wanted.py") == members["x/wanted.py"]
    assert len(index.asked) == before + 1


def test_a_large_member_is_unpacked_as_one_stream_and_told_of(index: Index, client: Client, tmp_path: Path) -> None:
    found = Wheel(client, put(index, wheel("x", "1.0", SAID, {"x/a.bin": NOISE, "x/b.bin": b"b" * 9_000_000})))
    index.asked.clear()
    told: list[int] = []
    found.unpack("x/a.bin", str(tmp_path / "deep" / "a"), told.append)
    found.unpack("x/b.bin", str(tmp_path / "deep" / "b"), told.append)
    assert (tmp_path / "deep" / "a").read_bytes() == NOISE
    assert (tmp_path / "deep" / "b").read_bytes() == b"b" * 9_000_000
    assert sum(told) == len(NOISE) + 9_000_000
    assert len(index.asked) <= 2


def test_a_server_without_ranges_gives_the_same_members(index: Index, client: Client, tmp_path: Path) -> None:
    url = put(index, wheel("x", "1.0", SAID, {"x/a.bin": NOISE}))
    index.manners[f"/files/x/{NAME}"] = whole
    found = Wheel(client, url)
    assert found.metadata() == SAID
    found.unpack("x/a.bin", str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == NOISE
    assert len(index.asked) == 1


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"x/x.py": b""}, "0 metadata files"),
        ({"x-1.0.dist-info/METADATA": SAID, "y-1.0.dist-info/METADATA": SAID}, "2 metadata files"),
        ({"deep/x-1.0.dist-info/METADATA": SAID}, "0 metadata files"),
    ],
)
def test_a_wheel_has_one_metadata_file(index: Index, client: Client, members: dict[str, bytes], says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        Wheel(client, put(index, archive(members))).metadata()


@pytest.mark.parametrize(
    "content", [b"PK", b"not an archive" * 5000, b"PK\x05\x06" + bytes(17), b"PK\x05\x06" + b"\xff" * 18, b"\0" * 22]
)
def test_what_is_no_archive_is_said_to_be_none(index: Index, client: Client, content: bytes) -> None:
    with pytest.raises(Unreadable):
        Wheel(client, put(index, content))


def test_a_member_that_is_not_there_or_is_announced_too_large_is_not_read(index: Index, client: Client, tmp_path: Path) -> None:
    content = wheel("x", "1.0", SAID, {"x/zeros": bytes(archives.MAX_SMALL_BYTES + 1)})
    found = Wheel(client, put(index, content))
    with pytest.raises(Unreadable, match="it holds no x/nothing"):
        found.read("x/nothing")
    with pytest.raises(Unreadable, match="x/zeros is 8388609 bytes long"):
        found.read("x/zeros")
    found.members["x/zeros"].file_size = archives.MAX_LARGE_BYTES + 1
    with pytest.raises(Unreadable, match="x/zeros is 4294967297 bytes long"):
        found.unpack("x/zeros", str(tmp_path / "zeros"))
    assert list(tmp_path.glob("zeros")) == []


def test_a_bomb_that_announces_little_is_cut_where_it_announces(index: Index, client: Client) -> None:
    content = bytearray(wheel("x", "1.0", SAID, {"x/zeros": bytes(50_000_000)}))
    for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(sign)
        struct.pack_into("<I", content, place + offset, 1000)
    with pytest.raises(Unreadable, match="x/zeros is damaged"):
        Wheel(client, put(index, bytes(content))).read("x/zeros")


def test_a_member_that_is_shorter_than_announced_is_refused(index: Index, client: Client) -> None:
    content = bytearray(wheel("x", "1.0", SAID, {"x/a.py": b"x = 1\n" * 50}))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 1000)
    with pytest.raises(Unreadable, match=r"x/a\.py has 300 bytes where 1000 were announced"):
        Wheel(client, put(index, bytes(content))).read("x/a.py")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_refused(index: Index, client: Client, tmp_path: Path, method: int) -> None:
    found = Wheel(client, put(index, archive({"x/zeros": bytes(1_000_000)}, method)))
    with pytest.raises(Unreadable, match="packed by a method that wheels do not use"):
        found.read("x/zeros")
    with pytest.raises(Unreadable, match="packed by a method that wheels do not use"):
        found.unpack("x/zeros", str(tmp_path / "x"))


def test_a_table_of_contents_of_an_announced_gigabyte_is_refused(index: Index, client: Client) -> None:
    content = bytearray(wheel("x", "1.0", SAID))
    struct.pack_into("<II", content, len(content) - 10, 1 << 30, 0)
    with pytest.raises(Unreadable):
        Wheel(client, put(index, bytes(content)))
    assert client.traffic.body_bytes <= len(content)


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_flipped_byte_in_a_member_is_noticed(index: Index, client: Client, tmp_path: Path, place: int) -> None:
    content = bytearray(wheel("x", "1.0", SAID, {"x/a.bin": NOISE[:5000]}))
    content[50 + place * 40] ^= 0xFF
    found = Wheel(client, put(index, bytes(content)))
    with pytest.raises(Unreadable, match=r"x/a\.bin is damaged"):
        found.read("x/a.bin")
    with pytest.raises(Unreadable, match=r"x/a\.bin is damaged"):
        found.unpack("x/a.bin", str(tmp_path / "a"))


def test_a_transfer_that_is_short_is_damaged_and_not_read_on_in_small_pieces(
    index: Index, client: Client, tmp_path: Path
) -> None:
    content = wheel("x", "1.0", SAID, {"x/a.bin": NOISE})
    found = Wheel(client, put(index, content))
    index.asked.clear()

    def short(handler: object) -> bool:
        handler.say(206, content[:200_000], {"Content-Range": handler.headers["Range"].replace("=", " ") + f"/{len(content)}"})  # type: ignore[attr-defined]
        return True

    index.manners[f"/files/x/{NAME}"] = short
    with pytest.raises(Unreadable, match="200000 bytes where"):
        found.unpack("x/a.bin", str(tmp_path / "a"))
    assert len(index.asked) == 1


WHOLE = wheel("x", "1.0", SAID, {"x/a.py": b"x = 1\n" * 50})


@SAME_SERVER
@given(st.binary(max_size=400) | st.builds(lambda cut: WHOLE[:cut], st.integers(0, len(WHOLE))))
def test_random_and_cut_archives_are_unreadable_and_nothing_else(index: Index, client: Client, content: bytes) -> None:
    url = put(index, content or b"x")
    if content == WHOLE:
        return
    with pytest.raises(Unreadable):
        Wheel(client, url).metadata()
    for name in ("x-1.0.zip", "x-1.0.tar.gz"):
        with pytest.raises(Unreadable):
            sdist_metadata(client, put(index, content or b"x", name))


@SAME_SERVER
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_damaged_archives_are_read_or_unreadable_and_nothing_else(
    index: Index, client: Client, damage: list[tuple[int, int]]
) -> None:
    content = bytearray(WHOLE)
    for place, value in damage:
        content[place] = value
    try:
        found = Wheel(client, put(index, bytes(content)))
        for name in found.members:
            found.read(name)
    except Unreadable:
        pass


# --- sdists


def test_pkg_info_of_an_sdist_is_read_and_the_transfer_ends_there(index: Index, client: Client) -> None:
    url = put(index, sdist("x", "1.0", SAID, {"setup.py": b"setup()\n"}), "x-1.0.tar.gz")
    assert sdist_metadata(client, url) == SAID
    assert len(index.asked) == 1


def test_pkg_info_near_the_beginning_costs_the_beginning(index: Index, client: Client) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, content in (("x-1.0/PKG-INFO", SAID), ("x-1.0/data.bin", NOISE)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    assert sdist_metadata(client, put(index, out.getvalue(), "x-1.0.tar.gz")) == SAID
    assert client.traffic.body_bytes < 100_000


def test_an_sdist_may_be_a_zip_archive(index: Index, client: Client) -> None:
    content = archive({"x-1.0/PKG-INFO": SAID, "x-1.0/x.egg-info/PKG-INFO": b"other"})
    assert sdist_metadata(client, put(index, content, "x-1.0.zip") + "#sha256=0") == SAID


@pytest.mark.parametrize(
    "content",
    [sdist("x", "1.0", None, {"x.egg-info/PKG-INFO": SAID}), b"", b"not an archive" * 100, sdist("x", "1.0", SAID)[:100]],
)
def test_an_sdist_without_pkg_info_at_its_top_is_unreadable(index: Index, client: Client, content: bytes) -> None:
    with pytest.raises(Unreadable):
        sdist_metadata(client, put(index, content, "x-1.0.tar.gz"))


def test_a_link_or_a_folder_called_pkg_info_is_none(index: Index, client: Client) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo("x-1.0/PKG-INFO")
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
    with pytest.raises(Unreadable, match="it holds no PKG-INFO"):
        sdist_metadata(client, put(index, out.getvalue(), "x-1.0.tar.gz"))


def test_an_sdist_of_too_many_members_is_left(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    members = {f"{number}.py": b"" for number in range(20)}
    with pytest.raises(Unreadable, match="it holds no PKG-INFO"):
        sdist_metadata(client, put(index, sdist("x", "1.0", SAID, members), "x-1.0.tar.gz"))


def test_an_sdist_that_is_too_large_is_left(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_SDIST_BYTES", 100_000)
    url = put(index, sdist("x", "1.0", SAID, {"data.bin": NOISE}), "x-1.0.tar.gz")
    with pytest.raises(Unreadable, match="more than 100000 bytes"):
        sdist_metadata(client, url)


def test_an_sdist_that_unpacks_without_end_is_left(index: Index, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 5_000_000)
    url = put(index, sdist("x", "1.0", SAID, {"zeros": bytes(20_000_000)}), "x-1.0.tar.gz")
    with pytest.raises(Unreadable, match="unpacks to more than 5000000 bytes"):
        sdist_metadata(client, url)
