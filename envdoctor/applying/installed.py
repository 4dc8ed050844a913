"""What is installed under a prefix, read from the metadata on disk; nothing of it is imported."""

from __future__ import annotations

import contextlib
import csv
import glob
import importlib.metadata
import json
import os
import time
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import canonicalize_name

from envdoctor.resolver import Index, Pinned, Question, Unresolvable, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution. ``name`` is normalized; ``origin``: its direct_url.json, if it did not come from an index."""

    name: str
    version: str
    origin: dict[str, object] | None
    site: str
    """The folder that its RECORD's paths are relative to."""
    record: str | None
    """Path of its RECORD."""


def site_folders(root: str) -> tuple[str, ...]:
    """The folders that hold distributions under a prefix; lib64, mostly a link to lib, counts once."""
    found: dict[str, str] = {}
    for pattern in ("lib", "lib64"):
        for folder in sorted(glob.glob(os.path.join(glob.escape(root), pattern, "python3*", "site-packages"))):
            found.setdefault(os.path.realpath(folder), folder)
    return tuple(found.values())


def installed(root: str) -> tuple[Installed, ...]:
    """Every distribution under the prefix, sorted by name; one whose metadata cannot be read is left out."""
    found: dict[str, Installed] = {}
    for site in site_folders(root):
        for one in importlib.metadata.distributions(path=[site]):
            try:
                known = one.metadata
                name, version = (known[key] if key in known else None for key in ("Name", "Version"))  # noqa: SIM401 - no get
                origin = one.read_text("direct_url.json")
            except (OSError, ValueError):
                continue
            if name is None or version is None:
                continue
            folder = str(getattr(one, "_path", ""))
            record = os.path.join(folder, "RECORD")
            found.setdefault(
                canonicalize_name(name),
                Installed(
                    name=canonicalize_name(name),
                    version=version,
                    origin=_origin(origin),
                    site=site,
                    record=record if os.path.isfile(record) else None,
                ),
            )
    return tuple(found[name] for name in sorted(found))


def _origin(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def recorded(one: Installed) -> Iterator[str]:
    """The paths that its RECORD lists, as absolute paths, normalized."""
    if one.record is None:
        return
    with open(one.record, encoding="utf-8", errors="surrogateescape", newline="") as file:
        for row in csv.reader(file):
            if row and "\0" not in row[0]:
                yield os.path.normpath(os.path.join(one.site, row[0]))


def pins_of(
    versions: Mapping[str, str], python: str, index: Index, within_s: float | None = None
) -> tuple[dict[str, Pinned], tuple[str, ...]]:
    """The files that the index has of exactly these versions, and the names that it does not have so.

    One question where it has all; else halves of it, until those that it does not have are alone. After ``within_s`` seconds
    the rest counts as missing.
    """
    found: dict[str, Pinned] = {}
    missing: list[str] = []
    todo = [tuple(sorted(versions))] if versions else []
    until = None if within_s is None else time.monotonic() + within_s
    while todo:
        names = todo.pop()
        late = until is not None and time.monotonic() > until
        pins = None if late else _asked(names, versions, python, index)
        if pins is not None:
            found |= {one.name: one for one in pins}
        elif len(names) == 1 or late:
            missing += names
        else:
            todo += [names[: len(names) // 2], names[len(names) // 2 :]]
    return found, tuple(sorted(missing))


def _asked(names: tuple[str, ...], versions: Mapping[str, str], python: str, index: Index) -> tuple[Pinned, ...] | None:
    lines = tuple(f"{name}=={versions[name]}" for name in names)
    # alone it may be a release that has no wheel
    for may_build in ((), names) if len(names) == 1 else ((),):
        with contextlib.suppress(Unresolvable):
            return resolve(Question(requirements=lines, python=python, with_dependencies=False, may_build=may_build, index=index))
    return None
