"""A snapshot shares what is not written into, copies what is, and gives all of it back."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING

import pytest

from envdoctor.applying import snapshot, tree
from envdoctor.applying.journal import Place
from envdoctor.applying.restoring import restore
from tests.applying import world

if TYPE_CHECKING:
    from pathlib import Path


def made(folder: Path) -> tuple[Place, snapshot.Taken]:
    (folder / "bin").mkdir()
    (folder / "bin/tool").write_text("#!/bin/sh\n")
    (folder / "bin/big").write_bytes(b"x" * (snapshot.MAX_COPIED_BYTES + 1))
    (folder / "lib").mkdir()
    (folder / "lib/module.py").write_text("a = 1\n")
    (folder / "lib/local.pth").write_text("# x\n")
    (folder / "lib/link").symlink_to("module.py")
    place = Place(str(folder))
    os.makedirs(place.run)
    return place, snapshot.take(place)


def test_files_share_their_inode_and_what_is_edited_in_place_does_not(tmp_path: Path) -> None:
    place, taken = made(tmp_path)
    assert taken.files == 4
    if taken.cloned:
        pytest.skip("this file system clones, so every file is one of its own")
    assert taken.copied_files == 2
    assert taken.copied_bytes == len("#!/bin/sh\n") + len("# x\n")
    before = tmp_path / ".envdoctor/fix/before"
    assert (before / "lib/module.py").stat().st_ino == (tmp_path / "lib/module.py").stat().st_ino
    assert (before / "bin/big").stat().st_ino == (tmp_path / "bin/big").stat().st_ino
    assert (before / "bin/tool").stat().st_ino != (tmp_path / "bin/tool").stat().st_ino
    assert place.before == os.fsencode(before)


def test_everything_that_can_happen_to_an_entry_is_undone(tmp_path: Path) -> None:
    place, _ = made(tmp_path)
    before = world.seen(tmp_path, leave_out=(".envdoctor",))
    (tmp_path / "lib/module.py").unlink()
    (tmp_path / "lib/module.py").mkdir()
    (tmp_path / "lib/module.py/inside").write_text("x")
    (tmp_path / "lib/link").unlink()
    (tmp_path / "lib/link").symlink_to("elsewhere")
    (tmp_path / "lib/local.pth").unlink()
    (tmp_path / "lib/local.pth").symlink_to("/etc/passwd")
    (tmp_path / "bin/tool").chmod(0o000)
    (tmp_path / "bin/new").write_text("x")
    (tmp_path / "bin").chmod(0o500)
    assert restore(place) == ()
    assert world.seen(tmp_path, leave_out=(".envdoctor",)) == before
    assert restore(place) == ()
    assert world.seen(tmp_path, leave_out=(".envdoctor",)) == before


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "module.py").write_text("precious")
    inside = tmp_path / "env"
    inside.mkdir()
    place, _ = made(inside)
    before = world.seen(inside, leave_out=(".envdoctor",))
    (inside / "lib").rename(tmp_path / "moved")
    (inside / "lib").symlink_to(outside)
    assert restore(place) == ()
    assert world.seen(inside, leave_out=(".envdoctor",)) == before
    assert sorted(os.listdir(outside)) == ["module.py"]
    assert (outside / "module.py").read_text() == "precious"


def test_sockets_are_named_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("agent")
        place, taken = made(tmp_path)
        assert taken.left_alone == ("agent",)
        assert restore(place) == ()
        assert (tmp_path / "agent").is_socket()


def test_where_a_link_is_refused_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refused)
    place, taken = made(tmp_path)
    assert taken.copied_files == 4
    before = world.seen(tmp_path, leave_out=(".envdoctor",))
    with (tmp_path / "lib/module.py").open("a") as file:
        file.write("written into")
    assert restore(place) == ()
    assert world.seen(tmp_path, leave_out=(".envdoctor",)) == before


def test_where_the_file_system_clones_an_edit_in_place_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cloned(target: int, request: int, source: int) -> int:
        assert request == tree._FICLONE
        return os.write(target, os.pread(source, 1 << 24, 0))

    monkeypatch.setattr(fcntl, "ioctl", cloned)
    place, taken = made(tmp_path)
    assert (taken.cloned, taken.copied_files, taken.copied_bytes) == (True, 4, 0)
    before = world.seen(tmp_path, leave_out=(".envdoctor",))
    with (tmp_path / "lib/module.py").open("a") as file:
        file.write("written into")
    assert restore(place) == ()
    assert world.seen(tmp_path, leave_out=(".envdoctor",)) == before


def test_a_tree_is_removed_whatever_its_modes(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "b/file").write_text("x")
    (folder / "link").symlink_to(tmp_path)
    (folder / "b").chmod(0o500)
    folder.chmod(0o500)
    tree.remove(os.fsencode(folder))
    assert os.listdir(tmp_path) == []
