"""``envdoctor diff``: exit status, formats, targets of every kind, wrong words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from envdoctor.facts import encode
from envdoctor.locks import files
from tests.cli.test_cli import run
from tests.factory import blind, dist, healthy, put
from tests.locks.sample import h100
from tests.stories.stories import STORIES

if TYPE_CHECKING:
    from pathlib import Path

BY_NAME = {story.name: story.facts for story in STORIES}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with records of machines and a lock."""
    records = {
        "good": healthy(),
        "bad": BY_NAME["trl-1.16-over-vllm-0.33"],
        "other": put(healthy(), dist("filelock", "3.17.0")),
        "blind": blind(healthy(), "host__kernel"),
    }
    for name, facts in records.items():
        (tmp_path / f"{name}.json").write_bytes(encode(facts))
    files.write(h100(), str(tmp_path / "lockfiles"))
    return tmp_path


def test_the_same_exits_with_0_and_a_difference_with_1(here: Path) -> None:
    same = run("diff", "saved:good.json", "saved:good.json", cwd=here)
    assert same.returncode == 0, same.stderr
    assert same.stdout.splitlines()[-1].startswith("nothing differs")
    other = run("diff", "saved:good.json", "saved:other.json", cwd=here)
    assert other.returncode == 1
    assert "1 other package: 1 newer (-v lists them)" in other.stdout
    assert "filelock  3.16.1 -> 3.17.0 (newer)" in run("diff", "saved:good.json", "saved:other.json", "-v", cwd=here).stdout


def test_what_could_not_be_compared_exits_with_3_only_when_that_is_asked(here: Path) -> None:
    words = ("diff", "saved:good.json", "saved:blind.json")
    done = run(*words, cwd=here)
    assert done.returncode == 0
    assert "because B does not tell: no answer in 5 s" in done.stdout
    assert run(*words, "--strict", cwd=here).returncode == 3


def test_json_goes_to_a_file_and_leads_with_the_finding_of_one_side(here: Path) -> None:
    done = run("diff", "saved:good.json", "saved:bad.json", "--format", "json", "-o", "out.json", cwd=here)
    assert done.returncode == 1
    assert done.stdout == ""
    first = json.loads((here / "out.json").read_text())["only_one_has"][0]
    assert (first["only"], first["code"]) == ("b", "ED401")


def test_a_lock_and_a_record_are_compared(here: Path) -> None:
    done = run("diff", "lock:h100", "saved:good.json", cwd=here)
    assert done.returncode == 1, done.stderr
    assert "driver  580.65.06 or newer -> 550.54.15 (older)" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("saved:good.json",), "Missing argument"),
        (("saved:good.json", "saved:none.json"), "does not exist"),
        (("saved:good.json", "lock:b300"), "there is no lockfiles/b300.toml"),
        (("saved:good.json", "savd:x"), "not a kind of target"),
    ],
)
def test_wrong_words_exit_with_2_and_say_what_is_wrong(here: Path, words: tuple[str, ...], says: str) -> None:
    done = run("diff", *words, cwd=here)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
