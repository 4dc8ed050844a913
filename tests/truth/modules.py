"""Which files of an environment are extension modules of which package: found from names and exported symbols, not by the probe."""

from __future__ import annotations

import mmap
import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.truth.dlopens import shared_objects

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = re.compile(r"(\.cpython-(?P<python>\d+)[\w-]*|\.abi3)?\.so$")
LIBRARIES = ("nvidia",)
"""Folders of libraries that others open: not packages that open what is in them."""
Plan = dict[str, list[tuple[str, str | None]]]
"""By top-level package: its files, and the import name of each; None for one that is opened by its path."""


def plan(site: Path, python: str) -> Plan:
    """Every extension module under ``site`` for this Python ("3.11"), and every library that lies in a package beside them."""
    tag = python.replace(".", "")
    named: dict[str, list[tuple[str, str]]] = defaultdict(list)
    packages: Plan = defaultdict(list)
    for path in shared_objects(str(site)):
        relative = os.path.relpath(path, site)
        package, found = relative.split("/")[0], SUFFIX.search(relative)
        parts = relative[: found.start()].split("/") if found else []
        if found and all(part.isidentifier() for part in parts) and exports(path, f"PyInit_{parts[-1]}"):
            named[".".join(parts)].append((found["python"] or "", path))
        elif package.isidentifier() and package not in LIBRARIES and ".libs/" not in relative:
            packages[package].append((path, None))
    for module, files in named.items():
        # CPython tries the suffix with its own version first, then .abi3.so, then .so
        mine = [one for one in files if one[0] in {"", tag}] or files
        packages[module.split(".")[0]].append((max(mine, key=lambda one: (one[0], ".abi3" in one[1]))[1], module))
    return {package: sorted(files) for package, files in packages.items()}


def exports(path: str, symbol: str) -> bool:
    """Whether the name stands, between zero bytes, in the file: in its table of dynamic strings."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b"\0" + symbol.encode() + b"\0") >= 0
