"""How an environment departs from its lock: the ways, one departure, and what could not be told. Types only."""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec


class Recorded(Protocol):
    """What of an installed distribution's RECORD and files is asked here; paths as RECORD has them, counts of all of them."""

    @property
    def name(self) -> str:
        """Normalized."""

    @property
    def digest(self) -> str | None:
        """As ``LockedPackage.record``; None where it cannot be made."""

    @property
    def problem(self) -> str | None:
        """Why RECORD could not be read, or None."""

    @property
    def by_size_only(self) -> int:
        """Files that were too large to be hashed and have the right size."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The first files that RECORD lists and that are not there."""

    @property
    def missing_count(self) -> int:
        """Of all of them."""

    @property
    def altered(self) -> tuple[str, ...]:
        """The first files whose bytes are not those that RECORD hashes."""

    @property
    def altered_count(self) -> int:
        """Of all of them."""


class What(enum.Enum):
    """In which way the environment departs from the lock; in the order of the page."""

    PYTHON = "python"
    VERSION = "version"
    BUILD = "build"
    """The same version, built another time or for something else."""
    MISSING = "missing"
    EXTRA = "extra"
    FILES = "files"
    """Files that were edited or deleted after the installation."""
    DRIVER = "driver"
    GPU = "gpu"
    GLIBC = "glibc"


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as locked."""

    what: What
    name: str
    """The package, normalized; or driver, GPU, C library, Python."""
    locked: str | None
    """What the lock says; None where it has no such package."""
    found: str | None
    """What is here; None where it is not."""
    says: str
    """What of it, in a few words, where the two values do not say it."""
    via: str
    """Where it was read."""


class Untold(msgspec.Struct, frozen=True):
    """What could not be told, and why."""

    question: str
    why: str
