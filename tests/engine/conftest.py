"""What needs a real engine is not started by a plain ``pytest``; with ``make engine`` it has an engine, a base and a registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
CI = HERE / "ci"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "engine" in config.getoption("markexpr"):
        return
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("engine") is not None:
            item.add_marker(pytest.mark.skip(reason="needs a real container engine; run `make engine`"))


class World(NamedTuple):
    """What ``make engine`` has brought up."""

    base: str
    """As --base takes it."""
    registry: str
    """HOST:PORT."""
    cdi: Path
    """Where the engine looks for CDI specifications."""


@pytest.fixture(scope="session")
def world() -> World:
    try:
        base, registry, cdi = (os.environ[f"ENVDOCTOR_TEST_{name}"] for name in ("BASE", "REGISTRY", "CDI"))
    except KeyError:
        pytest.skip("there is no base and no registry here; `make engine` brings them up")
    return World(f"oci-layout://{base}", registry, Path(cdi))


def envdoctor(*words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run envdoctor in a process of its own."""
    return subprocess.run([sys.executable, "-m", "envdoctor", *words], capture_output=True, check=False, text=True, env=environ)


def docker(*words: str, given: str | None = None) -> str:
    """What the docker command prints; it must succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, check=False, text=True, input=given)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def containers() -> list[str]:
    """Every container that there is, running or not."""
    return docker("ps", "--all", "--quiet").split()


def target(folder: Path, **lines: str) -> Path:
    """The ci target in a folder of its own, with lines of its image.toml or files of its lock changed."""
    folder.mkdir()
    for path in (CI / name for name in ("image.toml", "ci.toml", "ci.txt")):
        (folder / path.name).write_bytes(path.read_bytes())
    for name, text in lines.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def manifest(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return found
