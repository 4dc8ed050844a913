"""envdoctor.hooks.locks: which locks the names that pre-commit passes belong to, and what becomes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from envdoctor.hooks.locks import locks, main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="repository")
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the lock of an H100, and a plain list of requirements beside it."""
    folder = tmp_path / "lockfiles"
    folder.mkdir()
    for name in ("h100.txt", "h100.toml"):
        shutil.copy(ROOT / "lockfiles" / name, folder)
    (folder / "plain.txt").write_text("packaging==26.3\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_a_lock_of_which_both_files_changed_is_judged_once(repository: Path) -> None:
    assert locks(["lockfiles/h100.txt", "lockfiles/plain.txt", "lockfiles/h100.toml", "lockfiles/readme.md"]) == [
        "lockfiles/h100.toml",
        "lockfiles/plain.txt",
    ]


def test_clean_locks_say_nothing(repository: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["lockfiles/h100.txt", "lockfiles/h100.toml"]) == 0
    assert capfdbinary.readouterr().out == b""


def test_a_file_that_was_edited_alone_is_refused(repository: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = repository / "lockfiles" / "h100.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("\ntrl==1.", "\ntrl==0.", 1), encoding="utf-8")
    assert main(["lockfiles/h100.txt"]) == 2
    assert b"trl" in capfdbinary.readouterr().out


def test_a_list_that_the_rules_find_broken_fails(repository: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (repository / "lockfiles" / "plain.txt").write_text("torch==2.6.0\nvllm==0.6.6\n", encoding="utf-8")
    assert main(["lockfiles/h100.toml", "lockfiles/plain.txt"]) == 1
    out = capfdbinary.readouterr().out
    assert b"lock:lockfiles/plain.txt" in out
    assert b"h100" not in out
