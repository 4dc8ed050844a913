"""The Python names of releases that are older than those in the data -> envdoctor/data/tables/names_before/PACKAGE.jsonl.gz.

    python -m tools.names_before FOLDER

FOLDER holds the wheels, of any packages (`pip download --no-deps trl==0.9.6`). `matrix refresh` reads the releases of which
stacks are made; people still paste errors of programs that were written for older ones, and of these a sample is enough: it is
asked only on which side of a program a release stands that lacks a name.
"""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

from envdoctor.harvest.naming import Having
from envdoctor.harvest.store import encoded
from envdoctor.harvest.texts import TEXT, Texts
from tools.wheels import line, write

if TYPE_CHECKING:
    from tools.wheels import Wheels


def table(package: str, wheels: Wheels) -> bytes:
    """The table of one package, packed; it is imported by its own name."""
    having = Having(line(wheels))
    for version, path in wheels:
        with zipfile.ZipFile(path) as wheel:
            names = [name for name in wheel.namelist() if name.startswith(f"{package}/") and name.endswith(TEXT)]
            having.add(version, Texts({name: wheel.read(name) for name in names}), package, ())
    return encoded(having.table(package, package))


if __name__ == "__main__":
    sys.exit(write(sys.argv[1:], __doc__, "names_before", table))
