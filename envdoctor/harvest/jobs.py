"""What there is to read of a package: one job a release, from its page alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envdoctor.harvest.metadata import glibc_of, python_tags, speaker, tags_of
from envdoctor.rows import Release, python_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.version import Version

    from envdoctor.harvest.index import File
    from envdoctor.harvest.plan import Reading


class Job(NamedTuple):
    """One release that is to be read."""

    reading: Reading
    version: Version
    file: File
    row: Release
    """What the page says of it already."""
    python: str


def jobs_of(reading: Reading, releases: Mapping[Version, list[File]]) -> Iterator[Job]:
    """What is to be read of these releases, oldest first, with what their page says already."""
    for version in sorted(releases):
        of = releases[version]
        file = speaker(of)
        if file is None:
            continue
        tags = frozenset().union(*map(tags_of, of))
        glibc = glibc_of(tags)
        pythons = python_tags(tags)
        row = Release(
            version=str(version),
            file=file.name,
            sha256=file.sha256,
            uploaded=min((one.uploaded for one in of if one.uploaded), default=None),
            python=pythons,
            glibc=None if glibc is None else f"{glibc[0]}.{glibc[1]}",
            requires_python=file.requires_python,
            yanked=all(one.yanked for one in of),
        )
        yield Job(reading, version, file, row, python_range(pythons))
