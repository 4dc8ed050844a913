"""What a row of the compatibility data is. Types only, no I/O; ``matrix.py`` reads them and ``harvest`` writes the derived ones.

Every row carries its source and the day it was read: a row without them does not load. Curated rows were written by a
person from a source; derived rows were generated from wheels. They never share a file.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from packaging.version import Version

from envdoctor.facts import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHONS = tuple(f"3.{minor}" for minor in range(8, 16))
"""The Pythons that a stack is judged for."""
NonEmpty = msgspec.Meta(min_length=1)


def must_be_a_day(text: str) -> None:
    """Accept an ISO date. Raises ValueError: it is no date, or not written YYYY-MM-DD."""
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        day = ""
    if day != text:
        raise ValueError(f"read is not a date (YYYY-MM-DD): {text!r}")


class Sourced(Part, frozen=True):
    """What every row of data must carry: an address, document or wheel hash, and the ISO date it was read."""

    source: str
    read: str

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError("a row without a source")
        must_be_a_day(self.read)


class CudaRelease(Sourced, frozen=True):
    """A CUDA toolkit release and the Linux x86_64 drivers it needs ("550.54.14")."""

    cuda: str
    full_driver: str | None
    """The driver shipped with it: from this one on everything works, JIT of its PTX too."""
    floor_driver: str
    """Minor-version compatibility: the oldest driver on which its SASS runs."""


class DriverBranch(Sourced, frozen=True):
    """A branch of the NVIDIA driver ("535") and how long it is maintained."""

    branch: str
    kind: Literal["LTS", "production", "new-feature"]
    cuda: str
    """The newest CUDA version it supports by itself, "12.2"."""
    end_of_life: str
    """Month in which NVIDIA ends its support, YYYY-MM."""


class ForwardCompatibility(Sourced, frozen=True):
    """The cuda-compat package of a CUDA release: on which older driver branches it may be put."""

    cuda: str
    package: str
    """"cuda-compat-12-4"."""
    branches: tuple[str, ...]
    """Older branches of the kernel driver that it works on: ("535", "550"). On its own branch and newer ones it has no place."""


class OldTorch(Sourced, frozen=True):
    """A release of torch before 2.0: the CUDA that the wheel under its plain version was built with. No stack is made of it."""

    torch: str
    cuda: str


class GpuProduct(Sourced, frozen=True):
    """A GPU as sold. Memory in GiB, bandwidths in GB/s; None: there is none, or no source was found (``source`` says which)."""

    name: str
    key: str
    """What --suppose gpu= takes: "h100"."""
    compute_capability: str
    memory_gib: int
    bandwidth_gb_s: int | None
    """Of its memory, by the vendor's data sheet."""
    nvlink_gb_s: int | None
    """Total of both directions over all links."""
    fp8: bool
    """Tensor cores that compute in FP8."""
    fp4: bool
    pci_device_ids: tuple[str, ...]
    datacenter: bool
    """Only these (and a few named RTX cards) may use cuda-compat forward compatibility."""


class GpuName(Sourced, frozen=True):
    """What people and tools call a GPU, of all of them the compute capability alone."""

    name: str
    """As its vendor writes it, without what its kinds have behind it: "RTX 4070" stands for the Ti and the SUPER too."""
    words: str
    """In lower case with single blanks, as they stand one after another in any way of writing it: "rtx 4070"."""
    compute_capability: str


class NvccArchitecture(Sourced, frozen=True):
    """From which CUDA release on the compiler makes code for a compute capability, and the last one that did."""

    compute_capability: str
    since: str
    until: str | None


class NcclFact(Sourced, frozen=True):
    """Something known of a range of NCCL releases, as a PEP 440 specifier."""

    nccl: str
    says: str


class FlashAttnWheels(Sourced, frozen=True):
    """The Linux x86_64 wheels that a release of flash-attn's release workflow makes; they are on GitHub, not on an index.

    Whether each of its jobs succeeded is not known from here. Every combination comes with and without the C++11 ABI.
    """

    release: str
    cuda_majors: tuple[int, ...]
    torch: Annotated[dict[str, tuple[str, ...]], NonEmpty]
    """Release series of torch to the Pythons that it is built for: {"2.8": ("cp311", "cp312")}."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Version(self.release)


class CudaImage(Sourced, frozen=True):
    """A CUDA base image: what it holds and what it asks of the host. Tags are as the vendor writes them."""

    image: str
    """Repository and tag without a registry: "nvidia/cuda:12.8.1-devel-ubuntu22.04"."""
    cuda: str
    glibc: str
    python: str | None
    """The python3 of its distribution, "3.10", whether installed or not; None where it is not known."""
    driver_floor: str | None
    """The lowest driver branch that its NVIDIA_REQUIRE_CUDA admits besides newer ones, or None where it says nothing."""


class ImageSize(Sourced, frozen=True):
    """How large an image is that others publish for the same purpose, as somebody has said in public. linux/amd64."""

    image: str
    """As its vendor writes it: "vllm/vllm-openai:v0.16.0"."""
    compressed_bytes: Annotated[int, msgspec.Meta(gt=0)] | None
    """To pull."""
    unpacked_bytes: Annotated[int, msgspec.Meta(gt=0)] | None
    """On disk."""
    said: str | None
    """The day the source speaks of, where it tells: a tag that floats had that size then."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.said is not None:
            must_be_a_day(self.said)
        if self.compressed_bytes is None and self.unpacked_bytes is None:
            raise ValueError("a size without a size")


class InstallerOption(Sourced, frozen=True):
    """An option of an installer, as its own parser knows it; one that no row names was in none of the releases asked."""

    tool: Literal["pip install", "uv pip install", "uv sync"]
    option: str
    takes_value: bool
    refused: bool
    """Whether it is known only to be refused: uv's --user says that it is unsupported."""
    first: str
    """The oldest and the newest release of those asked that have it."""
    last: str


class Run(Sourced, frozen=True):
    """Versions that were really run together, what ran, and how it ended. The strongest column of the matrix."""

    versions: Annotated[dict[str, str], NonEmpty]
    """Normalized names to exact versions."""
    machine: str
    """"CPU", or the GPU's key."""
    ran: str
    """What was run, in words: "import, tokenizer, ModelConfig and all 97 model modules"."""
    outcome: Literal["pass", "fail"]


class TorchRelease(Sourced, frozen=True):
    """A torch release on the package index: how its Linux x86_64 wheel was built, read from the wheel's bytes."""

    torch: str
    cuda: str
    archs: tuple[str, ...]
    cxx11_abi: bool
    python: str
    """The Pythons it has wheels for, as a specifier (">=3.9,<3.14"), from the tags of its files."""
    glibc: str
    """The highest GLIBC_ version that its libc10.so and libtorch_python.so ask for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Version(self.torch)
        Version(self.glibc)


class VllmRelease(Sourced, frozen=True):
    """A vLLM release on the package index: what the compiled modules of its Linux x86_64 wheel hold."""

    vllm: str
    cuda_major: int
    """Of the libcudart that its modules need."""
    archs: tuple[str, ...]
    """Architectures for which each of its core modules (``_C*``) has code, as nvcc names them: sm_90a, compute_80 for PTX."""
    modules: dict[str, dict[str, int]]
    """How many entries of the fat binaries of each module are for which architecture: {"_C.abi3.so": {"sm_80": 50, ...}}."""
    glibc: str
    """The highest GLIBC_ version that its core modules ask for."""
    glibc_of_others: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    """The same of each other module that asks for a higher one: {"_moe_C.abi3.so": "2.29"}."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Version(self.vllm)
        Version(self.glibc)


class CodeRange(Sourced, frozen=True):
    """The releases of an engine that a trainer's own code accepts, beside what its metadata says."""

    trainer: str
    version: str
    engine: str
    accepts: str
    """PEP 440 specifier; made of the engine's releases that were known when it was read."""
    stops: bool
    """Whether another release is refused with an error; else there is only a warning."""
    where: str
    """File and line of the check, "trl/import_utils.py, line 107"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Version(self.version)


class Release(Part, frozen=True, omit_defaults=True):
    """What a release of a package says of itself; one line of ``releases/<package>.jsonl`` behind its header."""

    version: str
    file: str
    """The file whose metadata was read."""
    sha256: str | None
    """Of that file, as the index states it."""
    uploaded: str | None = None
    """Day of its first file, YYYY-MM-DD, where the index tells."""
    python: tuple[str, ...] = ()
    """Python and ABI tags of its Linux x86_64 (or pure) wheels: "cp311", "cp38-abi3", "py3"; empty for an sdist alone."""
    glibc: str | None = None
    """The glibc of the lowest manylinux tag among those wheels; None for pure Python and for sdists."""
    requires_python: str | None = None
    requires: tuple[int, ...] = ()
    """Requires-Dist lines as indices into the header's ``requirements``."""
    yanked: bool = False
    unread: str | None = None
    """Why its metadata (then no requirement is known) or a trainer's code could not be read; a refresh reads it again."""

    def __post_init__(self) -> None:
        Version(self.version)


class ReleasesHeader(Part, frozen=True):
    """The first line of a releases file."""

    package: str
    generator: str
    read: str
    """The day the index was read."""
    requirements: tuple[str, ...]
    """Every different Requires-Dist line of the package's releases."""

    def __post_init__(self) -> None:
        must_be_a_day(self.read)


class Manifest(Part, frozen=True):
    """What derived data there is in a folder, and of which day. ``read`` maps packages to the day their page was read."""

    generator: str
    read: dict[str, str]

    def __post_init__(self) -> None:
        for day in self.read.values():
            must_be_a_day(day)


class Package(msgspec.Struct, frozen=True):
    """Every release of a package that was read, oldest first."""

    name: str
    read: str
    releases: tuple[Release, ...]
    requirements: tuple[str, ...]

    def requires(self, release: Release) -> tuple[str, ...]:
        """The Requires-Dist lines of one of its releases."""
        return tuple(self.requirements[index] for index in release.requires)


_CPYTHON = re.compile(r"cp3(\d{1,3})(-abi3)?", re.ASCII)


def python_range(tags: Iterable[str]) -> str:
    """The Pythons of wheels tagged cp39, cp310 ..., as a specifier: ">=3.9,<3.14"; ">=3.8" for cp38-abi3, "" for py3."""
    found = [match for match in map(_CPYTHON.fullmatch, tags) if match]
    exact = sorted(int(match[1]) for match in found if not match[2])
    stable = sorted(int(match[1]) for match in found if match[2])
    if stable:
        return f">=3.{stable[0]}"
    if not exact:
        return ""
    gaps = [minor for minor in range(exact[0], exact[-1]) if minor not in exact]
    return ",".join([f">=3.{exact[0]}", f"<3.{exact[-1] + 1}", *(f"!=3.{minor}.*" for minor in gaps)])
