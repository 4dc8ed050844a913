"""A small image for tests of a real engine, made of this machine's own Python: no base image, no registry, no network.

folder = root_of(tmp_path, {"/opt/venv/...": "..."})
imported(engine, folder, "envdoctor-test/small:1", {"PATH": "/opt/venv/bin:/usr/bin"})
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from typing import TYPE_CHECKING

import pytest

from envdoctor.engine import client
from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from envdoctor.engine.client import Engine

LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "dist-packages", "test", "tests", "__pycache__", "idlelib", "ensurepip", "config-3*", "*.a"
)
LIBRARY = re.compile(r"(/\S+) \(0x")
PYTHON = os.path.realpath(sys.executable)
"""Where the image's Python lies, too."""


def reachable() -> Iterator[Engine]:
    """The engine of this machine, for a fixture; where there is none the test is skipped, and says why."""
    try:
        with client.connect(os.environ) as engine:
            yield engine
    except UserError as error:
        pytest.skip(f"no engine to test with: {error.what}")


def root_of(folder: Path, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Path:
    """A root that holds this Python with its standard library and the libraries that it needs, and these files."""
    stdlib = sysconfig.get_path("stdlib")
    shutil.copytree(stdlib, folder / stdlib.lstrip("/"), ignore=LEFT_OUT)
    modules = [os.path.join(stdlib, "lib-dynload", name) for name in os.listdir(os.path.join(stdlib, "lib-dynload"))]
    told = subprocess.run(["ldd", PYTHON, *modules], capture_output=True, text=True, check=False).stdout
    for path in {PYTHON, *LIBRARY.findall(told)}:
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy(os.path.realpath(path), place)
    (folder / "etc").mkdir(exist_ok=True)
    (folder / "etc" / "os-release").write_text('PRETTY_NAME="A small image"\nID=small\nVERSION_ID="1"\n')
    for path, text in files.items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    for path, goal in (links or {}).items():
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(goal)
    return folder


def imported(engine: Engine, folder: Path, reference: str, env: Mapping[str, str], *more: str) -> str:
    """Make an image of a root, with these variables and further lines of a Dockerfile; gives its name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, ".")
    repository, _, tag = reference.rpartition(":")
    changes = [f'ENV {name}="{value}"' for name, value in env.items()]
    engine.client.api.import_image_from_data(packed.getvalue(), repository=repository, tag=tag, changes=[*changes, *more])
    return reference
