"""``envdoctor lock`` as a user meets it, on an index of our own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.locks import files
from envdoctor.matrix import Matrix
from tests.locks.shop import Shop
from tests.wheelhouse import Wheelhouse, wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["wheelhouse"]
PASSWORD = "hunter2"  # noqa: S105 - of an index that lives as long as the test


@pytest.fixture
def shop(wheelhouse: Wheelhouse) -> Shop:
    """What the target cpu asks for."""
    one = Shop(wheelhouse, Matrix())
    for name, version in (
        ("torch", "2.13.0"),
        ("transformers", "5.23.0"),
        ("trl", "1.16.0"),
        ("peft", "0.21.2"),
        ("datasets", "5.0.0"),
    ):
        one.stock(name, version)
    return one


def lock(shop: Shop, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Lock in a process of its own, in that folder."""
    address = shop.house.index.url.replace("://", f"://me:{PASSWORD}@")
    command = [sys.executable, "-m", "envdoctor", "lock", *words, "--default-index", address]
    return subprocess.run(command, capture_output=True, check=False, text=True, cwd=folder, encoding="utf-8")


def test_two_files_are_written_and_the_page_says_what_came_of_it(shop: Shop, tmp_path: Path) -> None:
    done = lock(shop, tmp_path, "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cpu: trl 1.16.0, torch 2.13.0, transformers 5.23.0")
    assert "verdict: clean" in done.stdout
    assert "written: lockfiles/cpu.txt, lockfiles/cpu.toml" in done.stdout
    assert done.stdout.endswith("next:\n  envdoctor check lock:cpu\n  uv pip install --require-hashes -r lockfiles/cpu.txt\n")
    assert "resolving for Python 3.12, x86_64 Linux with glibc 2.39" in done.stderr
    made = files.read(str(tmp_path / "lockfiles" / "cpu.toml"))
    assert made.stack["trl"] == "1.16.0"
    assert made.download_bytes is not None
    assert made.installed_bytes is not None


def test_no_address_and_no_password_is_printed_or_written(shop: Shop, tmp_path: Path) -> None:
    done = lock(shop, tmp_path, "cpu")
    said = done.stdout + done.stderr + "".join(path.read_text() for path in (tmp_path / "lockfiles").iterdir())
    assert PASSWORD not in said
    assert "127.0.0.1" not in said
    failed = lock(shop, tmp_path, "cpu", "--with", "no-such-package")
    assert failed.returncode == 2
    assert "no-such-package" in failed.stderr
    assert PASSWORD not in failed.stderr
    assert "127.0.0.1" not in failed.stderr


def test_no_solution_is_told_with_the_two_ranges_that_contradict(shop: Shop, tmp_path: Path) -> None:
    shop.house.add("picky", "1.0", "torch<2")
    done = lock(shop, tmp_path, "cpu", "--with", "picky")
    assert done.returncode == 2
    assert "no versions that fit together" in done.stderr
    said = " ".join(done.stderr.split())
    assert "torch<2" in said
    assert "torch==2.13.0" in said


def test_a_second_lock_changes_no_byte_and_check_says_so(shop: Shop, tmp_path: Path) -> None:
    lock(shop, tmp_path, "cpu")
    before = {path.name: path.read_bytes() for path in (tmp_path / "lockfiles").iterdir()}
    shop.house.add("datasets", "5.0.5")
    again, checked = lock(shop, tmp_path, "cpu"), lock(shop, tmp_path, "cpu", "--check")
    assert "unchanged: lockfiles/cpu.txt" in again.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "lockfiles").iterdir()} == before
    assert checked.returncode == 0
    assert "the lock on disk is what would be made" in checked.stdout


def test_check_exits_with_1_and_writes_nothing_where_another_lock_would_be_made(shop: Shop, tmp_path: Path) -> None:
    nothing = lock(shop, tmp_path, "cpu", "--check")
    assert nothing.returncode == 1
    assert not (tmp_path / "lockfiles").exists()
    lock(shop, tmp_path, "cpu")
    shop.house.add("datasets", "5.0.5")
    before = (tmp_path / "lockfiles" / "cpu.txt").read_bytes()
    other = lock(shop, tmp_path, "cpu", "--check", "--upgrade", "datasets")
    assert other.returncode == 1
    assert "changed: datasets 5.0.0 -> 5.0.5" in other.stdout
    assert (tmp_path / "lockfiles" / "cpu.txt").read_bytes() == before


def test_upgrade_without_a_name_takes_the_newest_of_all(shop: Shop, tmp_path: Path) -> None:
    lock(shop, tmp_path, "cpu")
    shop.house.add("datasets", "5.0.5")
    done = lock(shop, tmp_path, "cpu", "--upgrade")
    assert "datasets 5.0.0 -> 5.0.5" in done.stdout


def test_a_damaged_lock_is_made_anew_and_that_is_said(shop: Shop, tmp_path: Path) -> None:
    lock(shop, tmp_path, "cpu")
    path = tmp_path / "lockfiles" / "cpu.txt"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"trl==1.16.0", b"trl==1.15.0"))
    assert lock(shop, tmp_path, "cpu", "--check").returncode == 1
    done = lock(shop, tmp_path, "cpu")
    assert "the lock that is there did not count" in " ".join(done.stdout.split())
    assert path.read_bytes() == whole


def test_pep_751_is_written_beside_it(shop: Shop, tmp_path: Path) -> None:
    done = lock(shop, tmp_path, "cpu", "--format", "pylock", "-o", "there")
    assert done.returncode == 0
    document = msgspec.toml.decode((tmp_path / "there" / "pylock.cpu.toml").read_bytes())
    assert document["lock-version"] == "1.0"
    assert {one["name"] for one in document["packages"]} >= {"trl", "torch"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("cpus",), "there is no target 'cpus'"),
        (("cpu", "--with", "flash-attn"), "flash-attn has no wheel"),
        (("cpu", "--with", "x @ file:///etc/passwd"), "asked for by an address"),
        (("cpu", "--python", "snake"), "'snake' is no version of Python"),
        (("cpu", "--exclude-newer", "soon"), "'soon' is no day"),
        (("cpu", "--as-of", "release", "--exclude-newer", "7d"), "say the same thing"),
    ],
)
def test_what_cannot_be_locked_is_said_in_one_line_with_a_hint(
    shop: Shop, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    done = lock(shop, tmp_path, *words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lockfiles").exists()
