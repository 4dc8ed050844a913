"""Facts that only running something tells: kernels that ran, packages that were imported, GPUs that spoke to each other.

Part of the facts document (see :mod:`envdoctor.facts`), filled by ``check --deep`` (:mod:`envdoctor.deep`) alone.
"""

from __future__ import annotations

from envdoctor.leaf import Leaf, Part, Unknown

NOT_RUN = Unknown("nothing was run: envdoctor check --deep does")


class KernelTried(Part, frozen=True):
    """One thing a device was made to do."""

    name: str
    """context, allocation, copy, matmul float32, matmul bfloat16, attention flash, compile, cuda graph, ..."""
    state: str
    """passed, wrong (ran, result outside the bound), failed (an error), or skipped (says why)."""
    value: float | None
    """What was measured, in ``unit``; None where there is no number."""
    bound: float | None
    """The largest error (or smallest rate) that passes."""
    unit: str
    """"relative error", "GB/s", "GiB", "s"; "" without a value."""
    says: str
    """The error's words, why it was skipped, or what was compared with what."""
    seconds: float


class DeviceTried(Part, frozen=True):
    """One device, tried in a process of its own that can be killed."""

    device: str
    """cuda:0 or cpu."""
    name: str
    """As torch names it; "" where it did not get so far."""
    compute_capability: str | None
    checks: tuple[KernelTried, ...]
    during: str | None
    """Name of the check in which the process hung or died; None when it came to its end."""
    ended: str | None
    """How it ended then: "no answer in 15 s", "killed by SIGSEGV", "exit status 1"; None when it came to its end."""
    said: str
    """The last lines it printed, where it hung, died or failed; "" else."""


class PairTried(Part, frozen=True):
    """Two GPUs."""

    first: int
    second: int
    peer_access: bool | None
    link: str | None
    """"nvlink" or "pcie" as NVML tells; None unknown."""
    gb_per_s: float | None
    """Copy from the first to the second, one direction, 10^9 bytes."""
    says: str


class CollectiveTried(Part, frozen=True):
    """An all-reduce over all devices: NCCL, on CPUs gloo."""

    backend: str
    devices: int
    state: str
    """passed, wrong, failed, late or skipped."""
    bus_gb_per_s: float | None
    """Bus bandwidth as nccl-tests defines it, 10^9 bytes."""
    says: str
    """The error's words; which rank hung."""


class ImportTried(Part, frozen=True):
    """A package of the stack, imported for real in a fresh process of the target."""

    package: str
    module: str
    state: str
    """imported, raised, died (a signal or an exit) or late."""
    seconds: float
    error: str | None
    """"ModuleNotFoundError: No module named 'x'", or "killed by SIGILL"."""
    trace: tuple[str, ...]
    """The last frames of the traceback, "file:line function", redacted."""
    warned: tuple[str, ...] = ()
    """Lines on standard error that say a part of the package was not loaded."""
    unloaded: tuple[str, ...] = ()
    """Compiled modules of the package that were tried one by one and failed, with their error: "vllm._C: ImportError: ..."."""


class Live(Part, frozen=True):
    """What was run. Unknown where --deep was not asked for."""

    devices: Leaf[tuple[DeviceTried, ...]] = NOT_RUN
    pairs: Leaf[tuple[PairTried, ...]] = NOT_RUN
    collective: Leaf[CollectiveTried | None] = NOT_RUN
    """None where there is one device only."""
    imports: Leaf[tuple[ImportTried, ...]] = NOT_RUN
