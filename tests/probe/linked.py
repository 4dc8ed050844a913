"""A small environment for tests of the section ``linking``: this interpreter, and site-packages made for the test."""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING, Any

from envdoctor.probe import linking
from envdoctor.probe.machine import Machine
from tests.probe.samples import install, put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ABI = sysconfig.get_config_var("SOABI")
ENDING = f".{ABI}.so"


class Environment:
    """Its folder ``site``; ``add`` installs a distribution, ``linked`` runs the section."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site-packages"
        self.site.mkdir()
        self.distributions: list[dict[str, Any]] = []

    def add(self, name: str, files: Mapping[str, bytes | str], *requires: str, tag: str = "cp3-abi3-linux_x86_64") -> None:
        """Install a distribution of these files; all of them stand in its RECORD."""
        for path, content in files.items():
            put(self.site / path, content)
        record = "".join(f"{path},sha256=x,1\n" for path in files)
        folder = install(self.site, name, "1.0", *requires, tag=tag, record=record)
        self.distributions.append(
            {"name": name, "version": "1.0", "location": str(self.site), "metadata_dir": folder.name, "requires": list(requires), "wheel_tags": [tag] if tag else []}
        )  # fmt: skip

    def sections(self, **python: Any) -> dict[str, Any]:
        """What the sections python and packages would have found."""
        sites = {"is": "known", "value": [str(self.site)], "via": ""}
        interpreter = {
            "executable": sys.executable, "version": sys.version.split()[0], "abi": ABI, "free_threaded": False, "site_dirs": sites,
        }  # fmt: skip
        return {
            "python": {"interpreter": {"is": "known", "value": interpreter | python, "via": ""}},
            "packages": {"distributions": {"is": "known", "value": self.distributions, "via": ""}},
        }

    def linked(self, environ: Mapping[str, str] | None = None, **ask: Any) -> dict[str, Any]:
        """The section's leaves."""
        out: dict[str, Any] = {}
        machine = Machine(environ=dict(environ or {}))
        linking.probe(out, machine, {"sections": self.sections(**ask.pop("python", {})), **ask})
        return out

    def modules(self, environ: Mapping[str, str] | None = None, **ask: Any) -> dict[str, Any]:
        """{path: LinkedModule} of the section."""
        leaf = self.linked(environ, **ask)["modules"]
        assert leaf["is"] == "known", leaf
        return {one["path"]: one for one in leaf["value"]}
