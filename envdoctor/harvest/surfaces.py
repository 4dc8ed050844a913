"""Read the Python files of releases from the index, and make tables of the names that they have and take.

A package is read at a time, four releases ahead; what has not changed since the tables at hand were made is not read again.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.harvest.archive import Wheel
from envdoctor.harvest.naming import READER, Having, Line, Taking, questions
from envdoctor.harvest.plan import EXPORTED, NAMED
from envdoctor.harvest.remote import Unreadable
from envdoctor.harvest.texts import texts
from envdoctor.nametables import NamedRelease

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping
    from concurrent.futures import Future

    from envdoctor.harvest.jobs import Job
    from envdoctor.harvest.journal import Journal
    from envdoctor.harvest.plan import Named
    from envdoctor.harvest.refresh import Telling
    from envdoctor.harvest.remote import Client
    from envdoctor.harvest.store import Derived
    from envdoctor.harvest.texts import Texts
    from envdoctor.nametables import Exports, Uses


class Tables(NamedTuple):
    """The tables of one package, as far as it has them."""

    exports: Exports | None
    uses: Uses | None

    def known(self, named: Named) -> dict[str, NamedRelease]:
        """The releases that are in all tables which the package should have."""
        wanted = [table for table, due in ((self.exports, named.exports), (self.uses, named.takes)) if due]
        if any(table is None or table.reader != READER for table in wanted):
            return {}
        (first, *others) = [{one.version: one for one in table.releases} for table in wanted if table is not None]
        return {version: one for version, one in first.items() if all(other.get(version) == one for other in others)}


class Surfaces:
    """One reading of names.

    Args:
        client: asks the index.
        journal: what an interrupted reading has finished.
        today: the day, YYYY-MM-DD, that goes into what is read.
        tell: hears of the progress.
        connections: how many releases are fetched at once.
    """

    def __init__(self, client: Client, journal: Journal, today: str, tell: Telling, connections: int) -> None:
        self.client = client
        self.journal = journal
        self.today = today
        self.tell = tell
        self.connections = connections
        self.read = 0
        self.troubles: list[str] = []
        self._unread: Collection[tuple[str, str]] = ()

    def run(
        self, jobs: Mapping[str, list[Job]], old: Derived, unread: Collection[tuple[str, str]] = (), *, full: bool = False
    ) -> dict[str, Tables]:
        """The tables of the packages that have jobs, by package. What is ``unread`` was told already: it is not tried again."""
        self._unread = unread
        found: dict[str, Tables] = {}
        for named in NAMED:
            if named.package in jobs:
                journalled = self.journal.find_tables(named.package)
                before = Tables(old.exports.get(named.package), old.uses.get(named.package))
                known = Tables(*journalled) if any(journalled) else Tables(None, None) if full else before
                uses = [found[one.package].uses if one.package in found else old.uses.get(one.package) for one in NAMED]
                importers = [use for use in uses if use is not None]
                found[named.package] = self._package(named, jobs[named.package], known, before, importers)
        return found

    def _package(self, named: Named, jobs: list[Job], known: Tables, before: Tables, importers: list[Uses]) -> Tables:
        there = known.known(named)
        kept, missing = self._divided(named, jobs, there)
        self.tell.page(f"names of {named.package}", len(missing), len(kept))
        releases = [there[job.row.version] for job in kept] + [_release(job, self.today) for job in missing]
        having, taking = _begun(releases, known)
        asked = {question for uses in importers for question in questions(uses, named.imported_as)}
        failed = {version for package, version in self._unread if package == named.package}
        for job, future in self._fetched(missing, named):
            version = job.row.version
            try:
                files = future.result()
            except Unreadable as why:
                failed.add(version)
                self.troubles.append(f"the Python files of {job.file.name}: {why}")
            else:
                if named.exports:
                    having.add(version, files, named.imported_as, asked)
                if named.takes:
                    taking.add(version, files, named.imported_as, EXPORTED)
                self.read += 1
            self.tell.release(named.package, version)
        if failed:  # what an older reading knew of them stays
            older = before.known(named)
            rest = [one for one in releases if one.version not in failed]
            rest += [one for version, one in older.items() if version in failed]
            tables = _tables(named, having, taking)
            having, taking = _begun(rest, tables)
            _keep(having, taking, before, failed)
        tables = _tables(named, having, taking)
        if missing:
            self.journal.add_tables(named.package, tables.exports, tables.uses)
        return tables

    def _divided(self, named: Named, jobs: list[Job], there: Mapping[str, NamedRelease]) -> tuple[list[Job], list[Job]]:
        """What is known, and what is to be read: of a release without a wheel nothing can be told."""
        kept: list[Job] = []
        missing: list[Job] = []
        for job in jobs:
            one = there.get(job.row.version)
            if one is not None and job.file.sha256 is not None and (one.file, one.sha256) == (job.file.name, job.file.sha256):
                kept.append(job)
            elif job.file.kind == "wheel" and (named.package, job.row.version) not in self._unread:
                missing.append(job)
        return kept, missing

    def _fetched(self, jobs: list[Job], named: Named) -> Iterator[tuple[Job, Future[Texts]]]:
        """The files of releases in order, some of them on their way already."""
        pool = ThreadPoolExecutor(self.connections)
        waiting: deque[tuple[Job, Future[Texts]]] = deque()
        try:
            for job in jobs:
                waiting.append((job, pool.submit(self._fetch, job, named)))
                if len(waiting) > self.connections:
                    yield waiting.popleft()
            yield from waiting
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, job: Job, named: Named) -> Texts:
        return texts(Wheel(self.client, job.file.url), named.imported_as)


def _release(job: Job, today: str) -> NamedRelease:
    return NamedRelease(version=job.row.version, file=job.file.name, sha256=job.file.sha256, read=today)


def _begun(releases: list[NamedRelease], known: Tables) -> tuple[Having, Taking]:
    """What is collected, with what is known of these releases in it."""
    line = Line(releases)
    having, taking = Having(line), Taking(line)
    _keep(having, taking, known)
    return having, taking


def _keep(having: Having, taking: Taking, known: Tables, only: Container[str] | None = None) -> None:
    if known.exports is not None and known.exports.reader == READER:
        having.keep(known.exports, only)
    if known.uses is not None and known.uses.reader == READER:
        taking.keep(known.uses, only)


def _tables(named: Named, having: Having, taking: Taking) -> Tables:
    return Tables(
        having.table(named.package, named.imported_as) if named.exports else None,
        taking.table(named.package, named.imported_as) if named.takes else None,
    )
