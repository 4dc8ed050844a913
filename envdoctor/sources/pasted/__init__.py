"""``report:FILE``: text that somebody pasted, as partial facts; the same rules judge them.

What is not in the text is unknown, never assumed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.sources.pasted.answers import answers
from envdoctor.sources.pasted.assembling import assembled
from envdoctor.sources.pasted.binary import no_text
from envdoctor.sources.pasted.errors import quotes
from envdoctor.sources.pasted.fields import fields
from envdoctor.sources.pasted.frameworks import frameworks
from envdoctor.sources.pasted.inventory import versions
from envdoctor.sources.pasted.listings import packages
from envdoctor.sources.pasted.machine import machine
from envdoctor.sources.pasted.prose import prose
from envdoctor.sources.pasted.sides import Sides
from envdoctor.sources.pasted.system import system
from envdoctor.sources.pasted.text import MAX_BYTES, cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.sources.pasted.found import Seen
    from envdoctor.sources.pasted.text import Line

STDIN = "-"
NO_TEXT = "Give what the program printed as text (PROGRAM 2>&1 | tee report.txt): an archive unpacked, and of a picture the words in it."
TOO_LARGE = f"larger than {MAX_BYTES >> 20} MiB"


def read(path: str) -> bytes:
    """The bytes of a report. Raises UserError: it cannot be read, is too large, or is no text."""
    if path == STDIN:
        document, name = sys.stdin.buffer.read(MAX_BYTES + 1), "standard input"
    else:
        name = path
        try:
            document = read_file(os.path.expanduser(path), MAX_BYTES + 1)
        except OSError as error:
            raise UserError(
                f"the report {path} cannot be read: {error.strerror or error}", "Name a text file, or - for standard input."
            ) from error
    if len(document) > MAX_BYTES:
        raise UserError(f"{name} is {TOO_LARGE}", f"Give its end, where programs say what ended them: tail -c 20M {path}")
    why = no_text(document)
    if why is not None:
        raise UserError(f"{name} is not a text: {why}", NO_TEXT)
    return document


def facts_at(path: str, shown: str, matrix: Matrix | None) -> Facts:
    """The facts of the report at a path, which is told as ``shown``; without data the shipped is taken. Raises UserError."""
    from envdoctor.matrix import Matrix  # noqa: PLC0415 - most targets bring it along

    return facts_of(read(path), "standard input" if path == STDIN else shown, matrix or Matrix())


READERS = (fields, packages, machine, system, frameworks, answers, prose)
"""Each knows its forms and nothing of the others; each reads the whole text."""


def observed(lines: Sequence[Line]) -> Iterator[Seen]:
    """What all readers find."""
    for reader in READERS:
        yield from reader(lines)


def facts_of(document: bytes, name: str, matrix: Matrix) -> Facts:
    """The facts of a report."""
    lines = cleaned(document)
    seen = list(observed(lines))
    last = lines[-1].number if lines else 0
    chosen = versions(seen)
    sides = Sides(matrix, {package: one.value for package, one in chosen.items()})
    return assembled(name, seen, chosen, quotes(lines, sides), last, matrix)
