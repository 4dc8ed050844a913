"""What a refresh has read already, written down at once: an interrupted one goes on from here."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.harvest import store
from envdoctor.nametables import exports_of, uses_of
from envdoctor.rows import CodeRange, Release, TorchRelease, VllmRelease  # noqa: TC001 - msgspec resolves them

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.harvest.jobs import Job
    from envdoctor.nametables import Exports, Uses

JOURNAL = ".refresh-journal.jsonl"
NAMES = b'{"names_of"'
"""How a line begins that holds tables of names."""
JOURNAL_DAYS = 7
"""How long what was read counts, if the refresh that read it never ended."""
MAX_JOURNAL_BYTES = 64 * 1024 * 1024


class Harvested(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was read of one release; a line of the journal."""

    package: str
    release: Release
    requires: tuple[str, ...] = ()
    torch: TorchRelease | None = None
    vllm: VllmRelease | None = None
    code: CodeRange | None = None


class NamesRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tables of names of a package as their files hold them, made when all its releases were read; a line of the journal."""

    names_of: str
    exports: bytes | None = None
    uses: bytes | None = None


class JournalHeader(msgspec.Struct, frozen=True):
    """First line of a journal."""

    generator: str
    read: str


class Journal:
    """What an interrupted refresh has read already. Each line is written as a whole; a torn last line is left out."""

    def __init__(self, path: str, today: str) -> None:
        self.path = path
        self._header = JournalHeader(store.GENERATOR, today)
        lines = list(self._lines())
        self._rows = {(one.package, one.release.version): one for one in lines if isinstance(one, Harvested)}
        self._tables = {one.names_of: one for one in lines if isinstance(one, NamesRead)}
        self._handle: BinaryIO | None = None

    def _lines(self) -> Iterator[Harvested | NamesRead]:
        try:
            head, *lines = read_file(self.path, MAX_JOURNAL_BYTES).splitlines()
            header = msgspec.json.decode(head, type=JournalHeader)
            age = date.fromisoformat(self._header.read) - date.fromisoformat(header.read)
        except (OSError, ValueError, msgspec.DecodeError, RecursionError):
            return
        if header.generator != self._header.generator or age.days > JOURNAL_DAYS:
            return
        for line in lines:
            try:
                if line.startswith(NAMES):
                    yield msgspec.json.decode(line, type=NamesRead)
                else:
                    yield msgspec.json.decode(line, type=Harvested)
            except (msgspec.DecodeError, RecursionError):
                continue

    def find(self, job: Job) -> Harvested | None:
        """What was read of that very file."""
        found = self._rows.get((job.reading.package, job.row.version))
        if found is None or job.file.sha256 is None:
            return None
        same = (found.release.file, found.release.sha256) == (job.file.name, job.file.sha256)
        return found if same else None

    def find_tables(self, package: str) -> tuple[Exports | None, Uses | None]:
        """The tables of names that were finished."""
        found = self._tables.get(package)
        if found is None:
            return None, None
        try:
            exports = None if found.exports is None else exports_of(found.exports)
            return exports, None if found.uses is None else uses_of(found.uses)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None, None

    def add_tables(self, package: str, exports: Exports | None, uses: Uses | None) -> None:
        """Write finished tables down. Raises UserError: the folder cannot be written."""
        packed = [None if table is None else store.encoded(table) for table in (exports, uses)]
        self.add(NamesRead(names_of=package, exports=packed[0], uses=packed[1]))

    def add(self, harvested: Harvested | NamesRead) -> None:
        """Write it down. Raises UserError: the folder cannot be written."""
        try:
            if self._handle is None:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                fresh = not (self._rows or self._tables)
                self._handle = open(self.path, "wb" if fresh else "ab")  # noqa: SIM115 - open until the refresh ends
                # behind a torn line, a new one begins
                self._handle.write(msgspec.json.encode(self._header) + b"\n" if fresh else b"\n")
            self._handle.write(msgspec.json.encode(harvested) + b"\n")
            self._handle.flush()
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}", store.HINT) from error

    def close(self) -> None:
        """Nothing more is written."""
        if self._handle is not None:
            with suppress(OSError):  # what a full disk did not take was told when it was written
                self._handle.close()
            self._handle = None

    def done(self) -> None:
        """Everything is in its place: the journal is not needed any more."""
        self.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)
