"""What a lock is: the packages of an environment that does not exist yet, and what was assumed when they were chosen. Types only.

On disk it is two files: ``h100.txt``, hashed requirements that pip and uv install from any mirror, and ``h100.toml``, everything
else. ``requirements_sha256`` ties the second to the first: a hand-edited requirements file is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
"""Version of the TOML form."""


class LockedPackage(Part, frozen=True, kw_only=True):
    """One release, and the file of it that the platform installs. Sizes in bytes."""

    name: str
    """Normalized."""
    version: str
    file: str
    """Name of the wheel (or source distribution) that an installer takes on that platform."""
    sha256: str
    size_bytes: int | None = None
    """To download."""
    installed_bytes: int | None = None
    """On disk; None for a source distribution."""
    record: str | None = None
    """Digest of the wheel's own RECORD (see ``envdoctor.probe.records``): which build it is, recognizable when installed."""
    mislisted: int | None = None
    """Files of which the wheel's own RECORD lists another size than the wheel holds: they look edited as soon as they are
    installed. None: no such file, or not known."""


class Bound(Part, frozen=True, kw_only=True):
    """A range that no metadata states and the compatibility data does: "transformers<5" under vLLM 0.7.0."""

    package: str
    specifier: str
    why: str
    source: str
    basis: str
    """How it is known (``claims.Basis``), or "later-cap": the cap of a later release, applied to an earlier one."""


class Lock(Part, frozen=True, kw_only=True):
    """A whole lock."""

    target: str
    """Name of the target profile: "h100"."""
    gpu: str | None
    compute_capability: str | None
    driver_floor: str | None
    cuda: str | None
    glibc: str
    python: str
    base_image: str
    torch_backend: str | None
    asked: tuple[str, ...]
    """What was asked for, as PEP 508 lines."""
    stack: dict[str, str]
    """What of the stack came of it: {"vllm": "0.31.0", "torch": "2.13.0", ...}."""
    bounds: tuple[Bound, ...]
    exclude_newer: str | None
    """Files uploaded from this moment on were not considered; None: all were."""
    made: str
    """ISO date."""
    data_as_of: str | None
    """Day of the oldest compatibility data that was consulted."""
    envdoctor: str
    """Version that made it."""
    verdict: str
    """"clean", or "clean but for what cannot be told before it runs: ..."."""
    requirements_sha256: str
    """Of the requirements file beside it, as bytes."""
    packages: tuple[LockedPackage, ...]
    """Sorted by name."""

    @property
    def download_bytes(self) -> int | None:
        """Of all files; None if one is unknown."""
        return _sum(one.size_bytes for one in self.packages)

    @property
    def installed_bytes(self) -> int | None:
        """Of everything unpacked; None if one is unknown."""
        return _sum(one.installed_bytes for one in self.packages)


def _sum(sizes: Iterable[int | None]) -> int | None:
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total


class ListedPackage(Part, frozen=True, kw_only=True):
    """One line of a requirements file. ``sha256`` are the files that it admits; empty admits every file of the release."""

    name: str
    """Normalized."""
    version: str
    sha256: tuple[str, ...] = ()


class Listed(Part, frozen=True, kw_only=True):
    """A requirements file of exact versions (``pip freeze``, ``uv pip compile``): a lock that assumes nothing of the machine."""

    path: str
    """As the user named it."""
    packages: tuple[ListedPackage, ...]
    """Sorted by name."""
