"""A journal is written whole, read strictly, and kept from doing anything outside of its environment."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.applying import journal as journals
from envdoctor.applying import snapshot
from envdoctor.applying.journal import Journal, Phase, Place, Step
from envdoctor.applying.repairs import pending, undo
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

GOOD: dict[str, Any] = {
    "format": 1,
    "phase": "changing",
    "started": "2026-01-02T03:04:05Z",
    "python": "bin/python",
    "steps": [{"name": "numpy", "before": "2.0", "after": "1.26.4", "sha256": ["0" * 64], "build": False}],
    "root_mtime_ns": None,
}


def written(folder: Path, document: object) -> Place:
    place = Place(str(folder))
    os.makedirs(place.run, exist_ok=True)
    with open(place.journal, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return place


def test_it_reads_what_it_wrote(tmp_path: Path) -> None:
    place = written(tmp_path, GOOD)
    found = journals.read(place)
    assert found == Journal(
        phase=Phase.CHANGING,
        started="2026-01-02T03:04:05Z",
        python="bin/python",
        steps=(Step(name="numpy", before="2.0", after="1.26.4", sha256=("0" * 64,)),),
    )
    assert journals.advance(place, found, Phase.CHANGED) == journals.read(place)
    said = pending(str(tmp_path))
    assert said is not None
    assert (said.phase, said.touched, said.running) == ("changed", True, False)
    assert "between two states" in said.says


@pytest.mark.parametrize(
    "hostile",
    [
        {"python": "../../usr/bin/evil"},
        {"python": "/bin/sh"},
        {"python": "bin/../../evil"},
        {"format": 2},
        {"phase": "dancing"},
        {"extra": 1},
        {"steps": [{"name": "--index-url=evil", "before": "1", "after": None}]},
        {"steps": [{"name": "numpy", "before": "1", "after": "1 --index-url evil"}]},
        {"steps": [{"name": "numpy", "before": "1", "after": "2", "sha256": ["x\n--index-url evil"]}]},
        {"steps": [{"name": "NumPy\n", "before": "1", "after": "2"}]},
    ],
    ids=str,
)
def test_a_hostile_journal_is_refused_and_does_nothing(tmp_path: Path, hostile: dict[str, Any]) -> None:
    written(tmp_path, GOOD | hostile)
    (tmp_path / "precious").write_text("x")
    for ask in (lambda: pending(str(tmp_path)), lambda: undo(str(tmp_path), print)):
        with pytest.raises(UserError, match="is no journal of a repair"):
            ask()
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize("path", [b"../out", b"/etc/out", b"a/../../out", b"missing/out", b"link/out", b"a\0b", b"."])
def test_a_hostile_list_of_the_snapshot_reaches_nothing_outside(tmp_path: Path, path: bytes) -> None:
    inside = tmp_path / "env"
    inside.mkdir()
    (inside / "kept").write_text("x")
    place = written(inside, GOOD)
    os.mkdir(place.before)
    entries = [
        ["", "dir", 0o755, 0, 0, 0, 0, 0, b"", False, None],
        ["link", "link", 0o777, 0, 0, 0, 0, 0, b"../", False, None],
        ["a", "dir", 0o755, 0, 0, 0, 0, 0, b"", False, None],
        [path, "file", 0o755, 0, 0, 0, 0, 0, b"", True, None],
    ]
    encoded = msgspec.msgpack.encode([[one[0].encode() if isinstance(one[0], str) else one[0], *one[1:]] for one in entries])
    with open(place.manifest, "wb") as file:
        file.write(encoded)
    with pytest.raises(UserError, match="list of the snapshot"):
        undo(str(inside), print)
    assert sorted(os.listdir(tmp_path)) == ["env"]
    assert (inside / "kept").read_text() == "x"
    with pytest.raises(UserError):
        snapshot.manifest(place)


def test_a_lock_that_no_one_holds_is_no_obstacle(tmp_path: Path) -> None:
    place = Place(str(tmp_path))
    os.mkdir(place.ours)
    with open(place.lock, "wb"):
        pass
    assert not journals.busy(place)
    with journals.held(place, make=True) as lock:
        assert lock is not None
        assert journals.busy(place)


def test_who_holds_it_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "LOCK_WAIT_S", 0.1)
    place = Place(str(tmp_path))
    with (
        journals.held(place, make=True),
        pytest.raises(UserError, match="another envdoctor is at work"),
        journals.held(place, make=True),
    ):
        pass


def test_a_begin_that_was_killed_gives_back_what_was_kept_before(tmp_path: Path) -> None:
    place = written(tmp_path, GOOD | {"phase": "done"})
    os.rename(place.run, place.earlier)
    os.mkdir(place.run)  # killed before its journal was written
    assert journals.mend(place) is False
    found = journals.read(place)
    assert found is not None
    assert found.phase is Phase.DONE


def test_an_undo_that_was_killed_while_it_cleared_up_is_not_followed_by_another(tmp_path: Path) -> None:
    place = written(tmp_path, GOOD | {"phase": "undone"})
    os.rename(place.run, place.gone)
    written(tmp_path, GOOD | {"phase": "done"})  # what the repair before it had kept
    assert undo(str(tmp_path), print).notes == ("an undo was broken off, and is finished now",)
    found = journals.read(place)
    assert found is not None
    assert found.phase is Phase.DONE


def test_our_folder_as_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "env").mkdir()
    (tmp_path / "env/.envdoctor").symlink_to(tmp_path / "elsewhere")
    for make in (True, False):
        with pytest.raises(UserError, match="is a link"), journals.held(Place(str(tmp_path / "env")), make=make):
            pass
    assert list((tmp_path / "elsewhere").iterdir()) == []
