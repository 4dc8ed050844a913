"""Where in the repository a problem can be mended: the lines of pyproject.toml, requirements files and locks that name it.

Reads files of the working folder; each is read once and at most 4 MiB of it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.files import read_file
from envdoctor.preflight.outcome import Place
from envdoctor.preflight.waivers import EXPIRED
from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.preflight.outcome import Problem

MAX_BYTES = 4 * 1024 * 1024
MAX_FILES = 20
REQUIREMENTS = re.compile(r"(?:.*-)?requirements(?:[-_.].*)?\.(?:txt|in)")
NAMED = re.compile(r"""^\s*["']?(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\]\s*)?(?:[<>=!~;@#"',]|$)""")
QUOTED = re.compile(
    r"""["'](?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]"']*\]\s*)?(?:[<>=!~;@][^"']*)?["']"""
)
TABLE = re.compile(r"^\s*\[+\s*(?P<name>[^\]]+?)\s*\]+")
KEY = re.compile(r"""^\s*(?P<name>[A-Za-z0-9_.-]+|"[^"]*"|'[^']*')\s*=(?!=)""")
ASKING = re.compile(r"dependenc|requires|constraint|override")
"""Tables and keys of pyproject.toml under which packages are asked for; a keyword or a classifier asks for nothing."""
CODE = re.compile(r"""\bcode\s*=\s*["'](?P<code>[A-Za-z0-9-]+)["']""")


class Repository:
    """The files of one folder in which packages are named, read when they are first asked for."""

    def __init__(self, folder: str, lock: str | None, config: str | None, root: str | None = None) -> None:
        """Look into ``folder``, below ``root``; ``lock`` is a lock's requirements file, ``config`` the configuration's."""
        self.folder = folder
        self.root = folder if root is None else root
        self.lock = lock
        self.config = config
        self._lines: dict[str, dict[str, int]] = {}

    def placed(self, one: Problem) -> Problem:
        """The problem with the lines where it can be mended; one that has lines keeps them."""
        if one.places:
            return one
        found = self._waiver(one.subjects[0], one.evidence[0].value) if one.code == EXPIRED else self._packages(one)
        return msgspec.structs.replace(one, places=tuple(found))

    def _waiver(self, code: str, until: str) -> Iterator[Place]:
        """The line of its code; of several waivers of a code that of the one with this date."""
        if self.config is None:
            return
        table, found, first = 0, {}, None
        dated = set()
        for number, line in enumerate(self._text(self.config).splitlines(), 1):
            table += TABLE.match(line) is not None
            match = CODE.search(line)
            if match is not None and match["code"].upper() == code:
                found[table] = number
                first = first or number
            if until in line:
                dated.add(table)
        line_number = next((number for number in found if number in dated), None)
        at = first if line_number is None else found[line_number]
        if at is not None:
            yield Place(self.shown(self.config), at)

    def _packages(self, one: Problem) -> Iterator[Place]:
        names = [name for name in one.subjects if not name.startswith("__")]
        lock = [self.lock] if self.lock else []
        # what drifted is told by the lock; what was asked for wrongly, by what the project asks for
        files = [*lock, *self._asking()] if one.code.startswith("DRIFT-") else [*self._asking(), *lock]
        for path in files:
            lines = self._named(path)
            line = next((lines[name] for name in names if name in lines), None)
            if line is None and one.code.startswith("DRIFT-") and path == self.lock:
                line = 1  # what the lock does not have is missing from the whole of it
            if line is not None:
                yield Place(self.shown(path), line)

    def _asking(self) -> list[str]:
        """Files in which a project says what it wants, the most telling first."""
        try:
            names = sorted(name for name in os.listdir(self.folder) if REQUIREMENTS.fullmatch(name))[:MAX_FILES]
        except OSError:
            names = []
        return [os.path.join(self.folder, name) for name in ("pyproject.toml", *names)]

    def _named(self, path: str) -> dict[str, int]:
        """Package -> the first line of the file that names it."""
        if path not in self._lines:
            toml = path.endswith(".toml")
            found: dict[str, int] = {}
            for number, line in _asking(self._text(path)) if toml else enumerate(self._text(path).splitlines(), 1):
                for match in (QUOTED if toml else NAMED).finditer(line):
                    found.setdefault(normalized(match["name"]), number)
            self._lines[path] = found
        return self._lines[path]

    def _text(self, path: str) -> str:
        try:
            return read_file(path, MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def shown(self, path: str) -> str:
        """As it is told: relative to the repository where it lies in it; bytes that are no UTF-8 as replacement characters."""
        inside = os.path.relpath(os.path.join(self.folder, path), self.root)
        told = (path if inside.startswith("..") else inside).replace(os.sep, "/")
        return os.fsencode(told).decode("utf-8", "replace")


def root_of(folder: str, environ: Mapping[str, str]) -> str:
    """The repository's root as the CI system names it, where the folder lies in it; else the folder itself.

    GitHub and GitLab read paths from there (GITHUB_WORKSPACE, CI_PROJECT_DIR).
    """
    for variable in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        root = environ.get(variable, "")
        if os.path.isabs(root) and os.path.commonpath((os.path.realpath(root), os.path.realpath(folder))) == os.path.realpath(
            root
        ):
            return root
    return folder


def _asking(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a pyproject.toml under which packages are asked for, each with its number."""
    table = key = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = TABLE.match(line)
        if header is not None:
            table, key = header["name"], ""
            continue
        named = KEY.match(line)
        key = named["name"] if named is not None else key
        if line.lstrip().startswith("#"):
            continue
        if ASKING.search(table) or ASKING.search(key):
            yield number, line
