"""An all-reduce over all devices, one process each under torch.distributed.run: right sums, and the bus bandwidth.

The bandwidth is told as nccl-tests tells it (doc/PERFORMANCE.md): bytes over seconds, times ``2 (n - 1) / n`` for n processes,
which makes it comparable with the speed of the links whatever n is.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Dict

from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller

SMALL = 1024
BYTES = {"nccl": 256 * 1024 * 1024, "gloo": 4 * 1024 * 1024}
REPEATS = {"nccl": 10, "gloo": 3}
STEPS = ("import torch", "meet the others", "the sum", "the speed", "the end")
"""What every rank does, in this order."""
MOST = 900
"""Characters of an error: NCCL's own words are the last of it."""
GRACE_S = 30.0
"""Longer than our own watch: what a group says after its own time is over is less than we know."""


class Places:
    """Where each rank is, in a file of its own: all are on one machine, and whatever carries numbers may be what hangs."""

    def __init__(self, folder: str, rank: int, world: int, teller: Teller) -> None:
        self.folder, self.rank, self.world, self.teller = folder, rank, world, teller

    def at(self, step: str) -> None:
        """Say that this rank begins a step; rank 0 tells the doctor too."""
        path = os.path.join(self.folder, f"rank-{self.rank}")
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(step)
        os.replace(f"{path}.new", path)
        if self.rank == 0:
            self.teller.tell("phase", name=f"all-reduce, {self.world} processes: {step}")

    def found(self) -> Dict[int, str]:
        """Rank -> the step in which it is; "its start" where it has not said anything."""
        steps = {}
        for rank in range(self.world):
            try:
                with open(os.path.join(self.folder, f"rank-{rank}"), encoding="ascii") as file:
                    steps[rank] = file.read()
            except OSError:
                steps[rank] = "its start"
        return steps

    def behind(self) -> str:
        """Who keeps the others waiting: "rank 3 is in 'import torch', the others in 'the sum'"."""
        steps = self.found()
        order = [STEPS.index(step) if step in STEPS else -1 for step in steps.values()]
        late = [rank for rank, place in zip(steps, order) if place == min(order)]
        here = steps[late[0]]
        if len(late) == self.world:
            return f"every rank is in '{here}'"
        further = steps[next(rank for rank in steps if rank not in late)]
        who = f"rank {late[0]} is" if len(late) == 1 else f"ranks {', '.join(map(str, late))} are"
        return f"{who} in '{here}', the others in '{further}'"


def watched(places: Places, backend: str, limit_s: float) -> threading.Timer:
    """Rank 0 tells who is behind when the time is over, and ends; torch.distributed.run then ends the others."""

    def late() -> None:
        says = f"not done in {limit_s:.0f} s: {places.behind()}"
        tell(places, backend, "late", None, says)
        os._exit(1)

    timer = threading.Timer(limit_s, late)
    timer.daemon = True
    timer.start()
    return timer


def tell(places: Places, backend: str, state: str, rate: Any, says: str) -> None:  # noqa: ANN401 - a number or None
    """The result, by rank 0 alone."""
    if places.rank == 0:
        places.teller.tell("collective", backend=backend, devices=places.world, state=state, bus_gb_per_s=rate, says=says)
        places.teller.tell("done")


def main(teller: Teller, backend: str, limit_s: float, folder: str) -> None:
    """Reduce; rank 0 tells how it went, and which rank keeps it waiting where it does not end.

    Args:
        teller: told by rank 0 alone.
        backend: nccl, or gloo for CPUs.
        limit_s: for everything, once torch is imported.
        folder: the same for all ranks.
    """
    places = Places(folder, int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")), teller)
    places.at(STEPS[0])
    import torch
    import torch.distributed as dist

    timer = watched(places, backend, limit_s) if places.rank == 0 else None
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if backend == "nccl" else "cpu"
    try:
        if backend == "nccl":
            torch.cuda.set_device(device)
        places.at(STEPS[1])
        dist.init_process_group(backend, timeout=dt.timedelta(seconds=limit_s + GRACE_S))
        state, rate, says = reduced(torch, dist, device, backend, places)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the result
        state, rate, says = "failed", None, f"rank {places.rank}: {one_line(error, MOST)}"
        sys.stderr.write(f"{says}\n")  # where another rank than the one that tells has the error
    if timer is not None:
        timer.cancel()
    tell(places, backend, state, rate, says)
    if state == "failed":
        os._exit(1)  # an aborted group may hang in its own end
    places.at(STEPS[-1])
    dist.destroy_process_group()


def reduced(torch: Any, dist: Any, device: str, backend: str, places: Places) -> Any:  # noqa: ANN401
    """(state, bus bandwidth in GB/s, what was compared)."""
    rank, world = places.rank, places.world
    places.at(STEPS[2])
    ramp = torch.arange(SMALL, dtype=torch.float64, device=device)
    sums = ramp * (rank + 1)
    dist.all_reduce(sums)
    wait(torch, device)
    wanted = ramp * (world * (world + 1) // 2)  # whole numbers below 2^53: exact
    wrong = torch.tensor([0 if torch.equal(sums, wanted) else 1], dtype=torch.int64, device=device)
    marks = [torch.zeros_like(wrong) for _ in range(world)]
    dist.all_gather(marks, wrong)
    bad = [number for number, mark in enumerate(marks) if int(mark.item())]
    if bad:
        return "wrong", None, f"the sum over {world} processes is wrong on rank {', '.join(map(str, bad))}"
    places.at(STEPS[3])
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
