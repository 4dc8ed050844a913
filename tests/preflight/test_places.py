"""Lines where a problem can be mended: what asks for a package, the lock that has it, the waiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.preflight.outcome import Place, Problem
from envdoctor.preflight.places import Repository, root_of
from tests.preflight.made import drifted, waived, wrong_torch

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """\
[project]
name = "torch"
keywords = ["vllm", "torch"]
dependencies = [
  # "torch==1.0",
  "trl[vllm]>=1.0",
  'torch == 2.6.0 ; python_version > "3.8"',
]

[dependency-groups]
gpu = ["vllm<0.7"]

[[tool.envdoctor.ignore]]
code = "ED308"
reason = "torchvision is not used"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lockfiles").mkdir()
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "lockfiles" / "h100.txt").write_text("# a lock\ntorch==2.6.0 --hash=sha256:00\ntrl==1.16.0 --hash=sha256:00\n")
    (tmp_path / "requirements-gpu.txt").write_text("-r other.txt\nvllm[flash]==0.6.6\n")
    return tmp_path


def repository(folder: Path) -> Repository:
    return Repository(str(folder), str(folder / "lockfiles" / "h100.txt"), str(folder / "pyproject.toml"))


def problem(one: Problem, *subjects: str) -> Problem:
    return msgspec.structs.replace(one, places=(), subjects=subjects)


def test_what_is_asked_for_wrongly_is_mended_where_it_is_asked_for_and_keywords_ask_for_nothing(folder: Path) -> None:
    one = repository(folder).placed(problem(wrong_torch().problems[0], "vllm", "__driver"))
    assert one.places == (Place("pyproject.toml", 11), Place("requirements-gpu.txt", 2))
    one = repository(folder).placed(problem(wrong_torch().problems[0], "trl"))
    assert one.places == (Place("pyproject.toml", 6), Place("lockfiles/h100.txt", 3))


def test_what_drifted_is_told_by_the_lock_first(folder: Path) -> None:
    one = repository(folder).placed(problem(drifted().problems[0], "trl"))
    assert one.places[0] == Place("lockfiles/h100.txt", 3)


def test_a_comment_asks_for_nothing_and_a_marker_does_not_hide_a_package(folder: Path) -> None:
    one = repository(folder).placed(problem(drifted().problems[0], "torch"))
    assert one.places == (Place("lockfiles/h100.txt", 2), Place("pyproject.toml", 7))


def test_a_waiver_is_found_by_its_code(folder: Path) -> None:
    one = repository(folder).placed(problem(waived().problems[0], "ED308"))
    assert one.places == (Place("pyproject.toml", 14),)


def test_of_two_waivers_of_a_code_the_line_is_that_of_the_one_with_the_date(folder: Path) -> None:
    later = '\n[[tool.envdoctor.ignore]]\ncode = "ED308"\nreason = "old"\nuntil = 2026-10-01\n'
    (folder / "pyproject.toml").write_text(PYPROJECT + later)
    one = repository(folder).placed(problem(waived().problems[0], "ED308"))
    assert one.places == (Place("pyproject.toml", 18),)


def test_where_a_ci_system_names_the_repository_paths_begin_there(folder: Path) -> None:
    below = folder / "train"
    below.mkdir()
    assert root_of(str(below), {"GITHUB_WORKSPACE": str(folder)}) == str(folder)
    assert root_of(str(below), {"CI_PROJECT_DIR": "/elsewhere"}) == str(below)
    repo = Repository(str(below), None, None, root_of(str(below), {"GITHUB_WORKSPACE": str(folder)}))
    assert repo.shown("Dockerfile") == "train/Dockerfile"
    assert repo.shown(str(below / "x\udcff")) == "train/x\ufffd"


def test_what_has_a_line_keeps_it_and_what_is_named_nowhere_has_none(folder: Path) -> None:
    one = wrong_torch().problems[0]
    assert repository(folder).placed(one) is one
    assert repository(folder).placed(problem(one, "__driver", "ray")).places == ()


def test_files_that_are_not_there_or_no_text_have_no_lines(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\x00torch==1\n" * 10)
    (tmp_path / "pyproject.toml").mkdir()
    repo = Repository(str(tmp_path), str(tmp_path / "gone.txt"), None)
    assert repo.placed(problem(wrong_torch().problems[0], "torch")).places == ()
    assert repo.placed(problem(waived().problems[0], "ED308")).places == ()


def test_a_file_above_the_folder_keeps_its_whole_path(folder: Path) -> None:
    repo = Repository(str(folder / "lockfiles"), None, str(folder / "pyproject.toml"))
    assert repo.placed(problem(waived().problems[0], "ED308")).places == (Place(str(folder / "pyproject.toml"), 14),)
