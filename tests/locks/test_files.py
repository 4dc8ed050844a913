"""A lock on disk: two files that are written together, read strictly, and found out when they do not say the same."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.errors import UserError
from envdoctor.locks import files
from tests.locks.sample import h100, packages, small

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, name: str = "h100") -> tuple[Path, Path]:
    return folder / f"{name}.txt", folder / f"{name}.toml"


def test_what_was_written_is_read_back_whole(tmp_path: Path) -> None:
    paths = files.write(h100(), str(tmp_path / "lockfiles"))
    assert paths == (str(tmp_path / "lockfiles/h100.txt"), str(tmp_path / "lockfiles/h100.toml"))
    for path in paths:
        assert files.read(path) == h100()
    assert sorted(os.listdir(tmp_path / "lockfiles")) == ["h100.toml", "h100.txt"]


def test_every_field_that_may_be_there_is_kept(tmp_path: Path) -> None:
    full = msgspec.structs.replace(packages()[0], installed_bytes=12, record="f" * 64)
    lock = h100(packages=(full,), stack={}, exclude_newer="2026-11-20T00:00:00Z", torch_backend="cu126", bounds=())
    files.write(lock, str(tmp_path))
    assert files.read(str(tmp_path / "h100.toml")) == lock


def test_a_lock_for_a_machine_without_a_gpu_is_kept(tmp_path: Path) -> None:
    lock = h100(target="cpu", gpu=None, compute_capability=None, driver_floor=None, cuda=None, data_as_of=None)
    files.write(lock, str(tmp_path))
    assert files.read(str(tmp_path / "cpu.toml")) == lock
    assert "no GPU" in (tmp_path / "cpu.txt").read_text()


def test_the_same_lock_gives_the_same_bytes(tmp_path: Path) -> None:
    files.write(h100(), str(tmp_path / "a"))
    files.write(h100(), str(tmp_path / "b"))
    files.write(h100(), str(tmp_path / "b"))
    for name in ("h100.txt", "h100.toml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_requirements_are_one_hashed_line_a_package_and_name_no_place(tmp_path: Path) -> None:
    files.write(h100(), str(tmp_path))
    lines = (tmp_path / "h100.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) == 208
    assert all(re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.!+]+ --hash=sha256:[0-9a-f]{64}", line) for line in pins)
    assert not re.search(r"://|index|\\", (tmp_path / "h100.txt").read_text())
    assert "://" not in (tmp_path / "h100.toml").read_text()


def test_a_person_finds_the_machine_and_the_stack_at_the_top(tmp_path: Path) -> None:
    files.write(h100(), str(tmp_path))
    text = (tmp_path / "h100.toml").read_text()
    assert text.index('driver_floor = "580.65.06"') < text.index('vllm = "0.31.0"') < text.index("[packages]")
    assert len(text[: text.index("[asked]")].splitlines()) < 30
    assert max(len(line) for line in text.splitlines() if line.startswith("#")) <= 130


def test_a_target_s_name_finds_the_lock_in_the_folders_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(small(), str(tmp_path / "lockfiles"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert files.read("h100") == small()
    with pytest.raises(UserError, match=r"no lockfiles/h200\.toml in this folder or above"):
        files.read("h200")
    monkeypatch.chdir(tmp_path)
    assert files.locate("h100") == "lockfiles/h100.toml"


@pytest.mark.parametrize("name", ["../h100", "-r", "H100", "", "a b", "x" * 90, "h100\n"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        files.read(name)


def test_a_hand_edited_line_is_named_with_what_the_lock_says(tmp_path: Path) -> None:
    files.write(small(), str(tmp_path))
    txt, _ = written(tmp_path)
    text = txt.read_text().replace("trl==1.16.0", "trl==1.15.0").replace("vllm==0.31.0", "# vllm==0.31.0")
    txt.write_text(text + f"numpy==2.3.5 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(UserError) as caught:
        files.read(str(txt))
    for said in ("trl is 1.15.0, in the .toml 1.16.0", "vllm==0.31.0 is only in the .toml", "numpy==2.3.5 is only in the .txt"):
        assert said in caught.value.what
    assert "(3 packages)" in caught.value.what
    assert "envdoctor lock h100" in caught.value.hint


def test_another_hash_is_named(tmp_path: Path) -> None:
    files.write(small(), str(tmp_path))
    txt, _ = written(tmp_path)
    txt.write_text(re.sub(r"(torch==\S+ --hash=sha256:)[0-9a-f]{64}", r"\g<1>" + "0" * 64, txt.read_text()))
    with pytest.raises(UserError, match=r"torch 2\.13\.0 has another hash"):
        files.read(str(txt))


def test_a_changed_comment_is_noticed_and_said_to_be_only_that(tmp_path: Path) -> None:
    files.write(small(), str(tmp_path))
    txt, _ = written(tmp_path)
    txt.write_text(txt.read_text() + "# mine\n")
    with pytest.raises(UserError, match="only comments, blanks or the order"):
        files.read(str(txt))


def test_a_forged_hash_does_not_hide_that_the_two_differ(tmp_path: Path) -> None:
    files.write(small(), str(tmp_path))
    txt, toml = written(tmp_path)
    forged = txt.read_bytes().replace(b"trl==1.16.0", b"trl==1.15.0")
    txt.write_bytes(forged)
    toml.write_text(toml.read_text().replace(small().requirements_sha256, files._sha256(forged)))
    with pytest.raises(UserError, match=r"trl is 1\.15\.0, in the \.toml 1\.16\.0"):
        files.read(str(toml))


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("moves", [0, 1])
def test_a_kill_between_the_two_files_leaves_the_old_lock_or_one_that_is_found_out(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(small(), str(tmp_path))
    real = os.replace
    done: list[str] = []

    def replace(source: str, target: str) -> None:
        if len(done) == moves:
            raise Killed
        done.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Killed):
        files.write(h100(), str(tmp_path))
    monkeypatch.undo()
    if moves == 0:
        assert files.read(str(tmp_path / "h100.toml")) == small()
    else:
        assert done == [str(tmp_path / "h100.txt")]
        with pytest.raises(UserError, match=r"accelerate==1\.15\.0 is only in the \.txt"):
            files.read(str(tmp_path / "h100.toml"))
    files.write(h100(), str(tmp_path))
    assert files.read(str(tmp_path / "h100.toml")) == h100()


KILLED = """
import sys
from envdoctor.locks import files
from tests.locks.sample import h100, small
print("ready", flush=True)
while True:
    for lock in (h100(), small()):
        files.write(lock, sys.argv[1])
"""


def test_kill_9_at_any_moment_leaves_a_lock_or_one_that_is_found_out(tmp_path: Path) -> None:
    whole = 0
    for moment in range(8):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(0.05 + 0.013 * moment)
            child.kill()
        assert (tmp_path / "h100.txt").exists() or not (tmp_path / "h100.toml").exists()
        try:
            found = files.read(str(tmp_path / "h100.toml"))
        except UserError as error:
            assert "is not the file that" in error.what or "there is no lock" in error.what  # noqa: PT017 - either is right
            continue
        assert found in (h100(), small())
        whole += 1
    assert whole
    files.write(small(), str(tmp_path))
    assert files.read(str(tmp_path / "h100.toml")) == small()
    assert sorted(os.listdir(tmp_path)) == ["h100.toml", "h100.txt"]


def test_two_writers_do_not_mix_their_files(tmp_path: Path) -> None:
    files.write(small(), str(tmp_path))
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another envdoctor is writing"):
        files.write(h100(), str(tmp_path))
    os.close(handle)
    assert files.read(str(tmp_path / "h100.toml")) == small()


def test_a_first_write_that_was_cut_off_is_told_as_such(tmp_path: Path) -> None:
    files.write(small(), str(tmp_path))
    (tmp_path / "h100.toml").unlink()
    with pytest.raises(UserError, match="there is no lock"):
        files.read(str(tmp_path / "h100.toml"))
    files.write(small(), str(tmp_path))
    (tmp_path / "h100.txt").unlink()
    with pytest.raises(UserError, match=r"h100\.txt cannot be read: No such file"):
        files.read(str(tmp_path / "h100.toml"))


def test_a_folder_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        files.write(small(), str(tmp_path / "file" / "lockfiles"))


def test_a_full_disk_leaves_the_old_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(small(), str(tmp_path))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        files.write(h100(), str(tmp_path))
    assert files.read(str(tmp_path / "h100.toml")) == small()
    assert sorted(os.listdir(tmp_path)) == ["h100.toml", "h100.txt"]


def test_a_lock_with_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    for bad in (
        h100(asked=("trl @ https://example.invalid/trl.whl",)),
        h100(packages=tuple(reversed(packages()))),
        h100(python="3.12; rm"),
        h100(base_image="-v"),
    ):
        with pytest.raises(ValueError, match=r".+"):
            files.write(bad, str(tmp_path))
    assert not os.listdir(tmp_path)
