"""A driver made of C and an nvidia-smi that hangs, for tests on this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envdoctor.probe.machine import Machine

if TYPE_CHECKING:
    from tests.probe.machines import Live

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with libcuda.so.1 and libnvidia-ml.so.1 that the loader and the real pynvml accept."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make the fake driver with")
    folder = tmp_path_factory.mktemp("driver") / "lib64"
    folder.mkdir()
    library = folder / "libcuda.so.550.54.15"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "fake_driver.c"], check=True)
    (folder / "libcuda.so.1").symlink_to(library.name)
    (folder / "libnvidia-ml.so.1").symlink_to(library.name)
    return folder


@pytest.fixture
def live(fake_driver: Path, tmp_path: Path) -> Live:
    """This machine with the fake driver on LD_LIBRARY_PATH and an empty PATH."""

    def make(**environ: str) -> Machine:
        return Machine(environ={"LD_LIBRARY_PATH": str(fake_driver), "PATH": str(tmp_path), **environ})

    return make


@pytest.fixture
def wedged_smi(tmp_path: Path) -> Path:
    """An nvidia-smi in ``tmp_path`` that ignores SIGTERM, never ends, and writes its process id and its child's."""
    script = tmp_path / "nvidia-smi"
    pids = tmp_path / "pids"
    script.write_text(f"#!/bin/sh\ntrap '' TERM\n/bin/sleep 1000 &\necho $$ $! > {pids}.new\n/bin/mv {pids}.new {pids}\nwait\n")
    script.chmod(0o755)
    return pids
