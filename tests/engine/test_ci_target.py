"""The ci target, without an engine: its lock is of its profile, and its profile is what envdoctor depends on."""

from __future__ import annotations

from pathlib import Path

import msgspec
from packaging.requirements import Requirement

from envdoctor import targets
from envdoctor.images import asked
from envdoctor.locks import files
from envdoctor.locks.judging import judged
from envdoctor.matrix import Matrix
from tests.engine.conftest import CI

PROFILE = targets.profile(str(CI / "profile" / "ci.toml"))
LOCK = files.read(str(CI / "ci.toml"))


def test_the_profile_asks_for_numpy_and_all_that_envdoctor_depends_on() -> None:
    project = msgspec.toml.decode((Path(__file__).resolve().parents[2] / "pyproject.toml").read_bytes())["project"]
    needed = [Requirement(one) for one in project["dependencies"]]
    there = {str(one) for one in needed if one.marker is None or one.marker.evaluate({"python_version": PROFILE.python})}
    assert set(map(str, map(Requirement, PROFILE.stack))) == {*there, "numpy"}, "lock it again: see the profile's first line"


def test_the_lock_is_of_the_profile_and_healthy() -> None:
    assert (LOCK.asked, LOCK.python, LOCK.glibc) == (PROFILE.stack, PROFILE.python, PROFILE.glibc)
    assert judged(LOCK, Matrix()).clean()


def test_the_image_installs_that_lock() -> None:
    place = asked.read(str(CI))
    assert Path(place.folder, place.asked.lock).resolve() == (CI / "ci.toml").resolve()
