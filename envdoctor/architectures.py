"""GPU architectures of a build against the GPUs present: which compiled code a GPU can run, and how. Pure.

Compiled code is SASS ("sm_90": machine code of one architecture) or PTX ("compute_90": portable, compiled by the
driver when it is first used). Names and rules are those of nvcc.
"""

from __future__ import annotations

import enum
import re
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import NotObserved, need
from envdoctor.linkage import DeviceCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envdoctor.facts import Facts, Gpu, TorchBuild
    from envdoctor.rows import VllmRelease

_NAME = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


class Architecture(NamedTuple):
    """One entry of an architecture list: "sm_90a" is SASS, 9, 0, "a"."""

    ptx: bool
    major: int
    minor: int
    suffix: str

    def runs_on(self, capability: tuple[int, int]) -> bool:
        """Whether a GPU of this compute capability can run it.

        SASS runs within its major from its minor on, PTX on everything as new or newer. The suffix narrows that:
        "a" (architecture-specific) runs on exactly its own capability, "f" (family) only within its major.
        """
        own = (self.major, self.minor)
        if self.suffix == "a":
            return capability == own
        if self.ptx and not self.suffix:
            return capability >= own
        return capability[0] == self.major and capability >= own


class Reach(enum.Enum):
    """How a build's code reaches a GPU."""

    NATIVE = "native"
    JIT = "jit"
    """Only by PTX, which the driver compiles."""
    FAR = "far"
    """Only by PTX of an older generation: torch calls such a GPU not compatible, and libraries beside it may have no code."""
    TOO_NEW = "too new"
    """The GPU is newer than (some of) the build's architectures, none of which runs on it."""
    TOO_OLD = "too old"
    """The GPU is older than every architecture of the build."""


class Coverage(NamedTuple):
    """The GPUs of one compute capability, and how torch's code reaches them."""

    capability: str
    gpus: tuple[Gpu, ...]
    reach: Reach


def parse(name: str) -> Architecture | None:
    """Read an architecture's name, or None if it is not one."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Architecture(found[1] == "compute", int(found[2]), int(found[3]), found[4])


def capability(text: str) -> tuple[int, int]:
    """Give (9, 0) for "9.0". Raises NotObserved when it is not of that form."""
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise NotObserved(f"the compute capability {text!r} is not of the form 9.0")
    return int(major), int(minor)


def reach(names: Iterable[str], gpu: tuple[int, int]) -> Reach:
    """How code of these architectures reaches a GPU of that compute capability."""
    known = [one for one in map(parse, names) if one is not None]
    usable = [one for one in known if one.runs_on(gpu)]
    if usable:
        if not all(one.ptx for one in usable):
            return Reach.NATIVE
        return Reach.JIT if any(one.major == gpu[0] for one in usable) else Reach.FAR
    return Reach.TOO_OLD if all((one.major, one.minor) > gpu for one in known) else Reach.TOO_NEW


def coverage(facts: Facts) -> tuple[Coverage, ...]:
    """Every compute capability present, lowest first; empty without a CUDA build of torch or without GPUs.

    Raises NotObserved: torch, its architectures, the GPUs or a capability are not known.
    """
    torch = cuda_torch(facts)
    if torch is None:
        return ()
    groups = by_capability(facts)
    if not groups:
        return ()
    names = need(torch.gpu_archs)
    if not names:
        raise NotObserved("torch is a CUDA build but lists no GPU architecture")
    return tuple(Coverage(f"{major}.{minor}", gpus, reach(names, (major, minor))) for (major, minor), gpus in groups.items())


def by_capability(facts: Facts) -> dict[tuple[int, int], tuple[Gpu, ...]]:
    """The GPUs present by compute capability, lowest first. Raises NotObserved."""
    groups: dict[tuple[int, int], list[Gpu]] = {}
    for gpu in need(facts.gpus.devices):
        groups.setdefault(capability(need(gpu.compute_capability)), []).append(gpu)
    return {found: tuple(groups[found]) for found in sorted(groups)}


class Share(NamedTuple):
    """How many of a library's containers hold an image that a GPU can run. A kernel is in one container."""

    runs: int
    of: int
    jit: int
    """Those of ``runs`` that have PTX only."""

    def __add__(self, other: object) -> Share:
        """Of both together."""
        if not isinstance(other, Share):
            return NotImplemented
        return Share(self.runs + other.runs, self.of + other.of, self.jit + other.jit)


def share(containers: Mapping[str, int], gpu: tuple[int, int]) -> Share:
    """The share of containers ({"sm_80 sm_90a": 172}) that a GPU of that compute capability can run."""
    total = Share(0, 0, 0)
    for names, count in containers.items():
        usable = [one for one in map(parse, names.split()) if one is not None and one.runs_on(gpu)]
        runs = count if usable else 0
        total += Share(runs, count, runs if all(one.ptx for one in usable) else 0)
    return total


def for_one_kind(names: str) -> bool:
    """Whether these images are all for single architectures or families (sm_90a, sm_100f): kernels that others do without."""
    return all(name.endswith(("a", "f")) for name in names.split())


NONE_PERCENT = 5
"""At most this share of a library is none: 3 % at most where a package does not run on a GPU, 60 % and more where it does
(the wheels of vllm 0.8.5.post1, 0.10.2 and 0.32.0 and of sgl-kernel 0.3.21 on ten compute capabilities)."""
SMALL_PERCENT = 5
"""A library with so few kernels, compared with the largest of its package, does not speak for it."""
CUDA_ITSELF = "nvidia-"
"""CUDA's own libraries keep most code in other forms (libcufft shows one image), and come with the CUDA of torch."""
_BUNDLED = re.compile(r"\.libs/|-[0-9a-f]{8}\.so")
"""Copies of CUDA's libraries that auditwheel put into a wheel."""


class Kernels(NamedTuple):
    """The kernels of one package on one GPU: each library with its share."""

    package: str
    libraries: tuple[tuple[DeviceCode, Share], ...]
    generals: tuple[Share, ...]
    """For each library the share of its kernels for GPUs in general, without those for single architectures only."""

    @property
    def general(self) -> Share:
        """The kernels for GPUs in general, of all libraries together."""
        return sum(self.generals, Share(0, 0, 0))

    @property
    def none(self) -> bool:
        """Whether the GPU can run as good as nothing of it: of no library that counts more than a stray kernel."""
        shares = self.generals if self.general.of else tuple(part for _, part in self.libraries)
        most = max(one.of for one in shares)
        return all(100 * one.runs <= NONE_PERCENT * one.of for one in shares if 100 * one.of >= SMALL_PERCENT * most)


def kernels(libraries: Iterable[DeviceCode], gpu: tuple[int, int]) -> Iterator[Kernels]:
    """Every package that has kernels, on a GPU of that compute capability; without the libraries of CUDA itself."""
    ours = [one for one in libraries if not one.package.startswith(CUDA_ITSELF) and not _BUNDLED.search(one.path)]
    for package, group in groupby(sorted(ours, key=lambda one: (one.package, one.path)), key=lambda one: one.package):
        own = tuple((one, share(one.containers, gpu)) for one in group)
        generals = tuple(
            share({names: count for names, count in one.containers.items() if not for_one_kind(names)}, gpu) for one, _ in own
        )
        if any(part.of > 0 for _, part in own):
            yield Kernels(package, own, generals)


def in_wheel(row: VllmRelease) -> tuple[DeviceCode, ...]:
    """The device code of a vLLM wheel as the data has it: images are counted there by architecture alone."""
    return tuple(
        DeviceCode(package="vllm", path=f"vllm/{file}", containers=nested(images))
        for file, images in row.modules.items()
        if images
    )


def in_order(name: str) -> tuple[bool, int, str]:
    """Sorts names of architectures by number, machine code before PTX."""
    kind, _, number = name.partition("_")
    digits = number.rstrip("af")
    return kind != "sm", int(digits) if digits.isdecimal() else 0, number


def nested(images: Mapping[str, int]) -> dict[str, int]:
    """Containers made of a count of images by architecture alone ({"sm_80": 60, "sm_90": 56}), as the data has it.

    As few containers as can hold them, the rarer architectures inside the more frequent ones: the share of a GPU then is
    at least that of the architecture that serves it best.
    """
    found: dict[str, int] = {}
    left = sorted(images.items(), key=lambda item: (-item[1], item[0]))
    for place, (_name, count) in enumerate(left):
        following = left[place + 1][1] if place + 1 < len(left) else 0
        if count > following:
            found[" ".join(sorted((name for name, _count in left[: place + 1]), key=in_order))] = count - following
    return found


def cuda_torch(facts: Facts) -> TorchBuild | None:
    """Torch's build facts if it is a CUDA build. Raises NotObserved."""
    torch = need(facts.builds.torch)
    return None if torch is None or torch.cuda is None else torch
