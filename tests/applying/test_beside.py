"""The repaired environment is built beside the old one, which stays as it is."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from envdoctor.applying.beside import MARK
from envdoctor.applying.installed import installed
from envdoctor.applying.repairs import Outcome, build_beside
from envdoctor.errors import UserError
from tests.applying import world
from tests.applying.wheels import AFTER, BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envdoctor.applying.repairs import Applied
    from tests.applying.conftest import Home


def built_in(
    home: Home, folder: Path, recheck: Callable[[], tuple[str, ...]] = tuple, freeze: dict[str, str] | None = None
) -> Applied:
    plan = world.repair()
    return build_beside(home.python, str(folder), freeze or BEFORE, plan, recheck, print, world.index_of(home.url))


def versions(folder: Path) -> dict[str, str]:
    return {one.name: one.version for one in installed(str(folder))}


def test_the_new_one_has_what_stays_and_what_moves_and_the_old_one_is_as_it_was(home: Home, tmp_path: Path) -> None:
    done = built_in(home, tmp_path / "new")
    assert done.outcome is Outcome.REPAIRED
    assert done.notes == ()
    assert versions(tmp_path / "new") == AFTER
    assert not (tmp_path / "new" / MARK).exists()
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


def test_errors_in_the_new_one_remove_it(home: Home, tmp_path: Path) -> None:
    done = built_in(home, tmp_path / "new", lambda: ("still broken",))
    assert (done.outcome, done.errors) == (Outcome.UNTOUCHED, ("still broken",))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_fetched_removes_the_half_built_one(home: Home, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    plan = world.repair(hashes={"comes": "0" * 64})
    with pytest.raises(UserError, match="failed"):
        build_beside(home.python, str(tmp_path / "new"), BEFORE, plan, tuple, print, world.index_of(home.url))
    assert list((tmp_path / "new").iterdir()) == []  # the folder was the user's


def test_nothing_is_overwritten(home: Home, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/thesis.tex").write_text("x")
    with pytest.raises(UserError, match="is not empty"):
        built_in(home, tmp_path / "new")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is no folder"):
        built_in(home, tmp_path / "file")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / MARK).write_text("")
    with pytest.raises(UserError, match="half of an environment") as caught:
        built_in(home, tmp_path / "half")
    assert shlex.quote(str(tmp_path / "half")) in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "half", "new"]


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"url": "file:///src/stays", "dir_info": {"editable": True}}, "--editable /src/stays"),
        (
            {"url": "https://user:secret@example.invalid/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "git+https://example.invalid/r.git@abc",
        ),
        ({"url": "https://user:secret@example.invalid/stays-1.0-py3-none-any.whl", "archive_info": {}}, "single file"),
    ],
)
def test_what_did_not_come_from_an_index_is_named_with_its_command(
    home: Home, tmp_path: Path, origin: dict[str, object], says: str
) -> None:
    info = world.site(home.prefix) / "stays-1.0.dist-info"
    (info / "direct_url.json").write_text(json.dumps(origin))
    done = built_in(home, tmp_path / "new")
    assert len(done.notes) == 1
    assert says in done.notes[0]
    assert "secret" not in done.notes[0]
    assert "stays" not in versions(tmp_path / "new")


def test_what_the_index_does_not_have_is_named(home: Home, tmp_path: Path) -> None:
    done = built_in(home, tmp_path / "new", freeze=BEFORE | {"unheard-of": "9.9"})
    assert done.notes == ("unheard-of 9.9 is on no index that was asked, and is not in the new environment",)
    assert versions(tmp_path / "new") == AFTER


def test_an_index_that_has_nothing_of_it_builds_nothing(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the index has none of the 2 packages"):
        built_in(home, tmp_path / "new", freeze={"unheard-of": "9.9", "never": "1.0"})
    assert list(tmp_path.iterdir()) == []
