"""The compatibility data: claims and tables, read from JSON Lines when first asked for.

Every row carries its source and the day it was read: a row without them does not load. Only the files a check asks for are
read: claims live in one file per package that their first *when* names.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from envdoctor.claims import Claim
from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.nametables import Exports, Uses, exports_of, uses_of
from envdoctor.rows import (
    CodeRange,
    CudaImage,
    CudaRelease,
    DriverBranch,
    FlashAttnWheels,
    ForwardCompatibility,
    GpuName,
    GpuProduct,
    ImageSize,
    InstallerOption,
    Manifest,
    NcclFact,
    NvccArchitecture,
    OldTorch,
    Package,
    Release,
    ReleasesHeader,
    Run,
    Sourced,
    TorchRelease,
    VllmRelease,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = os.path.join(os.path.dirname(__file__), "data")
KINDS = ("curated", "derived")
"""Folders of claims: written by a person from a source, and generated from wheel bytes. They never share a file."""
MANIFEST = "claims/derived/manifest.json"
TABLE = ".jsonl.gz"
"""How the names of the packed tables of Python names end."""
MAX_FILE_BYTES = 16 * 1024 * 1024
"""Of one file of data; the largest of ours has 0.3 MB."""
NO_MANIFEST = Manifest(generator="", read={})
Row = TypeVar("Row", bound=msgspec.Struct)
T = TypeVar("T")


class DataError(UserError):
    """Compatibility data that cannot be read: file, line and reason."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "Leave out --data, or give a folder that `envdoctor matrix refresh --into DIR` has written.")


class Overlay(NamedTuple):
    """A folder of data that lies over the shipped one.

    ``chosen``: the user named it (--data), so its files count whatever their age, and a damaged one is an error. Else it is what
    ``matrix refresh`` has written for this user: only derived data newer than ours counts, and a damaged file is passed over.
    """

    folder: str
    chosen: bool


class Matrix:
    """The data of a folder and what lies over it, read when first asked for.

    ``consulted`` collects the files that were asked for, so that a verdict can say how old the data is that it rests on;
    ``passed_over`` says which files of an overlay were damaged.
    """

    def __init__(self, folder: str = DATA, overlay: Overlay | None = None) -> None:
        self.folder = folder
        self.overlay = overlay
        self.consulted: set[str] = set()
        self.passed_over: list[str] = []
        self._read: dict[str, tuple[msgspec.Struct, ...]] = {}
        self._subjects: tuple[str, ...] | None = None
        self._exports: dict[str, Exports | None] = {}
        self._before: dict[str, Exports | None] = {}
        self._members: dict[str, Exports | None] = {}
        self._uses: dict[str, Uses | None] = {}
        self._manifests: dict[str, Manifest] = {}

    def claims(self, package: str, topic: str) -> tuple[Claim, ...]:
        """The claims of a topic whose *when* names the package first.

        Package names come from targets and are hostile: only a name that has a file here is ever made into a path.
        """
        if package not in self.subjects():
            return ()
        rows = [self._rows(f"claims/{kind}/{package}.jsonl", Claim) for kind in KINDS]
        return tuple(claim for found in rows for claim in found if claim.topic == topic)

    def subjects(self) -> tuple[str, ...]:
        """Packages that have claims."""
        if self._subjects is None:
            files = [name for folder in self._folders() for kind in KINDS for name in self._listed(folder, f"claims/{kind}")]
            self._subjects = tuple(sorted({name.removesuffix(".jsonl") for name in files if name.endswith(".jsonl")}))
        return self._subjects

    def cuda_releases(self) -> tuple[CudaRelease, ...]:
        """CUDA toolkit releases, oldest first."""
        return self._rows("tables/cuda_releases.jsonl", CudaRelease)

    def gpu_products(self) -> tuple[GpuProduct, ...]:
        """GPU products."""
        return self._rows("tables/gpu_products.jsonl", GpuProduct)

    def gpu_names(self) -> tuple[GpuName, ...]:
        """What GPUs are called."""
        return self._rows("tables/gpu_names.jsonl", GpuName)

    def nvcc_architectures(self) -> tuple[NvccArchitecture, ...]:
        """What the compilers of CUDA releases make code for."""
        return self._rows("tables/nvcc_architectures.jsonl", NvccArchitecture)

    def driver_branches(self) -> tuple[DriverBranch, ...]:
        """Branches of the NVIDIA driver, oldest first."""
        return self._rows("tables/driver_branches.jsonl", DriverBranch)

    def forward_compatibility(self) -> tuple[ForwardCompatibility, ...]:
        """The cuda-compat packages, oldest CUDA first."""
        return self._rows("tables/forward_compatibility.jsonl", ForwardCompatibility)

    def nccl_facts(self) -> tuple[NcclFact, ...]:
        """What is known of NCCL releases."""
        return self._rows("tables/nccl.jsonl", NcclFact)

    def flash_attn_wheels(self) -> tuple[FlashAttnWheels, ...]:
        """The wheels of flash-attn's releases, oldest first."""
        return self._rows("tables/flash_attn.jsonl", FlashAttnWheels)

    def cuda_images(self) -> tuple[CudaImage, ...]:
        """CUDA base images."""
        return self._rows("tables/cuda_images.jsonl", CudaImage)

    def image_sizes(self) -> tuple[ImageSize, ...]:
        """How large the images of others are, by name."""
        return self._rows("tables/image_sizes.jsonl", ImageSize)

    def installer_options(self) -> tuple[InstallerOption, ...]:
        """The options that pip and uv really have."""
        return self._rows("tables/installer_options.jsonl", InstallerOption)

    def runs(self) -> tuple[Run, ...]:
        """Stacks that were really run."""
        return self._rows("tables/runs.jsonl", Run)

    def torch_releases(self) -> tuple[TorchRelease, ...]:
        """Torch releases of the package index, oldest first."""
        return self._rows("claims/derived/builds/torch.jsonl", TorchRelease)

    def old_torch_releases(self) -> tuple[OldTorch, ...]:
        """Torch releases before 2.0, oldest first: people still paste reports of them."""
        return self._rows("tables/torch_before_2.jsonl", OldTorch)

    def vllm_releases(self) -> tuple[VllmRelease, ...]:
        """VLLM releases of the package index, oldest first."""
        return self._rows("claims/derived/builds/vllm.jsonl", VllmRelease)

    def code_ranges(self, trainer: str) -> tuple[CodeRange, ...]:
        """What the code of a trainer's releases accepts, oldest first."""
        return self._rows(f"claims/derived/ranges/{trainer}.jsonl", CodeRange)

    def packages(self) -> dict[str, str]:
        """The packages whose releases were read from an index, and the day of it."""
        days = [self._manifest(folder).read for folder in self._folders()]
        return {name: self._day(name) for name in sorted({name for read in days for name in read})}

    def package(self, name: str) -> Package | None:
        """All releases of a package that was read from an index. A check never asks for it."""
        if name not in self.packages():
            return None
        path = f"claims/derived/releases/{name}.jsonl"
        if path not in self._read:
            found = self._first_readable(path, _package)
            self._read[path] = () if found is None else (found,)
        self.consulted.add(path)
        return next((one for one in self._read[path] if isinstance(one, Package)), None)

    def exports(self, package: str) -> Exports | None:
        """The Python names of a package's releases, if they were read. A check asks for it when it has found one missing."""
        return self._names(f"claims/derived/names/exports/{package}{TABLE}", package, self._exports, exports_of)

    def exports_before(self, package: str) -> Exports | None:
        """A sample of older releases than those of :meth:`exports`: people still paste errors of programs of their time."""
        return self._names(f"tables/names_before/{package}{TABLE}", package, self._before, exports_of)

    def members(self, package: str) -> Exports | None:
        """What the classes of a package's releases have and take, with a class in the place of a module."""
        return self._names(f"tables/members/{package}{TABLE}", package, self._members, exports_of)

    def uses(self, package: str) -> Uses | None:
        """What the code of a package's releases takes from others, if it was read."""
        return self._names(f"claims/derived/names/uses/{package}{TABLE}", package, self._uses, uses_of)

    def _names(self, path: str, package: str, known: dict[str, T | None], decode: Callable[[bytes], T]) -> T | None:
        if package not in known:
            if package not in self.packages():
                return None
            known[package] = self._first_readable(path, lambda where, data: _table(where, data, decode))
        if known[package] is not None:
            self.consulted.add(path)
        return known[package]

    def as_of(self) -> str | None:
        """The day of the oldest data that was consulted since ``consulted`` was emptied; None if none was."""
        return min((day for day in map(self._date_of, self.consulted) if day), default=None)

    def _date_of(self, path: str) -> str | None:
        """Derived data is as old as the reading of its index, curated data as the newest reading of a source."""
        if _is_derived(path):
            return self._day(_subject(path)) or None
        return max((row.read for row in self._read.get(path, ()) if isinstance(row, Sourced)), default=None)

    def _day(self, package: str) -> str:
        """When the package's derived data in force was read; empty if there is none."""
        folder = self._derived_from(package)
        return self._manifest(folder).read.get(package, "")

    def _folders(self) -> tuple[str, ...]:
        return (self.folder,) if self.overlay is None else (self.overlay.folder, self.folder)

    def _manifest(self, folder: str) -> Manifest:
        if folder not in self._manifests:
            path = os.path.join(folder, MANIFEST)
            try:
                data = _bytes(path)
                self._manifests[folder] = NO_MANIFEST if data is None else _manifest(path, data)
            except DataError as error:
                self._pass_over(folder, error)
                self._manifests[folder] = NO_MANIFEST
        return self._manifests[folder]

    def _derived_from(self, package: str) -> str:
        """The folder whose derived data about a package counts."""
        if self.overlay is None:
            return self.folder
        theirs = self._manifest(self.overlay.folder).read.get(package)
        ours = self._manifest(self.folder).read.get(package, "")
        return self.overlay.folder if theirs is not None and (self.overlay.chosen or theirs >= ours) else self.folder

    def _candidates(self, path: str) -> list[str]:
        """The folders that may have a file of the data, the one that counts first."""
        if self.overlay is None:
            return [self.folder]
        if _is_derived(path):
            first = self._derived_from(_subject(path))
            return [first] if first == self.folder or self.overlay.chosen else [first, self.folder]
        return [self.overlay.folder, self.folder] if self.overlay.chosen else [self.folder]

    def _rows(self, name: str, row: type[Row]) -> tuple[Row, ...]:
        self.consulted.add(name)
        if name not in self._read:
            self._read[name] = self._first_readable(name, lambda path, data: _decoded(path, data, row)) or ()
        return self._read[name]  # type: ignore[return-value]

    def _listed(self, folder: str, name: str) -> list[str]:
        path = os.path.join(folder, name)
        try:
            return os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self._pass_over(folder, DataError(f"{path}: {error.strerror}"))
            return []

    def _first_readable(self, name: str, decode: Callable[[str, bytes], T]) -> T | None:
        """What the first folder has that has the file; a damaged file of an overlay that nobody chose is passed over."""
        for folder in self._candidates(name):
            path = os.path.join(folder, name)
            try:
                data = _bytes(path)
                if data is not None:
                    return decode(path, data)
            except DataError as error:
                self._pass_over(folder, error)
        return None

    def _pass_over(self, folder: str, error: DataError) -> None:
        """Go on without a file of an overlay that nobody chose. Raises the error, if it is of any other folder."""
        if self.overlay is None or folder != self.overlay.folder or self.overlay.chosen:
            raise error
        self.passed_over.append(str(error))


def _is_derived(path: str) -> bool:
    return path.startswith("claims/derived/")


def _subject(path: str) -> str:
    """The package that a file of derived data is about."""
    return os.path.basename(path).removesuffix(".gz").removesuffix(".jsonl")


def _bytes(path: str) -> bytes | None:
    """The content of a file, None if there is none. Raises DataError: larger than data can be, or unreadable."""
    try:
        data = read_file(path, MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{path}: it is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    return data


def _manifest(path: str, data: bytes) -> Manifest:
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{path}: {error}") from error


def _decoded(path: str, data: bytes, row: type[Row]) -> tuple[Row, ...]:
    try:
        return tuple(_decoder(row).decode_lines(data))
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{path}:{_bad_line(data, row)}: {error}") from error


def _table(path: str, data: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        found = decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}") from error
    if getattr(found, "package", None) != _subject(path):
        raise DataError(f"{path}: it is not about that package")
    return found


def _package(path: str, data: bytes) -> Package:
    head, _, rest = data.partition(b"\n")
    (header,) = _decoded(path, head, ReleasesHeader) or (None,)
    releases = _decoded(path, rest, Release)
    if header is None or header.package != _subject(path):
        raise DataError(f"{path}: it does not begin with a header of that package")
    if any(not 0 <= index < len(header.requirements) for one in releases for index in one.requires):
        raise DataError(f"{path}: a requirement that is not in its table")
    return Package(header.package, header.read, releases, header.requirements)


@lru_cache
def _decoder(row: type[Row]) -> msgspec.json.Decoder[Row]:
    return msgspec.json.Decoder(row)


def _bad_line(data: bytes, row: type[Row]) -> int:
    """Number of the first line that does not decode; decode_lines does not say which one it was."""
    lines = data.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            _decoder(row).decode(line)
        except msgspec.DecodeError:
            return number
    return len(lines)
