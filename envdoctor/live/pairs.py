"""Between GPUs: whether one may read another's memory, what joins them, and how fast a copy goes."""

from __future__ import annotations

import ctypes
import itertools
import os
import time
from typing import TYPE_CHECKING, Any, Optional

from . import watch
from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller

BYTES = 256 * 1024 * 1024
REPEATS = 3
MOST = 56
"""Ordered pairs: all of 8 GPUs. Of more, the first GPU's copies to all others come first."""


P2P_CAPS_INDEX_NVLINK = 2
P2P_STATUS_OK = 0
"""nvml.h: nvmlGpuP2PCapsIndex_t and nvmlGpuP2PStatus_t."""


def main(teller: Teller, count: int, limit_s: float) -> None:
    """Tell every pair.

    Args:
        teller: told each pair.
        count: how many GPUs.
        limit_s: for one pair; the first touch of a GPU is in it.
    """
    teller.tell("phase", name="import torch")
    import torch

    for first, second in list(itertools.permutations(range(count), 2))[:MOST]:
        watch.within(teller, f"copy cuda:{first} to cuda:{second}", limit_s)
        try:
            access: Optional[bool] = bool(torch.cuda.can_device_access_peer(first, second))
            rate: Optional[float] = None
            rate, says = copied(torch, first, second)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the result
            access, rate, says = None, None, one_line(error)
        joined = link(torch, first, second)
        teller.tell("pair", first=first, second=second, peer_access=access, link=joined, gb_per_s=rate, says=says)
    watch.over()
    teller.tell("done")


def copied(torch: Any, first: int, second: int) -> Any:  # noqa: ANN401
    """(GB/s, what was compared) of the best of some copies; the first one is not counted."""
    source = torch.arange(BYTES // 4, dtype=torch.int32, device=f"cuda:{first}")
    there = torch.zeros(BYTES // 4, dtype=torch.int32, device=f"cuda:{second}")
    best = float("inf")
    for turn in range(REPEATS + 1):
        for device in (first, second):
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        there.copy_(source)
        for device in (first, second):
            torch.cuda.synchronize(device)
        if turn:
            best = min(best, time.perf_counter() - began)
    # the numbers are made again where they arrived: a way over the host takes longer than all the copies
    if not bool(torch.equal(there, torch.arange(BYTES // 4, dtype=torch.int32, device=f"cuda:{second}"))):
        return None, "the copy differs from the source"
    return BYTES / best / 1e9, f"{BYTES // 1024 // 1024} MiB, the copy equals the source; best of {REPEATS}"


def link(torch: Any, first: int, second: int) -> Optional[str]:  # noqa: ANN401
    """Give "nvlink" or "pcie", as NVML says of the two; None where NVML is not there or does not say."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2():
        return None
    try:
        handles = [handle(nvml, torch.cuda.get_device_properties(index), index) for index in (first, second)]
        status = ctypes.c_int(-1)
        failed = nvml.nvmlDeviceGetP2PStatus(*handles, P2P_CAPS_INDEX_NVLINK, ctypes.byref(status))
    except (AttributeError, LookupError):  # a driver without the function, or a GPU that NVML does not list
        return None
    else:
        return None if failed else "nvlink" if status.value == P2P_STATUS_OK else "pcie"
    finally:
        nvml.nvmlShutdown()


def handle(nvml: Any, told: Any, index: int) -> ctypes.c_void_p:  # noqa: ANN401
    """NVML's handle of a GPU, by its bus address, since CUDA and NVML may count differently. Raises LookupError.

    Args:
        nvml: the library.
        told: torch's properties of the GPU; an older torch leaves the address out.
        index: how CUDA counts it, by bus address as NVML does (CUDA_DEVICE_ORDER), among those that are shown.
    """
    found = ctypes.c_void_p()
    if hasattr(told, "pci_bus_id"):
        address = f"{getattr(told, 'pci_domain_id', 0):08x}:{told.pci_bus_id:02x}:{told.pci_device_id:02x}.0"
        failed = nvml.nvmlDeviceGetHandleByPciBusId_v2(address.encode(), ctypes.byref(found))
    else:
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        word = str(index) if shown is None else shown.split(",")[index].strip()
        failed = not word.isdecimal() or nvml.nvmlDeviceGetHandleByIndex_v2(int(word), ctypes.byref(found))
    if failed:
        raise LookupError(index)
    return found
