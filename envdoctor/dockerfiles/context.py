"""The build context: which files COPY would find, with .dockerignore applied. The only module here that reads a folder."""

from __future__ import annotations

import os
import posixpath
import re
from functools import lru_cache

from envdoctor.errors import UserError
from envdoctor.files import read_file

MAX_IGNORE = 256 * 1024
MAX_REQUIREMENTS = 1024 * 1024
MAX_STARS = 8
"""In one pattern: each star more makes a hostile pattern dearer to match."""


class Context:
    """The folder that is sent to the builder.

    Args:
        folder: where it is.
        dockerfile: the file that is judged; a FILE.dockerignore beside it is used before the folder's .dockerignore.
        chosen: whether the user has named the folder.

    Raises:
        UserError: the folder is not there, or its ignore file cannot be read.
    """

    def __init__(self, folder: str, dockerfile: str | None = None, *, chosen: bool = True) -> None:
        if not os.path.isdir(folder):
            raise UserError(
                f"the build context {folder} is not a folder", "Name the folder that `docker build` is given: --context DIR"
            )
        self.folder = os.path.realpath(folder)
        self.chosen = chosen
        own = None if dockerfile is None else f"{dockerfile}.dockerignore"
        self.ignored_by, self.patterns = self._ignores(own)

    def _ignores(self, own: str | None) -> tuple[str | None, list[tuple[bool, re.Pattern[str]]]]:
        for path in (own, os.path.join(self.folder, ".dockerignore")):
            if path is None:
                continue
            try:
                data = read_file(path, MAX_IGNORE)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise UserError(f"{path} cannot be read: {error.strerror}", "Mend its permissions.") from error
            return os.path.basename(path), _patterns(data.decode("utf-8", "replace"))
        return None, []

    def ignored(self, path: str) -> bool:
        """Whether .dockerignore leaves a file or folder out; the last pattern that matches it or a folder above decides."""
        parts = path.split("/")
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        out = False
        for keeps, pattern in self.patterns:
            if any(pattern.fullmatch(one) for one in above):
                out = not keeps
        return out

    def has(self, pattern: str) -> str | None:
        """Why a source of COPY finds nothing here, None if it finds something or that is not known."""
        clean = posixpath.normpath(pattern.lstrip("/"))
        if clean in {".", ""} or clean.startswith(".."):
            return None
        if any(mark in clean for mark in "*?["):
            return None  # a pattern that matches nothing copies nothing, and BuildKit lets it pass
        path = os.path.join(self.folder, clean)
        if not os.path.lexists(path):
            return f"there is no {clean} in the build context"
        if self.ignored(clean) and not (os.path.isdir(path) and any(keeps for keeps, _ in self.patterns)):
            return f"{self.ignored_by} leaves {clean} out of the build context"
        return None

    def generated(self, path: str) -> str | None:
        """The .gitignore by which a path is made by something before the build and kept out of the repository; None: none."""
        clean = posixpath.normpath(path.lstrip("/"))
        parts = clean.split("/")
        for depth in range(len(parts)):
            folder, rest = "/".join(parts[:depth]), parts[depth:]
            text = self.read(posixpath.join(folder, ".gitignore"))
            for line in (text or "").splitlines():
                word = line.strip().rstrip("/")
                if not word or word.startswith(("#", "!")):
                    continue
                pattern = _compiled(word.lstrip("/") if "/" in word else f"**/{word}")
                if pattern is not None and any(pattern.fullmatch("/".join(rest[: count + 1])) for count in range(len(rest))):
                    return posixpath.join(folder, ".gitignore")
        return None

    def read(self, path: str) -> str | None:
        """The text of a file of the context, None if it is not there or cannot be read."""
        clean = posixpath.normpath(path.lstrip("/"))
        if clean.startswith(".."):
            return None
        full = os.path.realpath(os.path.join(self.folder, clean))
        if not full.startswith(self.folder + os.sep):
            return None
        try:
            return read_file(full, MAX_REQUIREMENTS).decode("utf-8", "replace")
        except OSError:
            return None


def _patterns(text: str) -> list[tuple[bool, re.Pattern[str]]]:
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        word = line.strip()
        if not word or line.startswith("#"):
            continue
        keeps = word.startswith("!")
        clean = posixpath.normpath(word.removeprefix("!").strip().lstrip("/"))
        compiled = _compiled(clean)
        if clean != "." and compiled is not None:
            found.append((keeps, compiled))
    return found


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None: a pattern with so many stars, or such a range, that nobody means it."""
    if pattern.count("*") > MAX_STARS:
        return None
    try:
        return re.compile(_translated(pattern))
    except re.error:
        return None


@lru_cache(maxsize=1024)
def _translated(pattern: str) -> str:
    """A pattern of Docker's matcher as a regular expression: * and ? stay inside a name, ** crosses folders."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            while pattern.startswith("*", at):
                at += 1
            if pattern.startswith("/", at):
                out += "(?:.*/)?"
                at += 1
            else:
                out += ".*"
            continue
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            inside = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            out += f"[{inside}]"
            at = end
        else:
            out += re.escape(char)
        at += 1
    return out
