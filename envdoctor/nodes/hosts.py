"""The file that names the nodes: one a line, or Slurm's compact form; ``#`` begins a comment."""

from __future__ import annotations

from typing import NamedTuple

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.nodes.naming import MAX_NODES, BadName, compact, expand
from envdoctor.wording import harmless, plural

STDIN = "-"
MAX_BYTES = 8 * 1024 * 1024
SHOWN = 60
HINT = "Write one node a line, or Slurm's form node[001-180]; # begins a comment."


class Hosts(NamedTuple):
    """The nodes in the order of the file, each once. ``notes``: what was passed over."""

    names: tuple[str, ...]
    notes: tuple[str, ...]


def read(path: str) -> str:
    """The text of the file. Raises UserError."""
    try:
        data = read_file(path, MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", HINT) from error
    return decoded(data, path)


def decoded(data: bytes, name: str) -> str:
    """The text of these bytes. Raises UserError: too many, or not UTF-8."""
    if len(data) > MAX_BYTES:
        raise UserError(f"{name} is larger than {MAX_BYTES >> 20} MiB", HINT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is no text: byte {error.start + 1} is not UTF-8", HINT) from error


def parse(text: str, name: str) -> Hosts:
    """The nodes that the text names.

    Args:
        text: of the file.
        name: what to call it in messages.

    Raises:
        UserError: a line that is no name, too many nodes, or none; says which line.
    """
    lines_of: dict[str, int] = {}
    again: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) > 1:
            shown = harmless(line.strip()[:SHOWN])
            raise UserError(f"{name}, line {number}: {shown!r} is more than the name of a node", HINT)
        try:
            found = expand(words[0])
        except BadName as bad:
            raise UserError(f"{name}, line {number}: {harmless(str(bad)[: 4 * SHOWN])}", HINT) from bad
        for one in found:
            if one in lines_of:
                again[one] = number
            else:
                lines_of[one] = number
        if len(lines_of) > MAX_NODES:
            raise UserError(f"{name}, line {number}: these are more than {MAX_NODES:,} nodes", "Ask fewer at once.")
    if not lines_of:
        raise UserError(f"{name} names no node", HINT)
    notes = () if not again else (f"named more than once and asked once: {compact(again)} ({plural(len(again), 'node')})",)
    return Hosts(tuple(lines_of), notes)
