"""The Python files of a wheel on the index: the table of contents, then the files in few long parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.harvest.remote import Unreadable
from envdoctor.probe.machine import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.harvest.archive import Wheel

MAX_FILES = 20_000
"""transformers has 4,000."""
MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""Unpacked; transformers has 50 MB."""
TEXT = ".py"
COMPILED = (".so", ".pyd")
_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")
"""Where a wheel may keep what goes into the site folder too."""


class Texts:
    """The files of one package in a wheel, as :mod:`envdoctor.probe.sourcetree` gives those of an installed one."""

    def __init__(self, texts: Mapping[str, bytes], others: Iterable[str] = ()) -> None:
        self.texts = texts
        self._paths = sorted({*texts, *others})

    def paths(self, package: str) -> list[str]:
        """The paths of a package's Python files and compiled modules, relative to the site folder."""
        return [one for one in self._paths if one.startswith(f"{package}/")]

    def read(self, path: str) -> bytes:
        """The bytes of a Python file. Raises Missing: there is none, or it is compiled."""
        if path not in self.texts:
            raise Missing(f"{path}: no such file")
        return self.texts[path]


def texts(wheel: Wheel, package: str) -> Texts:
    """Read the Python files of a package. Raises Unreadable."""
    members, others = {}, []
    for name in wheel.members:
        path = _DATA.sub("", name, count=1) if ".data/" in name else name
        if not path.startswith(f"{package}/"):
            continue
        if path.endswith(TEXT):
            members[name] = path
        elif path.endswith(COMPILED):
            others.append(path)
    if not members:
        raise Unreadable(f"it holds no Python file of {package}")
    if len(members) > MAX_FILES or sum(wheel.members[name].file_size for name in members) > MAX_TOTAL_BYTES:
        raise Unreadable(f"it holds more Python files than can be read: {len(members)}")
    return Texts({members[name]: data for name, data in wheel.read_many(members)}, others)
