"""Builds one environment at a time, with a stand-in for the driver, and runs what measures and what predicts in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envdoctor.sources.interpreter import BOOTSTRAP, PACKAGE
from tests.real.workshop import clean_environ, tool
from tests.truth.dlopens import CONTEXTS, shared_objects

if TYPE_CHECKING:
    from tests.truth.environments import Environment
    from tests.truth.modules import Plan

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 1800
DRIVER = {"libcuda.so.1": ("cu", 100), "libnvidia-ml.so.1": ("nvml", 9)}
"""The driver's libraries: what their names begin with, and what the functions of the stand-in return: no device, no driver."""


class NotBuilt(Exception):  # noqa: N818 - it says what it is
    """The environment cannot be made from the index in use."""


class Workshop:
    """A folder with one environment in it and the unpacked wheels that the next one may share."""

    def __init__(self, folder: Path) -> None:
        """Nothing is created yet."""
        self.venv = folder / "venv"
        self.caches = folder / "cache"
        self.home = folder / "home"
        self.stub = folder / "stub"
        self.poison = folder / "poison"
        self.row: Environment | None = None

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(self.venv / "bin" / "python")

    @property
    def site(self) -> Path:
        """Its only site folder."""
        (found,) = self.venv.glob("lib/python3*/site-packages")
        return found

    def run(self, *argv: str, said: str = "", driver: bool = False, patience: int = SECONDS) -> subprocess.CompletedProcess[str]:
        """Run to the end in the surroundings of the environment; no exception for its exit status."""
        assert self.row is not None
        self.home.mkdir(parents=True, exist_ok=True)
        paths = [str(self.poison / self.row.poison[-1])] if self.row.poison else []
        paths += [str(self.stub)] if driver else []
        environ = {**clean_environ(), "UV_CACHE_DIR": str(self.caches / self.row.group)}
        if argv[0] == self.python:
            environ["HOME"] = str(self.home)  # packages write caches and settings when they are imported
        if paths:
            environ["LD_LIBRARY_PATH"] = ":".join(paths)
        return subprocess.run(
            argv, input=said, capture_output=True, text=True, timeout=patience, check=False, env=environ, cwd=ROOT
        )

    def build(self, row: Environment) -> None:
        """Make the environment of this row. Raises NotBuilt."""
        self.remove()
        self.row = row
        for old in self.caches.glob("*"):
            if old.name != row.group:
                shutil.rmtree(old)
        uv = tool("uv")
        day = ["--exclude-newer", row.as_of] if row.as_of else []
        inside = [uv, "pip", "install", "--quiet", "--python", self.python, *day]
        self.must(uv, "venv", "--quiet", "--python", row.python, str(self.venv))
        if row.installer == "pip":
            self.must(sys.executable, "-m", "pip", "--python", str(self.venv), "install", "--quiet", *row.wheels)
        else:
            self.must(*inside, *row.wheels)
        if row.removed:
            self.must(uv, "pip", "uninstall", "--quiet", "--python", self.python, *row.removed)
        over = [uv, "pip", "install", "--quiet", "--no-deps", "--reinstall"]
        if row.forced:
            self.must(*over, "--python", self.python, *row.forced)
        if row.foreign:
            other, *wheels = row.foreign
            self.must(*over, "--target", str(self.site), "--python-version", other, "--python", self.python, *wheels)
        if row.poison:
            self.must(*over, "--target", str(self.poison), "--python", self.python, *row.poison[:-1])
        if row.only_if is not None and not self.version(row.only_if[0]).endswith(row.only_if[1]):
            raise NotBuilt(
                f"the index in use gives {row.only_if[0]} {self.version(row.only_if[0])}, this row is about {row.only_if[1]}"
            )
        self.stand_in()

    def must(self, *argv: str) -> None:
        """Run it; raises NotBuilt with what it said if it fails."""
        done = self.run(*argv)
        if done.returncode != 0:
            raise NotBuilt(done.stderr.strip()[-1000:])

    def remove(self) -> None:
        """Delete the environment, keep the wheels."""
        for folder in (self.venv, self.stub, self.poison, self.home):
            shutil.rmtree(folder, ignore_errors=True)

    def version(self, distribution: str) -> str:
        """The installed version, from the name of its dist-info folder; empty if it is not there."""
        found = list(self.site.glob(f"{distribution.replace('-', '_')}-*.dist-info"))
        return found[0].name.removesuffix(".dist-info").split("-")[-1] if found else ""

    def stand_in(self) -> None:
        """Compile libraries in the place of the driver's, with every function of theirs that a file here wants."""
        self.stub.mkdir(parents=True)
        files = shared_objects(str(self.site))
        listed = "".join(self.run(tool("nm"), "-D", "-u", *files[at : at + 100]).stdout for at in range(0, len(files), 100))
        compiler = tool(os.environ.get("CC") or "cc")
        for name, (prefix, answer) in DRIVER.items():
            wanted = sorted(set(re.findall(rf"^\s+[Uw] ({prefix}[A-Z]\w*)$", listed, re.MULTILINE)))
            code = "".join(f"int {one}(void) {{ return {answer}; }}\n" for one in ["envdoctor_stand_in", *wanted])
            source = self.stub / f"{prefix}.c"
            source.write_text(code, encoding="ascii")
            self.must(compiler, "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", str(self.stub / name), str(source))

    def dlopens(self) -> dict[str, Any]:
        """What dlerror() says of each file, by context."""
        script = str(HERE / "dlopens.py")
        return {context: self.answer(self.python, "-I", script, context, str(self.site)) for context in CONTEXTS}

    def imports(self, modules: Plan) -> Any:
        """How the import of each package and of each module ends."""
        return self.answer(self.python, "-I", str(HERE / "imports.py"), said=json.dumps(modules))

    def answer(self, *argv: str, said: str = "", driver: bool = True) -> Any:
        """The JSON that a program prints; with the driver's stand-in unless told otherwise."""
        done = self.run(*argv, said=said, driver=driver)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def facts(self, *words: str) -> Any:
        """The probe's document, taken under the environment's own Python as the doctor does, with no driver in sight."""
        bootstrap = [self.python, "-I", "-S", "-c", BOOTSTRAP, PACKAGE, str(sys.implementation.cache_tag)]
        return self.answer(*bootstrap, *words, driver=False)

    def predicted_files(self) -> Any:
        """What the loader's simulation says of every file, by context."""
        return self.answer(self.python, "-I", "-S", str(HERE / "predictions.py"), str(self.site), driver=False)

    def check(self) -> Any:
        """The report of ``envdoctor check``, as a user would ask for it."""
        done = self.run(sys.executable, "-m", "envdoctor", "check", f"venv:{self.venv}", "--format", "json")
        assert done.returncode in {0, 1}, done.stderr
        return json.loads(done.stdout)

    def import_seconds(self, module: str) -> float | None:
        """Wall time of a second ``import`` in a fresh interpreter; None if it fails."""
        for _ in range(2):
            started = time.perf_counter()
            done = self.run(self.python, "-I", "-c", f"import {module}", driver=True)
            seconds = time.perf_counter() - started
        return seconds if done.returncode == 0 else None


def runs_here() -> bool:
    """Whether the wheels of the table run here."""
    return sysconfig.get_platform() == "linux-x86_64"
