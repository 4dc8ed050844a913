"""What a full disk, a hostile wheel or a missing stage do to a repair."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from envdoctor.applying import journal as journals
from envdoctor.applying import staging
from envdoctor.applying import working as works
from envdoctor.applying.installed import installed
from envdoctor.applying.journal import Phase, Place
from envdoctor.applying.repairs import Outcome, apply, resume
from envdoctor.applying.tree import Copier
from envdoctor.errors import UserError
from envdoctor.plans import Move, Repair
from envdoctor.resolver import File, Pinned
from tests.applying import wheels, world
from tests.applying.test_repairs import applied, healthy

if TYPE_CHECKING:
    from tests.applying.conftest import Home


class Killed(BaseException):
    """As if by kill -9: nothing of ours runs any more."""


def test_a_disk_that_fills_up_in_the_middle_of_the_change_undoes_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    link, left = Copier.link, [3]

    def full(self: Copier, source: bytes, target: bytes) -> bool:
        if b"/stage/" in source:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device", os.fsdecode(target))
        return link(self, source, target)

    monkeypatch.setattr(Copier, "link", full)
    done = applied(home)
    assert done.outcome is Outcome.RESTORED
    assert "No space left" in (done.why or "")
    assert home.now() == home.before


def test_too_little_space_is_said_in_gb_before_anything_is_fetched(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(UserError, match=r"has 0\.0 GB free, and the repair needs 0\.1 GB"):
        applied(home)
    assert not (home.prefix / ".envdoctor").exists()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("pyvenv.cfg", "would put a file at pyvenv.cfg"),
        (".envdoctor/fix/journal.json", "would put a file at .envdoctor"),
        ("bin/python", "could not be fetched"),  # uv refuses this one itself
    ],
)
def test_a_wheel_that_reaches_for_the_environment_itself_is_refused(home: Home, path: str, says: str) -> None:
    name = f"evil-{path.count('/')}{len(path)}"
    under = name.replace("-", "_")
    content = wheels.wheel(under, "1.0", {f"{under}-1.0.data/data/{path}": b"home = /evil\n"})
    home.server.add(name, wheels.file_name(name, "1.0"), content)
    evil = Pinned(name, "1.0", (File(wheels.file_name(name, "1.0"), hashlib.sha256(content).hexdigest(), 1, None, ""),))
    move = Move(name=name, before=None, after="1.0", why="a test", download_bytes=1)
    plan = Repair(moves=(move,), pins=(evil,), mends=(), leaves=(), commands=(), resolved_s=0.0)
    with pytest.raises(UserError, match=says):
        applied(home, plan)
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


def test_a_package_that_would_write_through_a_link_out_of_the_environment_is_refused(home: Home) -> None:
    outside = home.prefix.parent / "outside"
    outside.mkdir(exist_ok=True)
    (home.prefix / "share").rename(home.prefix.parent / "share-before")
    (home.prefix / "share").symlink_to(outside)
    before = home.now()
    with pytest.raises(UserError, match="leads out of the environment"):
        applied(home)
    assert home.now() == before
    assert list(outside.iterdir()) == []
    shutil.rmtree(home.prefix.parent / "share-before")


def test_a_resume_whose_stage_was_thrown_away_undoes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(works, "merge", die)
        patched.setattr(works, "_back", die)
        with pytest.raises(Killed):
            applied(home)
    place = Place(str(home.prefix))
    shutil.rmtree(place.stage)
    assert home.now() != home.before
    done = resume(str(home.prefix), healthy, print)
    assert done.outcome is Outcome.RESTORED
    assert home.now() == home.before


def test_a_resume_needs_no_index_once_it_is_staged(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(works, "take", die)
        patched.setattr(works, "_back", die)
        with pytest.raises(Killed):
            applied(home)
    found = journals.read(Place(str(home.prefix)))
    assert found is not None
    assert found.phase is Phase.SNAPSHOTTING
    with pytest.raises(UserError, match="was broken off \\(snapshotting\\): nothing of the environment was changed yet"):
        applied(home)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(home.prefix.parent / "another-cache"))
    assert resume(str(home.prefix), healthy, print).outcome is Outcome.REPAIRED
    assert {one.name: one.version for one in installed(str(home.prefix))} == wheels.AFTER


def test_a_plan_without_moves_or_without_a_file_is_refused(home: Home) -> None:
    with pytest.raises(UserError, match="changes no package"):
        applied(home, world.repair({}))
    plan = world.repair({"comes": (None, "3.0")})
    with pytest.raises(UserError, match="names no file"):
        staging.steps_of(Repair(moves=plan.moves, pins=(), mends=(), leaves=(), commands=(), resolved_s=0.0))


def test_an_interpreter_outside_of_the_environment_is_refused(home: Home) -> None:
    with pytest.raises(UserError, match="no path inside the environment"):
        apply("/usr/bin/python3", str(home.prefix), world.repair(), healthy, print, world.index_of(home.url))
    assert home.now() == home.before
    assert not (home.prefix / ".envdoctor").exists()


def test_a_version_that_its_metadata_writes_in_another_way_is_the_planned_one(home: Home) -> None:
    content = wheels.wheel("odd", "2024.01.05", {"odd.py": b"a = 1\n"})
    home.server.add("odd", "odd-2024.1.5-py3-none-any.whl", content)
    pin = Pinned("odd", "2024.1.5", (File("odd-2024.1.5-py3-none-any.whl", hashlib.sha256(content).hexdigest(), 1, None, ""),))
    move = Move(name="odd", before=None, after="2024.1.5", why="a test", download_bytes=1)
    done = applied(home, Repair(moves=(move,), pins=(pin,), mends=(), leaves=(), commands=(), resolved_s=0.0))
    assert done.outcome is Outcome.REPAIRED
    assert {one.name: one.version for one in installed(str(home.prefix))}["odd"] == "2024.01.05"
