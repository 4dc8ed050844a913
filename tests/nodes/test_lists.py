"""The names of the nodes in two files: whole, replaced, and as Slurm takes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.nodes import lists

if TYPE_CHECKING:
    from pathlib import Path


def test_both_are_written_and_what_was_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / lists.FAILING).write_text("old\n", encoding="utf-8")
    written = lists.write(str(tmp_path), ["n3", "n1"], [])
    assert (tmp_path / lists.FAILING).read_text(encoding="utf-8") == "n3\nn1\n"
    assert (tmp_path / lists.PASSING).read_text(encoding="utf-8") == "", "none passed: an old list must not stay"
    assert written == (str(tmp_path / lists.FAILING), str(tmp_path / lists.PASSING))
    assert sorted(os.listdir(tmp_path)) == [lists.FAILING, lists.PASSING]


def test_a_full_disk_leaves_the_old_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists.write(str(tmp_path), ["old"], ["older"])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        lists.write(str(tmp_path), ["new"], ["newer"])
    assert (tmp_path / lists.FAILING).read_text(encoding="utf-8") == "old\n"
    assert (tmp_path / lists.PASSING).read_text(encoding="utf-8") == "older\n"
    assert sorted(os.listdir(tmp_path)) == [lists.FAILING, lists.PASSING]


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        lists.checked(str(tmp_path / "nowhere"))
    (tmp_path / lists.PASSING).mkdir()
    with pytest.raises(UserError, match="is a folder, and the names"):
        lists.checked(str(tmp_path))
    lists.checked("")


def test_slurm_takes_it_for_a_file_by_its_slash() -> None:
    assert lists.option("failing_nodes.txt") == "./failing_nodes.txt"
    assert lists.option("/x/failing_nodes.txt") == "/x/failing_nodes.txt"
