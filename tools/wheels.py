"""A folder of wheels -> a table for each package in it: what the makers of tables of names and of members do alike."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from envdoctor.harvest.naming import Line
from envdoctor.nametables import NamedRelease

if TYPE_CHECKING:
    from collections.abc import Callable

    Wheels = list[tuple[str, Path]]
    """Version and wheel of each release."""

TABLES = Path(__file__).resolve().parent.parent / "envdoctor" / "data" / "tables"


def write(words: list[str], description: str | None, into: str, table: Callable[[str, Wheels], bytes]) -> int:
    """Read all wheels of the folder that the command line names, package by package, and write the table of each.

    Args:
        words: of the command line.
        description: of the program.
        into: the folder of the tables.
        table: package and its wheels -> the table, packed.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(words)
    wheels: dict[str, Wheels] = {}
    for path in sorted(asked.folder.glob("*.whl")):
        name, version, *_ = parse_wheel_filename(path.name)
        wheels.setdefault(name, []).append((str(version), path))
    (TABLES / into).mkdir(exist_ok=True)
    for package, found in wheels.items():
        data = table(package, found)
        (TABLES / into / f"{package}.jsonl.gz").write_bytes(data)
        sys.stderr.write(f"{package}: {len(found)} releases, {len(data):,} bytes\n")
    return 0 if wheels else 1


def line(wheels: Wheels) -> Line:
    """The releases in order, each with its file's hash and today's date."""
    today = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
    return Line(
        NamedRelease(version=version, file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), read=today)
        for version, path in wheels
    )
