"""What the words of ld.so and of CPython's importer mean: one kind for each way in which a file is refused."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.truth.dlopens import ENDED

LOADS = "loads"
KINDS = (
    LOADS, "missing-library", "undefined-symbol", "missing-version", "static-tls", "wrong-machine", "not-elf", "other",
)  # fmt: skip
"""In the terms of the probe's section ``linking``, and what it has no term for."""

# the texts of glibc's elf/dl-load.c, dl-lookup.c, dl-version.c and dl-reloc.c
PATTERNS = (
    ("missing-library", re.compile(r"(?P<wants>\S+): cannot open shared object file: No such file or directory")),
    ("missing-version", re.compile(r"version `(?P<wants>[^']+)' not found \(required by (?P<file>[^)]+)\)")),
    ("undefined-symbol", re.compile(r"undefined symbol: (?P<wants>[^\s,]+)")),
    ("undefined-symbol", re.compile(r"symbol (?P<wants>\S+),? version \S+ not defined in file \S+ with link time reference")),
    ("static-tls", re.compile(r"(?P<wants>\S+): cannot allocate memory in static TLS block")),
    ("wrong-machine", re.compile(r"(?P<wants>\S+): (wrong ELF class|ELF file data encoding)")),
    ("not-elf", re.compile(r"(?P<wants>\S+): (invalid ELF header|file too short|ELF file version|object file has no)")),
)
ABSENT_MODULE = re.compile(r"^ModuleNotFoundError: No module named '(?P<name>[^']+)'")


class Said(NamedTuple):
    """What an error text says: its kind, and the library, symbol or version that is lacking (the text, if none of these)."""

    kind: str
    wants: str


def of_the_loader(text: str) -> Said:
    """What dlerror() said; an empty text means that the file loads.

    A file whose constructors end the process has been linked by then.
    """
    if not text or text.startswith(ENDED):
        return Said(LOADS, text)
    for kind, pattern in PATTERNS:
        found = pattern.search(text)
        if found is not None:
            return Said(kind, found["wants"])
    return Said("other", text)


def same(said: Said, file: str, kind: str, wants: str) -> bool:
    """Whether the loader said this of the file: the same lack, or that the file is for another machine.

    Of a file for another machine that is opened by its path, ld.so says that there is none.
    """
    if kind == "wrong-machine" and said == Said("missing-library", file):
        return True
    return said.kind == kind and said.wants == wants


def absent_module(text: str) -> str:
    """The Python module whose absence the import error tells of; empty if it tells of something else."""
    found = ABSENT_MODULE.match(text)
    return found["name"] if found else ""
