"""One environment of real files for the whole module that asks for it, put back before each test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.applying import wheels, world
from tests.harvest.server import Index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.applying.world import Seen


class Home(NamedTuple):
    """Where the environment lies, and what it was."""

    prefix: Path
    saved: Path
    before: dict[str, Seen]
    url: str
    server: Index

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.prefix / "bin" / "python")

    def now(self) -> dict[str, Seen]:
        """What it is now, but for what is ours."""
        return world.seen(self.prefix, leave_out=(".envdoctor",))


def settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Neither this machine's index nor its cache counts."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The environment, built once."""
    folder = tmp_path_factory.mktemp("fixing")
    index = Index()
    wheels.stock(index)
    index.thread.start()
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings(monkeypatch, folder)
        world.build(folder / "env", index.url)
        world.again(folder / "env", folder / "saved")
        leave_out = (".envdoctor",)
        yield Home(folder / "env", folder / "saved", world.seen(folder / "saved", leave_out=leave_out), index.url, index)
    index.close()


@pytest.fixture
def home(built: Home) -> Home:
    """The environment as it was first."""
    world.again(built.saved, built.prefix)
    assert built.now() == built.before
    return built
