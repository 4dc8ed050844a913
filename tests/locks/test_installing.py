"""What a lock writes is what pip and uv install, from any index, and nothing else: proven on an index on 127.0.0.1."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from envdoctor.locks import files, pylock
from envdoctor.locks.document import Lock, LockedPackage
from envdoctor.resolver import uv_program
from tests.harvest import samples
from tests.harvest.server import Index
from tests.locks.sample import h100

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = {"alpha": ("1.0", ("beta>=1",)), "beta": ("2.0", ()), "gamma-ray": ("3.0+cu126", ())}
MEANT, OTHER = b"x = 1\n", b"x = 2\n"
"""What a module says, as locked and not; of the same length."""
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def built(name: str, version: str, requires: tuple[str, ...], says: bytes = MEANT) -> tuple[str, bytes]:
    """A wheel that an installer takes: its name and bytes."""
    stem = f"{name.replace('-', '_')}-{version}"
    members = {
        f"{name.replace('-', '_')}.py": says,
        f"{stem}.dist-info/METADATA": samples.metadata(name, version, *requires),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": b"",
    }
    return f"{stem}-py3-none-any.whl", samples.archive(members)


def wheels() -> dict[str, tuple[str, bytes]]:
    return {name: built(name, version, requires) for name, (version, requires) in NAMES.items()}


def lock() -> Lock:
    packages = [
        LockedPackage(
            name=name, version=NAMES[name][0], file=file, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
        )
        for name, (file, content) in sorted(wheels().items())
    ]
    return h100(packages=tuple(packages), stack={}, asked=("alpha",), bounds=(), python=PYTHON)


@pytest.fixture
def index() -> Iterator[Index]:
    """An index with the three wheels, and newer releases that nobody asked for."""
    made = Index()
    for name, (version, requires) in NAMES.items():
        put(made, name, version, requires)
        put(made, name, "9.0", ())
    made.thread.start()
    yield made
    made.close()


def put(index: Index, name: str, version: str, requires: tuple[str, ...], says: bytes = MEANT) -> None:
    """Serve a wheel and its metadata, under the address that a browser would ask for too."""
    path = index.add(name, *built(name, version, requires, says), metadata=samples.metadata(name, version, *requires))
    for served in (path, f"{path}.metadata"):
        index.files[quote(served)] = index.files[served]


def run(program: list[str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One installer, on its own, away from this machine's settings."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_")) and "proxy" not in name.lower()
    }
    env = {
        **kept,
        "HOME": str(folder),
        "UV_CACHE_DIR": str(folder / "cache"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
    }
    return subprocess.run([*program, *words], capture_output=True, text=True, check=False, cwd=folder, env=env)


def uv(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run([uv_program(), "pip", "install", "--python", sys.executable, "--target", "got"], folder, *words)


def pip(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "pip", "install", "--target", "got", "--no-cache-dir"], folder, *words)


def got(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder / "got") if name.endswith(".dist-info")}


ALL = {"alpha-1.0.dist-info", "beta-2.0.dist-info", "gamma_ray-3.0+cu126.dist-info"}
WITH_PIP = pytest.mark.skipif(find_spec("pip") is None, reason="pip is not in this environment")


def test_uv_installs_exactly_the_lock_from_an_index_that_has_newer_ones(tmp_path: Path, index: Index) -> None:
    files.write(lock(), str(tmp_path))
    done = uv(tmp_path, "--require-hashes", "-r", "h100.txt", "--default-index", index.url)
    assert done.returncode == 0, done.stderr
    assert got(tmp_path) == ALL


@WITH_PIP
def test_pip_installs_exactly_the_lock_from_an_index_that_has_newer_ones(tmp_path: Path, index: Index) -> None:
    files.write(lock(), str(tmp_path))
    done = pip(tmp_path, "--require-hashes", "-r", "h100.txt", "--index-url", index.url)
    assert done.returncode == 0, done.stderr
    assert got(tmp_path) == ALL


@pytest.mark.parametrize("installer", ["uv", pytest.param("pip", marks=WITH_PIP)])
def test_a_mirror_that_serves_another_file_of_the_same_name_is_refused(installer: str, tmp_path: Path, index: Index) -> None:
    files.write(lock(), str(tmp_path))
    put(index, "beta", "2.0", (), OTHER)
    option = "--default-index" if installer == "uv" else "--index-url"
    done = (uv if installer == "uv" else pip)(tmp_path, "--require-hashes", "-r", "h100.txt", option, index.url)
    assert done.returncode != 0
    assert "hash" in done.stderr.lower()
    assert not (tmp_path / "got" / "beta.py").exists()


def test_uv_accepts_the_pep_751_form_with_the_addresses_of_an_index(tmp_path: Path, index: Index) -> None:
    addresses = {file: f"{index.root}/files/{name}/{file}" for name, (file, _) in wheels().items()}
    (tmp_path / "pylock.h100.toml").write_text(pylock.pylock(lock(), addresses))
    done = uv(tmp_path, "--dry-run", "-r", "pylock.h100.toml")
    assert done.returncode == 0, done.stderr
    assert all(f"{name}==" in done.stderr for name in NAMES)
    done = uv(tmp_path, "-r", "pylock.h100.toml")
    assert done.returncode == 0, done.stderr
    assert got(tmp_path) == ALL


def test_uv_installs_the_pep_751_form_from_a_folder_of_wheels_without_any_index(tmp_path: Path) -> None:
    (tmp_path / pylock.WHEELS).mkdir()
    for file, content in wheels().values():
        (tmp_path / pylock.WHEELS / file).write_bytes(content)
    (tmp_path / "pylock.h100.toml").write_text(pylock.pylock(lock()))
    done = uv(tmp_path, "--offline", "-r", "pylock.h100.toml")
    assert done.returncode == 0, done.stderr
    assert got(tmp_path) == ALL


def test_the_pep_751_form_refuses_a_file_with_another_hash(tmp_path: Path) -> None:
    (tmp_path / pylock.WHEELS).mkdir()
    for file, content in wheels().values():
        (tmp_path / pylock.WHEELS / file).write_bytes(content)
    file, content = built("beta", "2.0", (), OTHER)
    (tmp_path / pylock.WHEELS / file).write_bytes(content)
    (tmp_path / "pylock.h100.toml").write_text(pylock.pylock(lock()))
    done = uv(tmp_path, "--offline", "-r", "pylock.h100.toml")
    assert done.returncode != 0
    assert "hash" in done.stderr.lower()
