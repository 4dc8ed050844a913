"""Between GPUs: whether one may read another's memory, what joins them, and how fast a copy goes."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, Optional

from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller

BYTES = 256 * 1024 * 1024
REPEATS = 3
MOST = 56
"""Ordered pairs: all of 8 GPUs. Of more, the first GPU's copies to all others come first."""


def main(teller: Teller, count: int) -> None:
    """Tell every pair."""
    teller.tell("phase", name="import torch")
    import torch

    for first, second in list(itertools.permutations(range(count), 2))[:MOST]:
        teller.tell("phase", name=f"copy cuda:{first} to cuda:{second}")
        try:
            access: Optional[bool] = bool(torch.cuda.can_device_access_peer(first, second))
            rate: Optional[float] = None
            rate, says = copied(torch, first, second)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the result
            access, rate, says = None, None, one_line(error)
        teller.tell("pair", first=first, second=second, peer_access=access, link=link(first, second), gb_per_s=rate, says=says)
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
    if not bool(torch.equal(there.cpu(), source.cpu())):
        return None, "the copy differs from the source"
    return BYTES / best / 1e9, f"{BYTES // 1024 // 1024} MiB, the copy equals the source; best of {REPEATS}"


def link(first: int, second: int) -> Optional[str]:
    """Give "nvlink" or "pcie", as NVML says of the two; None where pynvml is not in the target or NVML does not say."""
    try:
        import pynvml  # type: ignore[import-untyped]

        pynvml.nvmlInit()
        try:
            one, other = handle(pynvml, first), handle(pynvml, second)
            status = pynvml.nvmlDeviceGetP2PStatus(one, other, pynvml.NVML_P2P_CAPS_INDEX_NVLINK)
            return "nvlink" if status == pynvml.NVML_P2P_STATUS_OK else "pcie"
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # noqa: BLE001 - not there, too old, or not allowed: nobody knows then
        return None


def handle(pynvml: Any, index: int) -> Any:  # noqa: ANN401
    """NVML's handle of the GPU that CUDA counts as ``index``: by its bus address, since the two may count differently."""
    import torch

    told = torch.cuda.get_device_properties(index)
    if not hasattr(told, "pci_bus_id"):
        return pynvml.nvmlDeviceGetHandleByIndex(index)
    address = f"{getattr(told, 'pci_domain_id', 0):08x}:{told.pci_bus_id:02x}:{told.pci_device_id:02x}.0"
    return pynvml.nvmlDeviceGetHandleByPciBusId(address.encode())
