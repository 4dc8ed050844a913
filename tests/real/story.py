"""One release, installed as a plain user would and as ``envdoctor lock`` would, and what then works without a GPU."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envdoctor.locks import files
from tests.real.workshop import CHECK_SECONDS, INSTALL_SECONDS, run, tool

if TYPE_CHECKING:
    from envdoctor.locks.document import Lock

ROOT = Path(__file__).resolve().parents[2]
FIRST_USE = Path(__file__).with_name("first_use.py")
TARGET = "h100"
MOMENT = "2026-11-26T00:00:00Z"
"""Files uploaded from then on do not count, so that the story is the same on any day."""
PLATFORM = "x86_64-manylinux_2_35"
OF_THE_MACHINE = ("ED1", "ED305", "ED306", "ED5")
"""Rules on driver, GPUs, CUDA toolkits and container: they judge where the test runs."""


@dataclass(frozen=True)
class Way:
    """How the versions were chosen. ``lock`` are options of ``envdoctor lock h100``; None is uv alone."""

    python: str
    lock: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """A command line, as far as it differs from way to way."""
        if self.lock is None:
            return f"uv pip compile --python-version {self.python}"
        return f"envdoctor lock {TARGET} {' '.join(self.lock)}"


@dataclass(frozen=True)
class Outcome:
    """What came of it. Steps that work are empty strings, the others the error as a user meets it."""

    versions: dict[str, str]
    steps: dict[str, str]
    models: dict[str, str]
    errors: tuple[str, ...]
    """Codes of the errors that ``envdoctor check`` finds in the environment, without those of the machine."""

    def broken(self) -> dict[str, str]:
        """The steps and the model modules that do not work."""
        return {name: said for name, said in (self.steps | self.models).items() if said}


def plain(asked: str, python: str, folder: Path) -> Path:
    """A requirements file of what uv chooses by metadata alone; no bounds."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted, chosen = folder / "asked.in", folder / "chosen.txt"
    wanted.write_text(f"{asked}\n", encoding="utf-8")
    options = ["--python-version", python, "--python-platform", PLATFORM, "--only-binary", ":all:", "--exclude-newer", MOMENT]
    done = run(tool("uv"), "pip", "compile", str(wanted), *options, "--quiet", "-o", str(chosen), seconds=INSTALL_SECONDS)
    assert done.returncode == 0, done.stderr
    return chosen


def lock(words: tuple[str, ...], folder: Path) -> Lock:
    """What the command writes, as a user runs it; its files stay in the folder."""
    envdoctor = (sys.executable, "-m", "envdoctor", "lock", TARGET, *words)
    when = () if "--as-of" in words else ("--exclude-newer", MOMENT)
    done = run(*envdoctor, *when, "--output", str(folder), seconds=INSTALL_SECONDS, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    return files.read(str(folder / f"{TARGET}.toml"))


def versions(requirements: Path) -> dict[str, str]:
    """Normalized name -> version."""
    return {one.name: one.version for one in files.read_requirements(str(requirements)).packages}


def told(asked: str, way: Way, folder: Path) -> Outcome:
    """Choose, install everything, and use it; the environment is deleted, unpacked wheels stay in ``folder``/cache."""
    here = folder / "way"
    try:
        if way.lock is None:
            requirements, install = plain(asked, way.python, here), ("--no-deps",)
        else:
            lock(way.lock, here)
            requirements, install = here / f"{TARGET}.txt", ("--require-hashes",)
        venv = here / "venv"
        made = run(tool("uv"), "venv", "--python", way.python, str(venv), seconds=INSTALL_SECONDS)
        assert made.returncode == 0, made.stderr
        where = ("--cache-dir", str(folder / "cache"), "--python", str(venv))
        done = run(tool("uv"), "pip", "install", "--quiet", *where, *install, "-r", str(requirements), seconds=INSTALL_SECONDS)
        assert done.returncode == 0, done.stderr
        found = _first_use(venv, here)
        models = found.pop("models")
        return Outcome(versions(requirements), found, models, _errors(venv))
    finally:
        shutil.rmtree(here, ignore_errors=True)


def _first_use(venv: Path, folder: Path) -> dict[str, Any]:
    model = folder / "model"
    model.mkdir()
    # a home of its own: what the libraries keep there of earlier runs must not help
    done = run(str(venv / "bin" / "python"), str(FIRST_USE), str(model), seconds=INSTALL_SECONDS, HOME=str(folder))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _errors(venv: Path) -> tuple[str, ...]:
    check = (sys.executable, "-m", "envdoctor", "check", f"venv:{venv}", "--format", "json")
    done = run(*check, seconds=CHECK_SECONDS, PYTHONPATH=str(ROOT))
    assert done.returncode in {0, 1}, done.stderr
    found = [one["code"] for one in json.loads(done.stdout)["diagnoses"] if one["severity"] == "error"]
    return tuple(code for code in found if not code.startswith(OF_THE_MACHINE))
