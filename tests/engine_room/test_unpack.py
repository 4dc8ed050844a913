"""The files of a container as a folder, from archives that want to be elsewhere."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from envdoctor.engine.unpack import BadArchive, TooLarge, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 10**9


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in {"mode": 0o644, "mtime": 1_700_000_000, **fields}.items():
        setattr(info, key, value)
    return info, data


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=to)


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for info, data in members:
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def chunks(data: bytes, size: int = 7001) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


def put(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    unpack(chunks(archive(*members)), str(folder), max_bytes=MANY)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_folders_and_links_arrive_with_modes_and_times(folder: Path) -> None:
    put(
        folder,
        member("opt/", type=tarfile.DIRTYPE, mode=0o755),
        member("opt/run", b"#!/bin/sh\n" * 2000, mode=0o755),
        link("opt/again", "run"),
        link("opt/same", "opt/run", tarfile.LNKTYPE),
        member("deep/er/file", b"x"),
    )
    run = folder / "opt" / "run"
    assert run.read_bytes() == b"#!/bin/sh\n" * 2000
    assert stat.S_IMODE(run.stat().st_mode) == 0o755
    assert run.stat().st_mtime == 1_700_000_000
    assert os.readlink(folder / "opt" / "again") == "run"
    assert (folder / "opt" / "same").stat().st_ino == run.stat().st_ino
    assert (folder / "deep" / "er" / "file").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["/etc/passwd", "./etc/passwd", "//etc//passwd"])
def test_absolute_names_lie_inside(folder: Path, name: str) -> None:
    put(folder, member(name, b"x"))
    assert everything(folder) == ["etc", "etc/passwd"]


@pytest.mark.parametrize("name", ["../out", "a/../../out", "..", "/", ".", "a/" * 300 + "b"])
def test_what_would_lie_outside_is_left_out(folder: Path, name: str) -> None:
    put(folder, member(name, b"x"), member("kept", b"y"))
    assert everything(folder) == ["kept"]
    assert sorted(os.listdir(folder.parent)) == ["root"]


def test_a_link_to_a_folder_outside_is_not_followed(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    put(folder, link("out", str(outside)), member("out/file", b"x"), member("out/deeper/file", b"x"), member("kept", b"y"))
    assert everything(outside) == []
    assert sorted(os.listdir(folder)) == ["kept", "out"]


def test_a_folder_cannot_become_a_link_afterwards(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    put(folder, member("d", type=tarfile.DIRTYPE, mode=0o755), link("d", str(outside)), member("d/file", b"x"))
    assert everything(outside) == []
    assert (folder / "d" / "file").read_bytes() == b"x"


def test_a_later_file_replaces_a_link_and_does_not_write_through_it(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(b"mine")
    put(folder, link("file", str(outside)), member("file", b"theirs"))
    assert outside.read_bytes() == b"mine"
    assert (folder / "file").read_bytes() == b"theirs"


@pytest.mark.parametrize("target", ["../outside", "/../outside", "out/secret", "nowhere", "dir"])
def test_hard_links_lead_only_to_files_of_the_archive(folder: Path, target: str) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"mine")
    put(
        folder,
        member("dir", type=tarfile.DIRTYPE),
        link("out", str(outside)),
        link("stolen", target, tarfile.LNKTYPE),
    )
    assert sorted(os.listdir(folder)) == ["dir", "out"]


def test_devices_and_pipes_are_left_out_and_set_id_bits_taken_off(folder: Path) -> None:
    put(
        folder,
        member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("disk", type=tarfile.BLKTYPE, devmajor=8),
        member("pipe", type=tarfile.FIFOTYPE),
        member("su", b"x", mode=0o6755),
        member("tmp", type=tarfile.DIRTYPE, mode=0o1777),
    )
    assert everything(folder) == ["su", "tmp"]
    assert stat.S_IMODE((folder / "su").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "tmp").stat().st_mode) == 0o777


def test_what_nobody_may_read_can_still_be_read_and_deleted_by_us(folder: Path) -> None:
    put(folder, member("d", type=tarfile.DIRTYPE, mode=0), member("d/secret", b"x", mode=0))
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "d" / "secret").stat().st_mode) == 0o600


def test_a_size_limit_counts_what_files_say_before_they_are_written(folder: Path) -> None:
    with pytest.raises(TooLarge):
        unpack(chunks(archive(member("big", b"x" * 100_000))), str(folder), max_bytes=50_000)
    assert everything(folder) == []


def test_many_empty_files_cost_something_too(folder: Path) -> None:
    with pytest.raises(TooLarge):
        unpack(chunks(archive(*(member(f"f{number}") for number in range(100)))), str(folder), max_bytes=50_000)


@pytest.mark.parametrize("data", [b"not a tar", b"\0" * 600 + b"x", archive(member("cut", b"x" * 5000))[:3000]])
def test_what_is_no_whole_archive_is_refused(folder: Path, data: bytes) -> None:
    if data.startswith(b"\0"):
        # zeros end an archive: nothing comes of it
        unpack(chunks(data), str(folder), max_bytes=MANY)
        assert everything(folder) == []
        return
    with pytest.raises(BadArchive):
        unpack(chunks(data), str(folder), max_bytes=MANY)
