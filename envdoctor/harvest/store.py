"""The derived data of a folder, as a whole: read, compared with what was there, and put in its place in one step.

A folder of data holds ``claims/derived`` with a manifest, the claims, and under ``releases``, ``builds`` and ``ranges`` what
they were made from; under ``names`` the tables of Python names. A check reads claims and builds only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from glob import escape as glob_escaped
from glob import glob
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor import __version__
from envdoctor.errors import UserError
from envdoctor.harvest.plan import TRAINERS
from envdoctor.matrix import MANIFEST, TABLE, Matrix
from envdoctor.nametables import Exports, NamesHeader, Uses, exports_of, packed_rows, uses_of
from envdoctor.rows import CodeRange, Manifest, Package, Release, ReleasesHeader, TorchRelease, VllmRelease

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envdoctor.claims import Claim

GENERATOR = f"envdoctor matrix refresh {__version__}"
HINT = "Name a folder that you may write, with room for 4 MB, by --into DIR."
DERIVED = os.path.join("claims", "derived")
FRESH = ".derived-"
"""How the names of folders begin in which data is written before it is put in its place."""


class Derived(msgspec.Struct, frozen=True):
    """All that was read from an index."""

    packages: dict[str, Package] = {}
    torch: tuple[TorchRelease, ...] = ()
    vllm: tuple[VllmRelease, ...] = ()
    ranges: tuple[CodeRange, ...] = ()
    exports: dict[str, Exports] = {}
    """Python names of the packages that others import from."""
    uses: dict[str, Uses] = {}
    """What the packages that import from them take."""


def packed(name: str, read: str, said: Mapping[Release, tuple[str, ...]]) -> Package:
    """A package whose releases share one table of requirements; releases in order of version."""
    ordered = sorted(said, key=lambda one: Version(one.version))
    table = {line: index for index, line in enumerate(dict.fromkeys(line for one in ordered for line in said[one]))}
    releases = tuple(msgspec.structs.replace(one, requires=tuple(table[line] for line in said[one])) for one in ordered)
    return Package(name, read, releases, tuple(table))


def load(folder: str) -> Derived:
    """The derived data of a folder of data alone; empty where there is none. Raises DataError: a file of it is damaged."""
    return of(Matrix(folder))


def of(matrix: Matrix) -> Derived:
    """The derived data that a matrix has in force. Raises DataError."""
    packages = {name: package for name in matrix.packages() if (package := matrix.package(name)) is not None}
    ranges = tuple(row for name in TRAINERS for row in matrix.code_ranges(name))
    exports = {name: table for name in packages if (table := matrix.exports(name)) is not None}
    uses = {name: taken for name in packages if (taken := matrix.uses(name)) is not None}
    return Derived(packages, matrix.torch_releases(), matrix.vllm_releases(), ranges, exports, uses)


def lost(old: Derived, new: Derived) -> list[str]:
    """What the old data has and the new one lacks, in words: "vllm 0.8.1", "how torch 2.4.0 was built"."""
    found = []
    for name, package in old.packages.items():
        kept = {one.version for one in new.packages[name].releases} if name in new.packages else set()
        found += [f"{name} {one.version}" for one in package.releases if one.version not in kept]
    builds = ({row.torch for row in new.torch}, {row.vllm for row in new.vllm})
    found += [f"how torch {row.torch} was built" for row in old.torch if row.torch not in builds[0]]
    found += [f"how vllm {row.vllm} was built" for row in old.vllm if row.vllm not in builds[1]]
    ranges = {(row.trainer, row.version) for row in new.ranges}
    found += [f"what {row.trainer} {row.version} accepts" for row in old.ranges if (row.trainer, row.version) not in ranges]
    for what, before, after in (("the names of", old.exports, new.exports), ("what code takes in", old.uses, new.uses)):
        for name, table in before.items():
            kept = {one.version for one in after[name].releases} if name in after else set()
            there = {one.version for one in new.packages[name].releases} if name in new.packages else set()
            found += [f"{what} {name} {one.version}" for one in table.releases if one.version in there - kept]
    return found


def write(folder: str, derived: Derived, claims: Mapping[str, Iterable[Claim]]) -> None:
    """Put the derived data of a folder in its place: written beside it, then exchanged, so that a reader never sees half of it.

    Raises:
        UserError: the folder cannot be written.
    """
    target = os.path.join(folder, DERIVED)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        recover(folder)
        fresh = tempfile.mkdtemp(prefix=FRESH, dir=os.path.dirname(target))
        try:
            os.chmod(fresh, 0o755)  # noqa: S103 - mkdtemp's folder is for its owner alone; data is for everybody
            _write_all(fresh, derived, claims)
            _exchange(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}", HINT) from error


def encoded(table: Exports | Uses) -> bytes:
    """A table of names as its file holds it."""
    header = NamesHeader(
        package=table.package, imported_as=table.imported_as, generator=GENERATOR, reader=table.reader, releases=table.releases
    )
    data = packed_rows(header, table.modules.values() if isinstance(table, Exports) else table.rows)
    # constructing a row checks no types; what this program could not read again must not replace what it can
    (exports_of if isinstance(table, Exports) else uses_of)(data)
    return data


def _exchange(fresh: str, target: str) -> None:
    old = target + ".old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(target):
        os.rename(target, old)
    try:
        os.rename(fresh, target)
    except OSError:
        if os.path.exists(old):
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def recover(folder: str) -> None:
    """Bring back the old data where a process died between the two renames of an exchange, and clear away what it was writing.

    Only for who holds the folder.

    Raises:
        UserError: the folder cannot be written.
    """
    target = os.path.join(folder, DERIVED)
    if not os.path.exists(target) and os.path.exists(target + ".old"):
        try:
            os.rename(target + ".old", target)
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror}", HINT) from error
    for left in glob(os.path.join(glob_escaped(os.path.dirname(target)), f"{FRESH}*")):
        shutil.rmtree(left, ignore_errors=True)


def _write_all(base: str, derived: Derived, claims: Mapping[str, Iterable[Claim]]) -> None:
    for name in ("releases", "builds", "ranges"):
        os.makedirs(os.path.join(base, name))
    for package in derived.packages.values():
        header = ReleasesHeader(package=package.name, generator=GENERATOR, read=package.read, requirements=package.requirements)
        _lines(os.path.join(base, "releases", f"{package.name}.jsonl"), (header, *package.releases))
    _lines(os.path.join(base, "builds", "torch.jsonl"), derived.torch)
    _lines(os.path.join(base, "builds", "vllm.jsonl"), derived.vllm)
    for trainer in TRAINERS:
        rows = [row for row in derived.ranges if row.trainer == trainer]
        if rows:
            _lines(os.path.join(base, "ranges", f"{trainer}.jsonl"), rows)
    for kind, tables in (("exports", derived.exports), ("uses", derived.uses)):
        os.makedirs(os.path.join(base, "names", kind))
        for name, table in tables.items():
            _bytes(os.path.join(base, "names", kind, f"{name}{TABLE}"), encoded(table))
    for name, rows_of in claims.items():
        _lines(os.path.join(base, f"{name}.jsonl"), rows_of)
    manifest = Manifest(generator=GENERATOR, read={name: package.read for name, package in derived.packages.items()})
    _lines(os.path.join(base, os.path.basename(MANIFEST)), (manifest,))


def _lines(path: str, rows: Iterable[msgspec.Struct]) -> None:
    _bytes(path, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def _bytes(path: str, data: bytes) -> None:
    with open(path, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the folder for one refresh. Raises UserError: another one is at work there, or it cannot be written."""
    try:
        os.makedirs(folder, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}", HINT) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of the folder itself: nothing is left behind
    except OSError as error:
        os.close(handle)
        hint = "Wait until it has ended, or write elsewhere with --into DIR."
        raise UserError(f"another refresh is writing {folder}", hint) from error
    try:
        yield
    finally:
        os.close(handle)
