"""Makes an environment of real wheels for the truth about names, keeps the source text that predictions read, and takes it down."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

from .names_table import EXPORTERS, LEFT_OUT, TORCH, UNDATED, USUAL

if TYPE_CHECKING:
    from .names_table import Environment

CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names_child.py")
KEPT = (".py", ".so", ".pyi")
DRIVER_CALL = re.compile(rb"\0(cu[A-Z]\w{2,60})(?=\0)")
SECONDS_FOR_A_CHILD = 3600
QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""So that nothing asks a network, takes all cores or reports what was run."""


class Workshop:
    """One folder: ``env`` (the environment of the moment), ``src/PIN`` (source text, kept), ``truth/NAME.json`` (kept)."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        for name in ("src", "truth"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)

    def path(self, *parts: str) -> str:
        """A path in it."""
        return os.path.join(self.folder, *parts)

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return self.path("env", "bin", "python")

    def uv(self, *words: str) -> None:
        """Run uv, which keeps no cache: an environment's wheels are gone when it is."""
        tool = os.path.join(sysconfig.get_path("scripts"), "uv")
        environ = os.environ | {"UV_NO_CACHE": "1", "UV_LINK_MODE": "hardlink", "TMPDIR": self.folder}
        subprocess.run([tool, *words], check=True, env=environ, stdout=sys.stderr)

    def build(self, row: Environment) -> dict[str, str]:
        """Build it; {exporter: version} of those that are installed."""
        self.take_down()
        self.uv("venv", "-q", "--python", "3.11", self.path("env"))
        lines = [TORCH, *row.installed, *(f'{one}; python_version < "3"' for one in LEFT_OUT)]
        with open(self.path("override.txt"), "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
        words = [
            "pip",
            "install",
            "-q",
            "--python",
            self.python,
            "--override",
            self.path("override.txt"),
            "--exclude-newer",
            row.date,
        ]
        words += [word for one in UNDATED for word in ("--exclude-newer-package", f"{one}=2026-11-25")]
        if os.environ.get("PIP_FIND_LINKS"):
            words += ["--find-links", os.environ["PIP_FIND_LINKS"]]
        self.uv(*words, TORCH, *row.installed, *USUAL)
        return self.keep_exporters()

    @property
    def site(self) -> str:
        """The environment's site-packages."""
        return self.path("env", "lib", "python3.11", "site-packages")

    def keep_exporters(self) -> dict[str, str]:
        """Copy the source text of the exporters; {exporter: version}."""
        found = {}
        for known in importlib.metadata.distributions(path=[self.site]):
            name = known.metadata["Name"].lower()
            if name in EXPORTERS:
                found[name] = known.version
                self.keep(self.site, name, f"{name}=={known.version}")
        return found

    def keep(self, folder: str, package: str, pin: str) -> None:
        """Copy one package's .py files and the names of its compiled ones, and its metadata."""
        target = self.path("src", pin)
        if os.path.isdir(target):
            return
        metadata = [one for one in os.listdir(folder) if one.startswith(f"{package}-") and one.endswith(".dist-info")]
        for top in (package, *metadata):
            for place, _, files in os.walk(os.path.join(folder, top)):
                inside = os.path.join(f"{target}.part", os.path.relpath(place, folder))
                os.makedirs(inside, exist_ok=True)
                for name in files:
                    if name.endswith((".so", ".pyi")):
                        with open(os.path.join(inside, name), "wb"):
                            pass
                    elif name.endswith(".py") or top != package:
                        shutil.copyfile(os.path.join(place, name), os.path.join(inside, name))
        os.rename(f"{target}.part", target)

    def importer(self, pin: str) -> str:
        """The folder that holds an importer's whole package, data files too, without its dependencies."""
        target = self.path("src", pin)
        if not os.path.isdir(target):
            self.uv("pip", "install", "-q", "--python", "3.11", "--no-deps", "--target", f"{target}.part", pin)
            os.rename(f"{target}.part", target)
        return target

    def driver(self) -> str:
        """A folder with a libcuda.so.1 that has every call the environment's modules ask for, and does nothing; "" without cc."""
        folder = self.path("driver")
        os.makedirs(folder, exist_ok=True)
        calls = set()
        for place, _, files in os.walk(os.path.join(self.site, "vllm")):
            for name in files:
                if name.endswith(".so") and os.path.getsize(os.path.join(place, name)) < 64 << 20:
                    with open(os.path.join(place, name), "rb") as stream:
                        calls |= set(DRIVER_CALL.findall(stream.read()))
        if not calls or shutil.which("cc") is None:
            return ""
        source = "".join(f"int {one.decode()}(void) {{ return 100; }}\n" for one in sorted(calls))  # CUDA_ERROR_NO_DEVICE
        library = os.path.join(folder, "libcuda.so.1")
        words = ["cc", "-w", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-o", library]
        subprocess.run(words, input=source.encode(), check=True)
        return folder

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run the child in the environment."""
        with open(self.path("job.json"), "w", encoding="utf-8") as stream:
            json.dump(job, stream)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VLLM_"))}
        environ |= QUIET | {"LD_LIBRARY_PATH": self.driver(), "HOME": self.path("home")}
        words = [self.python, CHILD, self.path("job.json"), self.path("answer.json")]
        subprocess.run(
            words, check=True, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS_FOR_A_CHILD
        )
        with open(self.path("answer.json"), encoding="utf-8") as stream:
            answer: dict[str, Any] = json.load(stream)
        return answer

    def take_down(self) -> None:
        """Delete the environment."""
        shutil.rmtree(self.path("env"), ignore_errors=True)
        shutil.rmtree(self.path("driver"), ignore_errors=True)
