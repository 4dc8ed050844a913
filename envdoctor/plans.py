"""What a repair of an environment is: which distributions move, to which files, and what it cannot mend. Types only, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from envdoctor.findings import Diagnosis
    from envdoctor.resolver import Pinned


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution that changes. ``before`` is None for one that comes, ``after`` for one that goes."""

    name: str
    """Normalized."""
    before: str | None
    after: str | None
    why: str
    """One sentence: which finding it mends, or whom it follows ("vllm 0.31.0 pins it")."""
    download_bytes: int | None
    """Size of the file that will be installed; None where the index does not tell, 0 for one that goes."""


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was proven twice: the rules come back clean on the facts after it, and uv resolves it.

    ``pins`` are the files of everything that is installed by it (``after`` of each move), so that it can be installed with
    --require-hashes and --no-deps. ``mends`` are the root causes it removes, ``leaves`` those that it does not (driver, hardware,
    image), each with remedies of its own.
    """

    moves: tuple[Move, ...]
    pins: tuple[Pinned, ...]
    mends: tuple[Diagnosis, ...]
    leaves: tuple[Diagnosis, ...]
    commands: tuple[tuple[str, ...], ...]
    """The change as commands for this interpreter: uv's form first, then pip's."""
    resolved_s: float
    """Seconds that uv took."""

    @property
    def download_bytes(self) -> int:
        """Of all files whose size is known."""
        return sum(one.download_bytes or 0 for one in self.moves)
