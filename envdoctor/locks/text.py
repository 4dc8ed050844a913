"""The requirements form of a lock: exactly one pinned line a package, and nothing that is not one. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envdoctor.errors import UserError
from envdoctor.locks.document import ListedPackage
from envdoctor.views import parsed
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.locks.document import Lock

MAX_PACKAGES = 10_000
MAX_SHOWN = 80
"""Characters of a wrong line that are shown."""
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) ?(?:\[[A-Za-z0-9._, -]*\])? ?"
    r"== ?(?P<version>[A-Za-z0-9.!+_-]+)(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})*)"
)
_OPTION = re.compile(r"-{1,2}[A-Za-z][A-Za-z-]*")


def requirements(lock: Lock) -> str:
    """The hashed requirements of a lock, one line a package, with how to install them. No index, no host, no marker."""
    name = lock.target
    machine = f"Python {lock.python} on Linux x86_64 with glibc {lock.glibc}" + (f", {lock.gpu}" if lock.gpu else ", no GPU")
    head = (
        f"{plural(len(lock.packages), 'package')} for {machine}; locked {lock.made} by envdoctor.",
        f"{name}.toml beside it says what is assumed of the machine and knows this file by its hash: do not edit it by hand.",
        f"  uv pip install --require-hashes -r {name}.txt",
        f"  pip install --require-hashes -r {name}.txt",
    )
    lines = [f"# {line}" for line in head]
    lines += [f"{one.name}=={one.version} --hash=sha256:{one.sha256}" for one in lock.packages]
    return "".join(f"{line}\n" for line in lines)


def listed(document: bytes, where: str) -> tuple[ListedPackage, ...]:
    """The packages that a requirements file pins, sorted by name.

    Args:
        document: the file's bytes.
        where: its name, for messages.

    Raises:
        UserError: a line that is not NAME==VERSION with sha256 hashes or none, named by its number; a package twice.
    """
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where} is no text: {error.reason} at byte {error.start}", "Give a requirements file in UTF-8."
        ) from error
    found: dict[str, ListedPackage] = {}
    for number, line in _logical(text):
        pin = _PIN.fullmatch(line)
        version = None if pin is None else parsed(pin["version"])
        if pin is None or version is None:
            raise UserError(f"{where}, line {number}: {_wrong(line)}", _HINT)
        name = canonicalize_name(pin["name"])
        if name in found:
            raise UserError(f"{where}, line {number}: {name} is there twice", "Leave one of the lines.")
        hashes = tuple(word.removeprefix("--hash=sha256:") for word in pin["hashes"].split())
        found[name] = ListedPackage(name=name, version=pin["version"], sha256=hashes)
        if len(found) > MAX_PACKAGES:
            raise UserError(f"{where} holds more than {MAX_PACKAGES} packages", "Give the list of one environment.")
    return tuple(found[name] for name in sorted(found))


_HINT = (
    "Every line must be NAME==VERSION, with --hash=sha256:... or without, as `uv pip compile --generate-hashes` "
    "and `pip freeze` write it."
)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined where they end in a backslash, without comments, blanks as one space; with the number of the first."""
    begun = 0
    parts: list[str] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = _COMMENT.sub("", raw.removesuffix("\r")).strip(" \t")
        more = line.endswith("\\")
        if not parts:
            begun = number
        parts.append(line.removesuffix("\\"))
        if not more:
            whole = re.sub("[ \t]+", " ", " ".join(parts)).strip(" ")
            parts = []
            if whole:
                yield begun, whole
    if parts:
        raise UserError(f"line {begun} ends in a backslash and nothing follows", "Is the file cut off?")


def _wrong(line: str) -> str:
    """What is wrong with a line. An address in it may hold a password and is not shown."""
    if line.startswith("-"):
        option = _OPTION.match(line)
        return f"the option {option.group() if option else '-'} is no pinned package"
    name = harmless(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0][:MAX_SHOWN])
    if "://" in line or "@" in line:
        return f"{name or 'it'} comes from an address and not from an index, so no release is named"
    if ";" in line:
        return f"{name} has a marker: the list must be of one platform and Python"
    if "--hash=" in line:
        return f"{name} is not pinned as NAME==VERSION with sha256 hashes of 64 hex digits"
    return f"{harmless(line[:MAX_SHOWN])!r} is not an exact version"
