"""How an environment departs from its lock: the ways, one departure, and what could not be told. Types only."""

from __future__ import annotations

import enum

import msgspec


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
