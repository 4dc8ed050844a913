"""The locks that are committed: they are of their targets, whole, and judged clean by the data that is shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.version import Version

from envdoctor import targets
from envdoctor.claims import admits
from envdoctor.locks import files
from envdoctor.locks.choosing import chosen
from envdoctor.locks.judging import judged
from envdoctor.matrix import Matrix
from envdoctor.resolver import File, Pinned

FOLDER = Path(__file__).resolve().parents[2] / "lockfiles"
MATRIX = Matrix()
NAMES = targets.names()


def test_there_is_one_for_each_target_and_no_other_file() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(
        f"{name}.{kind}" for name in NAMES for kind in ("toml", "txt")
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_assumes_what_the_profile_says_and_locks_what_it_asks_for(name: str) -> None:
    lock, profile = files.read(str(FOLDER / f"{name}.toml")), targets.profile(name)
    assert lock.asked == profile.stack
    for field in ("gpu", "compute_capability", "driver_floor", "cuda", "glibc", "python", "base_image"):
        assert getattr(lock, field) == getattr(profile, field), field
    assert lock.exclude_newer is None


@pytest.mark.parametrize("name", NAMES)
def test_it_is_judged_clean_without_a_warning(name: str) -> None:
    lock = files.read(str(FOLDER / f"{name}.toml"))
    found = judged(lock, MATRIX)
    assert found.clean()
    assert not found.warnings
    assert lock.verdict.startswith("clean")
    assert "warning" not in lock.verdict


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_a_wheel_that_the_machine_takes_and_its_size_is_known(name: str) -> None:
    lock = files.read(str(FOLDER / f"{name}.toml"))
    assert lock.download_bytes is not None
    assert lock.installed_bytes is not None
    for one in lock.packages:
        file = File(name=one.file, sha256=one.sha256, size_bytes=one.size_bytes, uploaded=None, url="")
        assert file.is_wheel
        assert chosen(Pinned(name=one.name, version=one.version, files=(file,)), lock.python, lock.glibc) == file


@pytest.mark.parametrize("name", [name for name in NAMES if targets.profile(name).gpu])
def test_it_allows_grpo_with_the_vllm_that_trls_code_accepts(name: str) -> None:
    versions = {one.name: one.version for one in files.read(str(FOLDER / f"{name}.toml")).packages}
    (said,) = [row for row in MATRIX.code_ranges("trl") if row.version == versions["trl"]]
    assert admits(said.accepts, Version(versions["vllm"]))


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_a_host_or_a_path(name: str) -> None:
    requirements = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    document = re.sub(r"(?m)^(source|why) = .*$", "", (FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    assert not re.search(r"https?://|file:|--index|--find-links|/(home|root|opt|tmp|work)/", requirements + document)
