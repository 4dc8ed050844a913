"""Wheels, sdists and metadata as files in memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def metadata(name: str, version: str, *requires: str, python: str | None = None) -> bytes:
    """A METADATA or PKG-INFO file."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    lines += [f"Requires-Dist: {one}" for one in requires]
    return ("\n".join(lines) + "\n\nthe description\n").encode()


def wheel(name: str, version: str, said: bytes, members: Mapping[str, bytes] | None = None) -> bytes:
    """A wheel with its metadata last, as tools write it."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    return archive(
        {**(members or {}), f"{folder}/METADATA": said, f"{folder}/WHEEL": b"Wheel-Version: 1.0\n", f"{folder}/RECORD": b""}
    )


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, method)  # the same bytes each time
    return out.getvalue()


def sdist(name: str, version: str, said: bytes | None, members: Mapping[str, bytes] | None = None) -> bytes:
    """A source archive (tar.gz), PKG-INFO after the members."""
    out = io.BytesIO()
    inside = dict(members or {}) | ({"PKG-INFO": said} if said is not None else {})
    with tarfile.open(fileobj=out, mode="w") as file:
        for path, content in inside.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)
