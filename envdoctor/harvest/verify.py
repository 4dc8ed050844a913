"""A random sample of rows, read from the index again and compared with what the data says."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.index import files
from envdoctor.harvest.jobs import jobs_of
from envdoctor.harvest.metadata import read
from envdoctor.harvest.plan import ENGINE, READINGS
from envdoctor.harvest.ranges import READERS, accepted
from envdoctor.harvest.refresh import CONNECTIONS
from envdoctor.harvest.remote import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.harvest.index import File, Index
    from envdoctor.harvest.jobs import Job
    from envdoctor.harvest.remote import Client
    from envdoctor.harvest.store import Derived
    from envdoctor.rows import Package, Release


class Checked(NamedTuple):
    """One row: which, and what differs; or why it could not be compared."""

    package: str
    version: str
    differs: tuple[str, ...] = ()
    unread: str | None = None


def sample(derived: Derived, count: int, seed: int) -> list[tuple[Package, Release]]:
    """So many rows, each release of each package as likely as any other."""
    rows = [(package, release) for package in derived.packages.values() for release in package.releases if not release.unread]
    return random.Random(seed).sample(rows, min(count, len(rows)))  # noqa: S311 - a sample, not a secret


def verify(client: Client, index: Index, derived: Derived, count: int, seed: int) -> list[Checked]:
    """Compare a sample with the index: page, metadata, and for trainers the range in their code."""
    rows = sample(derived, count, seed)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        names = list(dict.fromkeys(package.name for package, _ in rows))
        pages = dict(zip(names, pool.map(lambda name: _page(client, index, name), names), strict=True))
        return list(pool.map(lambda row: _checked(client, derived, row, pages[row[0].name]), rows))


def _page(client: Client, index: Index, name: str) -> Mapping[Version, list[File]] | str:
    try:
        return files(client, index, name)
    except Unreadable as why:
        return str(why)


def _checked(client: Client, derived: Derived, row: tuple[Package, Release], page: Mapping[Version, list[File]] | str) -> Checked:
    package, release = row
    name, version = package.name, Version(release.version)
    if isinstance(page, str):
        return Checked(name, release.version, unread=f"the page of {name}: {page}")
    reading = next((one for one in READINGS if one.package == name), None)
    # what was uploaded since the data was read does not make it wrong
    there = [file for file in page.get(version, ()) if file.uploaded is None or file.uploaded <= package.read]
    job = next(iter(jobs_of(reading, {version: there})), None) if reading is not None and there else None
    if job is None:
        return Checked(name, release.version, differs=("the index no longer has this release",))
    try:
        return Checked(name, release.version, tuple(_differences(client, derived, package, release, job)))
    except Unreadable as why:
        return Checked(name, release.version, unread=f"{job.file.name}: {why}")


def _differences(client: Client, derived: Derived, package: Package, release: Release, job: Job) -> list[str]:
    said, wheel = read(client, job.file)
    pairs = [
        ("file", release.file, job.row.file),
        ("sha256", release.sha256, job.row.sha256),
        ("Python tags", " ".join(release.python), " ".join(job.row.python)),
        ("glibc of the tag", release.glibc, job.row.glibc),
        ("upload date", release.uploaded, job.row.uploaded),
        ("Requires-Python", release.requires_python, said.requires_python or job.row.requires_python),
        ("Requires-Dist", "; ".join(package.requires(release)), "; ".join(said.requires)),
    ]
    if package.name in READERS and job.file.kind == "wheel":
        wheel = wheel or Wheel(client, job.file.url)  # not opened yet where the index serves metadata beside it
        engines = [Version(one.version) for one in derived.packages[ENGINE].releases] if ENGINE in derived.packages else []
        known = next((row for row in derived.ranges if (row.trainer, row.version) == (package.name, release.version)), None)
        found = accepted(wheel, job, engines, package.read)
        pairs.append(("range in its code", known.accepts if known else None, found.accepts if found else None))
    return [f"{what} is {theirs!r} on the index and {ours!r} in the data" for what, ours, theirs in pairs if ours != theirs]
