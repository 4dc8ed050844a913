"""A package index on 127.0.0.1 with tiny wheels made in the test, and a uv that knows no other."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.resolver import Index as Asked
from tests.harvest.samples import archive, metadata, sdist
from tests.harvest.server import Index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = "2025-01-01"


class Wheelhouse:
    """An index and how to fill it."""

    def __init__(self, index: Index) -> None:
        self.index = index

    @property
    def asked(self) -> Asked:
        """The index as a question names it."""
        return Asked(default=self.index.url)

    def add(self, name: str, version: str, *requires: str, tag: str = "py3-none-any", day: str = DAY, **more: Any) -> str:
        """A wheel of these requirements, uploaded on that day; gives its file name."""
        said = metadata(name, version, *requires, python=more.pop("python", None))
        file = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        when = {"upload-time": f"{day}T12:00:00Z"}
        self.index.add(name, file, _wheel(name, version, said), metadata=said, attributes=when, **more)
        return file

    def add_source(self, name: str, version: str, day: str = DAY) -> str:
        """A source distribution alone; gives its file name."""
        said = b"Metadata-Version: 2.2\nName: %s\nVersion: %s\n" % (name.encode(), version.encode())
        project = b'[build-system]\nrequires = []\n[project]\nname = "%s"\nversion = "%s"\n' % (name.encode(), version.encode())
        file = f"{name.replace('-', '_')}-{version}.tar.gz"
        content = sdist(name.replace("-", "_"), version, said, {"pyproject.toml": project})
        self.index.add(name, file, content, attributes={"upload-time": f"{day}T12:00:00Z"})
        return file


def _wheel(name: str, version: str, said: bytes) -> bytes:
    """A wheel whose RECORD lists its metadata with hash and size, as tools write it."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    members = {f"{folder}/METADATA": said, f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nTag: py3-none-any\n"}
    rows = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')},{len(content)}\n"
        for path, content in members.items()
    )
    return archive({**members, f"{folder}/RECORD": f"{rows}{folder}/RECORD,,\n".encode()})


@pytest.fixture
def wheelhouse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Wheelhouse]:
    """An index that serves until the test is over; uv starts with an empty cache and no configuration."""
    for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_EXCLUDE_NEWER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    index = Index()
    index.thread.start()
    yield Wheelhouse(index)
    index.close()
