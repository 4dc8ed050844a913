"""A refresh: every release of the stack's packages read from the index, four at a time, and made into derived data.

What was read before and has not changed is kept; what is read is written to a journal at once, so that a refresh that was
interrupted goes on where it stopped. Nothing that was known is lost without being told.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
from packaging.version import Version

from envdoctor.errors import UserError
from envdoctor.harvest import builds, ranges, store
from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.derive import claims
from envdoctor.harvest.index import files
from envdoctor.harvest.jobs import jobs_of
from envdoctor.harvest.journal import JOURNAL, Harvested, Journal
from envdoctor.harvest.metadata import read
from envdoctor.harvest.plan import ENGINE, NAMED, READINGS
from envdoctor.harvest.remote import Unreadable
from envdoctor.harvest.surfaces import Surfaces
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envdoctor.harvest.index import File, Index
    from envdoctor.harvest.jobs import Job
    from envdoctor.harvest.plan import Reading
    from envdoctor.harvest.remote import Client
    from envdoctor.harvest.store import Derived
    from envdoctor.harvest.surfaces import Tables

CONNECTIONS = 4
HEAVY = {"torch", "vllm"}
"""Whose compiled members are read too."""
OFFLINE = "Check the network and the index: `pip download pip` shows whether it answers. What is known stays usable without it."
MANY_LOST = 12


class Telling(Protocol):
    """Who hears of the progress of a refresh."""

    def page(self, package: str, to_read: int, kept: int) -> None:
        """A project's page was read: so many of its releases are to be read, so many are known."""

    def release(self, package: str, version: str) -> None:
        """One release was read."""

    def unpacked(self, count: int) -> None:
        """So many more bytes of a compiled library were unpacked."""


class Outcome(NamedTuple):
    """How a refresh ended. ``troubles`` are pages and files that could not be read, in words."""

    derived: Derived
    read: int
    kept: int
    resumed: int
    troubles: tuple[str, ...]
    named: int
    """Releases whose Python files were read."""


class Refresh:
    """One run over some packages.

    Args:
        client: asks the index.
        index: which one.
        folder: the folder of data that is written; the journal lies in it too.
        today: the day, YYYY-MM-DD, that goes into what is read.
        tell: hears of the progress.
    """

    def __init__(self, client: Client, index: Index, folder: str, today: str, tell: Telling) -> None:
        self.client = client
        self.index = index
        self.folder = folder
        self.today = today
        self.tell = tell
        self.journal = Journal(os.path.join(folder, JOURNAL), today)
        self._heavy = threading.Semaphore(2)
        self._troubles: list[str] = []
        self._named = 0

    def run(self, old: Derived, packages: Iterable[str], *, full: bool = False, may_lose: bool = False) -> Outcome:
        """Read, and write what came of it.

        Args:
            old: what is known; kept for packages that are not named and releases that have not changed.
            packages: names from the plan.
            full: read again what has not changed, too.
            may_lose: write even if the index no longer has what is known.

        Raises:
            UserError: no page could be read, or known rows would be lost, or the folder cannot be written.
        """
        wanted = [one for one in READINGS if one.package in set(packages)]
        try:
            return self._run(old, wanted, full=full, may_lose=may_lose)
        finally:
            self.journal.close()

    def _run(self, old: Derived, wanted: list[Reading], *, full: bool, may_lose: bool) -> Outcome:
        pages = self._pages(wanted)
        if not pages:
            why = self._troubles[0] if self._troubles else "no package was named"
            raise UserError(f"nothing could be read from the package index ({self.index.chosen}): {why}", OFFLINE)
        known = {one.package: _known(old, one.package) for one in wanted}
        kept: dict[str, list[Harvested]] = {}
        jobs: list[Job] = []
        resumed = 0
        for reading in wanted:
            if reading.package not in pages:
                continue
            rows, missing = [], []
            for job in jobs_of(reading, pages[reading.package]):
                again = self.journal.find(job)
                before = None if full else _unchanged(known[reading.package].get(job.row.version), job)
                resumed += again is not None
                found = again or before
                rows += [found] if found else []
                missing += [] if found else [job]
            kept[reading.package] = rows
            self.tell.page(reading.package, len(missing), len(rows))
            jobs += missing
        engines = sorted(self._engines(pages, old)) if any(job.reading.package in ranges.READERS for job in jobs) else []
        for harvested in self._read_all(jobs, engines):
            kept[harvested.package].append(_best(harvested, known[harvested.package]))
        named = self._names({one.package: pages[one.package] for one in wanted if one.package in pages}, old, kept, full=full)
        derived = _joined(old, kept, self.today, named)
        missing_rows = store.lost(old, derived)
        if missing_rows and not may_lose:
            raise UserError(_losing(missing_rows), "If the index is right, run it again with --drop-lost; the data is as it was.")
        store.write(self.folder, derived, claims(derived))
        self.journal.done()
        counts = sum(map(len, kept.values()))
        return Outcome(derived, len(jobs), counts - len(jobs) - resumed, resumed, tuple(self._troubles), self._named)

    def _pages(self, wanted: Iterable[Reading]) -> dict[str, dict[Version, list[File]]]:
        found = {}
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            asked = {one: pool.submit(files, self.client, self.index, one.package) for one in wanted}
            for reading, future in asked.items():
                try:
                    releases = {version: of for version, of in future.result().items() if reading.wants(version)}
                except Unreadable as why:
                    self._troubles.append(f"the page of {reading.package}: {why}")
                    continue
                if releases:
                    found[reading.package] = releases
                else:
                    self._troubles.append(f"the page of {reading.package}: it lists no release from {reading.since} on")
        return found

    def _engines(self, pages: Mapping[str, Mapping[Version, list[File]]], old: Derived) -> set[Version]:
        """The engine's releases: what a trainer accepts is said in them."""
        if ENGINE in pages:
            return set(pages[ENGINE])
        if ENGINE in old.packages:
            return {Version(one.version) for one in old.packages[ENGINE].releases}
        reading = next(one for one in READINGS if one.package == ENGINE)
        return set(self._pages([reading]).get(reading.package, {}))

    def _names(
        self,
        pages: Mapping[str, Mapping[Version, list[File]]],
        old: Derived,
        read_now: Mapping[str, list[Harvested]],
        *,
        full: bool,
    ) -> dict[str, Tables]:
        """The tables of names of the packages that have some."""
        surfaces = Surfaces(self.client, self.journal, self.today, self.tell, CONNECTIONS)
        due = {one.package for one in NAMED}
        jobs = {one.package: list(jobs_of(one, pages[one.package])) for one in READINGS if one.package in due & set(pages)}
        unread = {(name, one.release.version) for name, rows in read_now.items() for one in rows if one.release.unread}
        found = surfaces.run(jobs, old, unread, full=full)
        self._troubles += surfaces.troubles
        self._named = surfaces.read
        return found

    def _read_all(self, jobs: list[Job], engines: list[Version]) -> Iterator[Harvested]:
        pool = ThreadPoolExecutor(CONNECTIONS)
        try:
            for future in as_completed([pool.submit(self._read, job, engines) for job in jobs]):
                harvested, trouble = future.result()
                if trouble is None:
                    self.journal.add(harvested)
                else:
                    self._troubles.append(trouble)
                self.tell.release(harvested.package, harvested.release.version)
                yield harvested
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _read(self, job: Job, engines: list[Version]) -> tuple[Harvested, str | None]:
        """What a release says, and what of it could not be read."""
        package = job.reading.package
        try:
            said, wheel = read(self.client, job.file)
        except Unreadable as why:
            unread = msgspec.structs.replace(job.row, unread=str(why))
            return Harvested(package=package, release=unread), f"{job.file.name}: {why}"
        row = msgspec.structs.replace(job.row, requires_python=said.requires_python or job.row.requires_python)
        plain = Harvested(package=package, release=row, requires=said.requires)
        if not (package in HEAVY or package in ranges.READERS) or job.file.kind != "wheel":
            return plain, None
        try:
            return self._deeper(plain, wheel or Wheel(self.client, job.file.url), job, engines), None
        except Unreadable as why:
            if package in ranges.READERS:  # else it would look as if the code checked nothing, now and ever after
                plain = msgspec.structs.replace(plain, release=msgspec.structs.replace(row, unread=f"its code: {why}"))
            return plain, f"the code in {job.file.name}: {why}"

    def _deeper(self, plain: Harvested, wheel: Wheel, job: Job, engines: list[Version]) -> Harvested:
        about = builds.About(job.row.version, job.python, self.today)
        if plain.package in HEAVY:
            with self._heavy:  # two at most: each unpacks up to 2 GB
                if plain.package == "torch":
                    return msgspec.structs.replace(plain, torch=builds.torch(wheel, job.file, about, self.tell.unpacked))
                return msgspec.structs.replace(plain, vllm=builds.vllm(wheel, job.file, about, self.tell.unpacked))
        return msgspec.structs.replace(plain, code=ranges.accepted(wheel, job, engines, self.today))


def _known(old: Derived, name: str) -> dict[str, Harvested]:
    """What the old data has of a package, by version."""
    package = old.packages.get(name)
    if package is None:
        return {}
    torch = {row.torch: row for row in old.torch} if name == "torch" else {}
    vllm = {row.vllm: row for row in old.vllm} if name == "vllm" else {}
    code = {row.version: row for row in old.ranges if row.trainer == name}
    return {
        one.version: Harvested(
            package=name,
            release=msgspec.structs.replace(one, requires=()),
            requires=package.requires(one),
            torch=torch.get(one.version),
            vllm=vllm.get(one.version),
            code=code.get(one.version),
        )
        for one in package.releases
    }


def _unchanged(known: Harvested | None, job: Job) -> Harvested | None:
    """What is known of a release, with what its page says today; None if it must be read (again)."""
    if known is None or known.release.unread or job.file.sha256 is None:
        return None
    if (known.release.file, known.release.sha256) != (job.file.name, job.file.sha256):
        return None
    build = known.torch or known.vllm
    if job.reading.package in HEAVY and (build is None or build.source != builds.source(job.file)):
        return None
    python = known.release.requires_python
    torch = None if known.torch is None else msgspec.structs.replace(known.torch, python=job.python)
    release = msgspec.structs.replace(job.row, requires_python=python)
    return msgspec.structs.replace(known, release=release, torch=torch)


def _best(harvested: Harvested, known: Mapping[str, Harvested]) -> Harvested:
    """What was read, with what was known of the same release where this time it could not be read."""
    before = known.get(harvested.release.version)
    if before is None:
        return harvested
    if harvested.release.unread and not before.release.unread:
        return before
    return msgspec.structs.replace(
        harvested,
        torch=harvested.torch or before.torch,
        vllm=harvested.vllm or before.vllm,
        code=harvested.code or (before.code if before.release.sha256 == harvested.release.sha256 else None),
    )


def _joined(old: Derived, kept: Mapping[str, list[Harvested]], today: str, named: Mapping[str, Tables]) -> Derived:
    """The old data with the packages that were read in place of what it had of them."""
    packages = dict(old.packages)
    for name, rows in kept.items():
        packages[name] = store.packed(name, today, {one.release: one.requires for one in rows})
    every = [one for rows in kept.values() for one in rows]
    torch, vllm = [one.torch for one in every if one.torch], [one.vllm for one in every if one.vllm]
    ranges_read = [one.code for one in every if one.code]
    return store.Derived(
        packages,
        tuple(sorted(torch, key=lambda row: Version(row.torch))) if "torch" in kept else old.torch,
        tuple(sorted(vllm, key=lambda row: Version(row.vllm))) if "vllm" in kept else old.vllm,
        tuple(
            sorted(
                (*ranges_read, *(row for row in old.ranges if row.trainer not in kept)),
                key=lambda row: (row.trainer, Version(row.version)),
            )
        ),
        old.exports | {name: tables.exports for name, tables in named.items() if tables.exports is not None},
        old.uses | {name: tables.uses for name, tables in named.items() if tables.uses is not None},
    )


def _losing(rows: list[str]) -> str:
    shown = ", ".join(rows[:MANY_LOST])
    more = f" and {len(rows) - MANY_LOST} more" if len(rows) > MANY_LOST else ""
    return f"the index no longer has what is known of {plural(len(rows), 'row')}: {shown}{more}. Nothing was written"
