"""The order of a build: what says no ends it, and before an engine is asked where none is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.errors import UserError
from envdoctor.images.asked import Asked, Base, Place
from envdoctor.images.building import Stage, build_image
from envdoctor.images.dockerfile import epoch
from envdoctor.images.wishes import Wishes
from envdoctor.locks.files import sealed
from envdoctor.matrix import Matrix
from tests.locks.sample import h100

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.engine.buildx import Step
    from envdoctor.locks.document import Lock

ASKED = Asked(
    target="h100", says="One H100.", lock="h100", base=Base(image="debian:bookworm"), python="python3.12", why={"base": "Small."}
)


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[Stage] = []

    def begin(self, name: str) -> None:
        """A stage."""
        self.begun.append(name)

    def step(self, one: Step) -> None:
        """A step of the engine."""
        raise AssertionError(f"nothing was to be built: {one}")

    def end(self, stage: Stage) -> None:
        """How it ended."""
        self.ended.append(stage)


def broken() -> Lock:
    """The lock with a torch that its vLLM was not built for."""
    packages = tuple(msgspec.structs.replace(one, version="2.12.0") if one.name == "torch" else one for one in h100().packages)
    return sealed(msgspec.structs.replace(h100(), packages=packages))


def test_a_lock_that_the_rules_refuse_stops_before_an_engine_is_asked(tmp_path: Path) -> None:
    told = Told()
    place = Place(folder=str(tmp_path), asked=ASKED)
    built = build_image(place, broken(), Wishes(), Matrix(), {"PATH": "/nowhere"}, told)
    assert not built.ok
    assert told.begun == ["judge the lock"]
    assert told.ended[0].state == "stopped"
    assert "nothing was built" in told.ended[0].says
    assert list(tmp_path.iterdir()) == []


def test_a_good_lock_needs_buildx_and_says_so_where_there_is_none(tmp_path: Path) -> None:
    told = Told()
    with pytest.raises(UserError):
        build_image(Place(folder=str(tmp_path), asked=ASKED), h100(), Wishes(), Matrix(), {"PATH": "/nowhere"}, told)
    assert told.begun == ["judge the lock"]


def test_the_times_of_an_image_are_the_day_of_its_lock() -> None:
    assert epoch(msgspec.structs.replace(h100(), made="2026-11-25")) == 1795564800
    assert epoch(h100()) % 86400 == 0
