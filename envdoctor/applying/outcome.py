"""What came of a repair, in types."""

from __future__ import annotations

import enum

import msgspec

from envdoctor.applying.journal import Step  # noqa: TC001 - msgspec resolves it


class Outcome(enum.Enum):
    """How the environment is now."""

    REPAIRED = "repaired"
    RESTORED = "restored"
    """As it was before the repair: byte for byte but for what ``Applied.lost`` names."""
    UNTOUCHED = "untouched"
    """As it was before, because nothing had been changed yet."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The end of apply, resume, undo or build_beside."""

    outcome: Outcome
    why: str | None = None
    """Why it was undone, in half a sentence; None where that was asked for, and for a repair that was made."""
    errors: tuple[str, ...] = ()
    """What the judge found in the changed environment, for which it was undone."""
    lost: tuple[str, ...] = ()
    """What could not be put back exactly, as sentences; mostly empty."""
    notes: tuple[str, ...] = ()
    """What else the user should know, as sentences."""
    seconds: dict[str, float] = {}
    """By part: stage, freeze, snapshot, change, recheck, all."""
    files: int | None = None
    """In the snapshot; None if none was taken by this call."""
    copied_bytes: int | None = None
    """Really copied by the snapshot."""
    held_bytes: int = 0
    """That the kept snapshot alone holds; ``fix --forget`` frees them."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A repair that was broken off, or is under way."""

    phase: str
    started: str
    """UTC, ISO 8601."""
    steps: tuple[Step, ...]
    touched: bool
    """Whether anything of the environment was changed."""
    running: bool
    """An envdoctor is at work on it now."""
    leaves: tuple[str, ...]
    """What was given to ``apply`` as such: errors that the plan does not mend."""
    says: str
    """All this in a sentence without its full stop."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that the last repair kept."""

    started: str
    steps: tuple[Step, ...]
    held_bytes: int
