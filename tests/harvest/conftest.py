"""An index in memory for each test that asks for one, and a client that does not wait between its tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.harvest.remote import Client
from tests.harvest.server import Index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither this machine's proxies and passwords nor its user's data count."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))


@pytest.fixture
def index() -> Iterator[Index]:
    """A package index with nothing in it."""
    made = Index()
    made.thread.start()
    yield made
    made.close()


@pytest.fixture
def client() -> Client:
    """Asks again at once."""
    return Client(pause_s=0)
