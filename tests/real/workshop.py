"""Builds one environment at a time and asks ``envdoctor check`` about it, as a user would: by the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.real.environments import Environment

INSTALL_SECONDS = 1200
CHECK_SECONDS = 60
OF_THE_MACHINE = ("LD_", "CUDA_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "NVIDIA_", "ENVDOCTOR_")


def tool(name: str) -> str:
    """The program of that name beside the running interpreter, else on PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    assert found is not None, f"{name} is needed: neither beside {sys.executable} nor on PATH"
    return found


def clean_environ() -> dict[str, str]:
    """The user's variables (proxies, index settings) without those that would put a fault of this machine into the verdict."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_MACHINE)}


def run(*argv: str, seconds: int, **more: str) -> subprocess.CompletedProcess[str]:
    """Run to the end, with ``more`` variables, and return what it said; no exception for its exit status."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False, env=clean_environ() | more)


class Workshop:
    """A folder with one environment in it and the unpacked wheels that the next one may share."""

    def __init__(self, folder: Path) -> None:
        """Nothing is created yet."""
        self.venv = folder / "venv"
        self.cache = folder / "cache"
        self.first_wheel = ""

    def build(self, row: Environment) -> None:
        """Make the environment of this row; wheels come from wherever the user's uv or pip takes them."""
        if row.wheels[0] != self.first_wheel:
            shutil.rmtree(self.cache, ignore_errors=True)
            self.first_wheel = row.wheels[0]
        made = run(tool("uv"), "venv", "--python", row.python, str(self.venv), seconds=INSTALL_SECONDS)
        assert made.returncode == 0, made.stderr
        if row.installer == "pip":
            install = [sys.executable, "-m", "pip", "--python", str(self.venv), "install", "--no-cache-dir"]
        else:
            install = [tool("uv"), "pip", "install", "--cache-dir", str(self.cache), "--python", str(self.venv)]
        done = run(*install, "--quiet", "--no-deps", *row.wheels, seconds=INSTALL_SECONDS)
        assert done.returncode == 0, done.stderr

    def remove(self) -> None:
        """Delete the environment, keep the wheels."""
        shutil.rmtree(self.venv, ignore_errors=True)

    def version(self, distribution: str) -> str:
        """The installed version, from the name of its dist-info folder; empty if it is not there."""
        found = list(self.venv.glob(f"lib/python*/site-packages/{distribution.replace('-', '_')}-*.dist-info"))
        return found[0].name.removesuffix(".dist-info").split("-")[-1] if found else ""

    def imports(self, module: str) -> tuple[bool, str]:
        """Whether it can really be imported, and what it said."""
        done = run(str(self.venv / "bin" / "python"), "-c", f"import {module}", seconds=INSTALL_SECONDS)
        return done.returncode == 0, done.stderr

    def check(self, form: str) -> subprocess.CompletedProcess[str]:
        """Ask envdoctor; ED203 is left out because no dependency was installed."""
        return run(tool("envdoctor"), "check", f"venv:{self.venv}", "--format", form, "--skip", "ED203", seconds=CHECK_SECONDS)

    def report(self) -> tuple[int, list[dict[str, Any]]]:
        """The exit status and the diagnoses, root causes first."""
        done = self.check("json")
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode, json.loads(done.stdout)["diagnoses"]
