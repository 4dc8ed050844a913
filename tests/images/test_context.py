"""The build context: the same bytes and modes each time, and nothing of anybody's project."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from envdoctor.errors import UserError
from envdoctor.images import asked as images
from envdoctor.images import context
from envdoctor.locks import files

ROOT = Path(__file__).resolve().parents[2]


def made(folder: Path) -> Path:
    wanted = images.read("h100", str(ROOT / "images")).asked
    context.write(str(folder), wanted, files.read(str(ROOT / "lockfiles" / "h100.toml")))
    return folder


def listed(folder: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        body = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(folder))] = (path.stat().st_mode & 0o7777, body)
    return found


def test_two_are_the_same_under_another_umask(tmp_path: Path) -> None:
    first = listed(made(tmp_path / "a"))
    old = os.umask(0o077)
    try:
        second = listed(made(tmp_path / "b"))
    finally:
        os.umask(old)
    assert first == second


def test_it_holds_what_is_named_and_no_more(tmp_path: Path) -> None:
    folder = made(tmp_path / "a")
    top = {"Dockerfile", "collisions", "envdoctor", "launcher", "lock", "requirements", "sbom", "wheels"}
    assert set(os.listdir(folder)) == top
    assert set(os.listdir(folder / "lock")) == {"h100.txt", "h100.toml"}
    assert set(os.listdir(folder / "sbom")) == {"h100.cdx.json"}
    assert not [path for path in folder.rglob("*") if path.name == "__pycache__" or path.suffix == ".pyc"]


def test_the_locks_bytes_are_those_that_its_hash_names(tmp_path: Path) -> None:
    folder = made(tmp_path / "a")
    assert (folder / "lock/h100.txt").read_bytes() == (ROOT / "lockfiles/h100.txt").read_bytes()
    assert files.read(str(folder / "lock/h100.toml")) == files.read(str(ROOT / "lockfiles/h100.toml"))


def test_every_copied_path_of_the_dockerfile_is_there(tmp_path: Path) -> None:
    folder = made(tmp_path / "a")
    copied = [line.split()[1] for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    own = [path for path in copied if not path.startswith("--from")]
    assert len(own) >= 7
    for path in own:
        assert (folder / path).exists(), path


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        made(tmp_path)


def test_the_launcher_runs_as_a_script(tmp_path: Path) -> None:
    launcher = made(tmp_path / "a") / "launcher"
    assert launcher.stat().st_mode & 0o777 == 0o755
    assert subprocess.run(["/bin/sh", "-n", str(launcher)], check=False).returncode == 0


def test_uv_is_pinned_by_hash_alone() -> None:
    text = context.pin(context.own_requirements(), "uv")
    assert text.startswith("uv==")
    assert text.count("--hash=sha256:") > 1
    assert text.count("==") == 1


def test_our_requirements_are_those_of_the_project_and_name_no_index() -> None:
    text = context.own_requirements()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("dependencies = [")[2].partition("]")[0]
    for line in project.splitlines():
        name = line.strip().strip('",').split(">")[0]
        if name:
            assert f"\n{name}==" in f"\n{text}", name
    assert "://" not in text
    assert "--index" not in text


def test_what_is_not_pinned_is_said() -> None:
    with pytest.raises(ValueError, match="nothing is not pinned"):
        context.pin(context.own_requirements(), "nothing")
