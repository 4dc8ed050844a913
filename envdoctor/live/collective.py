"""An all-reduce over all devices, one process each under torch.distributed.run: right sums, and the bus bandwidth.

The bandwidth is told as nccl-tests tells it (doc/PERFORMANCE.md): bytes over seconds, times ``2 (n - 1) / n`` for n processes,
which makes it comparable with the speed of the links whatever n is.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import TYPE_CHECKING, Any

from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller

SMALL = 1024
BYTES = {"nccl": 256 * 1024 * 1024, "gloo": 4 * 1024 * 1024}
REPEATS = {"nccl": 10, "gloo": 3}
DEADLINE_S = 30
"""Of the process group. NCCL's start takes 1 to 5 s on eight GPUs; what takes longer hangs."""


def main(teller: Teller, backend: str) -> None:
    """Reduce; rank 0 tells how it went, and which rank did not come where one is missing.

    Args:
        teller: told by rank 0 alone.
        backend: nccl, or gloo for CPUs.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if rank == 0:
        teller.tell("phase", name="import torch")
    import torch
    import torch.distributed as dist

    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if backend == "nccl" else "cpu"
    if backend == "nccl":
        torch.cuda.set_device(device)
    if rank == 0:
        teller.tell("phase", name=f"{backend}: {world} processes meet")
    try:
        dist.init_process_group(backend, timeout=dt.timedelta(seconds=DEADLINE_S))
        missing = absent(dist, rank, world)
        if missing:
            raise RuntimeError(f"rank {', '.join(map(str, missing))} did not come within {DEADLINE_S} s")  # noqa: TRY301
        if rank == 0:
            teller.tell("phase", name=f"{backend}: all-reduce")
        state, rate, says = reduced(torch, dist, device, backend)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the result
        state, rate, says = "failed", None, one_line(error)
    if rank == 0:
        teller.tell("collective", backend=backend, devices=world, state=state, bus_gb_per_s=rate, says=says)
        teller.tell("done")
    if state == "failed":
        os._exit(1)  # an aborted group may hang in its own end
    dist.destroy_process_group()


def absent(dist: Any, rank: int, world: int) -> list[int]:  # noqa: ANN401 - torch.distributed
    """Ranks that did not come to the store in time; asked by rank 0, before a collective could hang on them."""
    store = dist.distributed_c10d._get_default_store()  # noqa: SLF001 - there is no public name for it
    store.set(f"envdoctor/{rank}", "here")
    if rank != 0:
        return []
    until, left = time.monotonic() + DEADLINE_S, set(range(world))
    while left and time.monotonic() < until:
        left = {one for one in left if not store.check([f"envdoctor/{one}"])}
        time.sleep(0.01 if left else 0)
    return sorted(left)


def reduced(torch: Any, dist: Any, device: str, backend: str) -> Any:  # noqa: ANN401
    """(state, bus bandwidth in GB/s, what was compared)."""
    rank, world = dist.get_rank(), dist.get_world_size()
    ramp = torch.arange(SMALL, dtype=torch.float64, device=device)
    sums = ramp * (rank + 1)
    dist.all_reduce(sums)
    wanted = ramp * (world * (world + 1) // 2)  # whole numbers below 2^53: exact
    wrong = torch.tensor([0 if torch.equal(sums, wanted) else 1], dtype=torch.int64, device=device)
    marks = [torch.zeros_like(wrong) for _ in range(world)]
    dist.all_gather(marks, wrong)
    bad = [number for number, mark in enumerate(marks) if int(mark.item())]
    if bad:
        return "wrong", None, f"the sum over {world} processes is wrong on rank {', '.join(map(str, bad))}"
    big = torch.zeros(BYTES[backend] // 4, dtype=torch.float32, device=device)
    seconds = []
    for _ in range(REPEATS[backend]):
        dist.barrier()
        wait(torch, device)
        began = time.perf_counter()
        dist.all_reduce(big)
        wait(torch, device)
        seconds.append(time.perf_counter() - began)
    rate = BYTES[backend] / min(seconds) / 1e9 * 2 * (world - 1) / world
    return "passed", rate, f"sums over {world} processes are right; {BYTES[backend] // 1024 // 1024} MiB, best of {len(seconds)}"


def wait(torch: Any, device: str) -> None:  # noqa: ANN401
    """Until the device is done."""
    if device != "cpu":
        torch.cuda.synchronize(device)
