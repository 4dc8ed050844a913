"""GPU architectures of a build against the GPUs present: which compiled code a GPU can run, and how. Pure.

Compiled code is SASS ("sm_90": machine code of one architecture) or PTX ("compute_90": portable, compiled by the
driver when it is first used). Names and rules are those of nvcc.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import NotObserved, need

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.facts import Facts, Gpu, TorchBuild

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
    groups: dict[tuple[int, int], list[Gpu]] = {}
    for gpu in need(facts.gpus.devices):
        groups.setdefault(capability(need(gpu.compute_capability)), []).append(gpu)
    if not groups:
        return ()
    names = need(torch.gpu_archs)
    if not names:
        raise NotObserved("torch is a CUDA build but lists no GPU architecture")
    return tuple(
        Coverage(f"{major}.{minor}", tuple(gpus), reach(names, (major, minor))) for (major, minor), gpus in sorted(groups.items())
    )


def cuda_torch(facts: Facts) -> TorchBuild | None:
    """Torch's build facts if it is a CUDA build. Raises NotObserved."""
    torch = need(facts.builds.torch)
    return None if torch is None or torch.cuda is None else torch
