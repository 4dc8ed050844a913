"""Memory of a device: a pattern through 90 % of what is free, and copies that are timed and compared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, List, Tuple

from .battery import Measured, Skip

if TYPE_CHECKING:
    from .battery import Bench

SHARE = 0.9
"""Of the free memory; what is left is for kernels and the allocator's rounding."""
CPU_BYTES = 256 * 1024 * 1024
CHUNK = 1024 * 1024 * 1024
"""Bytes of one allocation: a single one of 90 % can fail where memory is in pieces, and that is no fault."""
LEAST = 16 * 1024 * 1024
"""Bytes below which nothing can be tried."""
PIECES = 8
"""At least so many allocations, so that one piece beside them is enough to compare with."""
GOLDEN = -1640531527
"""2^32 over the golden ratio, as an int32: the multiples of it spread over all words."""
GIB = float(1024**3)
COPY_BYTES = 256 * 1024 * 1024
REPEATS = 4


def allocation(bench: Bench) -> Measured:
    """Write a pattern that differs at every word and in every chunk, then read all of it back; nothing of it is kept."""
    torch = bench.torch
    free = torch.cuda.mem_get_info(bench.device)[0] if bench.on_gpu else CPU_BYTES
    wanted = int(free * SHARE) if bench.on_gpu else CPU_BYTES
    if wanted < LEAST:
        raise RuntimeError(f"only {free / GIB:.3f} GiB are free: other processes hold the memory, and nvidia-smi lists them")
    chunks: List[Any] = []
    try:
        words, bad = written_and_read(bench, wanted, chunks)
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        room = f"{size_of(chunks) / GIB:.2f} of {wanted / GIB:.2f} GiB, with {free / GIB:.2f} GiB free by the driver's word"
        raise RuntimeError(f"out of memory after {room}") from None
    else:
        size, pieces = size_of(chunks) / GIB, len(chunks)
    finally:
        chunks.clear()
        if bench.on_gpu:
            torch.cuda.empty_cache()
    whole = f"90 % of the {free / GIB:.2f} GiB that were free" if bench.on_gpu else "a fixed size"
    if bad:
        where = f"{len(bad)} of {pieces} pieces of {words * 4 / GIB:.2f} GiB"
        return Measured(f"the pattern read back differs in {where}: {bad[:8]}", size, None, "GiB", wrong=True)
    return Measured(f"a pattern written to {pieces} pieces and read back whole: {whole}", size, None, "GiB")


def size_of(chunks: List[Any]) -> int:
    """Bytes of tensors of int32."""
    return sum(chunk.numel() * 4 for chunk in chunks)


def written_and_read(bench: Bench, wanted: int, chunks: List[Any]) -> Tuple[int, List[int]]:
    """(words a piece, numbers of the pieces that read back wrongly, from 1).

    Args:
        bench: the device.
        wanted: bytes, of which the first piece is what the others are compared with.
        chunks: takes the pieces.
    """
    torch = bench.torch
    words = min(CHUNK, wanted // PIECES) // 4
    ramp = torch.arange(words, dtype=torch.int32, device=bench.device).mul_(GOLDEN)
    chunks.append(ramp)
    left = wanted // 4 - words
    while left > 0:
        chunk = torch.empty(min(words, left), dtype=torch.int32, device=bench.device)
        torch.bitwise_xor(ramp[: chunk.numel()], len(chunks), out=chunk)
        chunks.append(chunk)
        left -= chunk.numel()
    bench.wait()
    bad = [number + 1 for number, chunk in enumerate(chunks) if number and not reads_back(torch, chunk, ramp, number)]
    # what the others are compared with, against the same numbers made again in the place of the second
    again = torch.arange(words, dtype=torch.int32, out=chunks[1]).mul_(GOLDEN)
    return words, bad if torch.equal(again, ramp) else [1, *bad]


def reads_back(torch: Any, chunk: Any, ramp: Any, number: int) -> bool:  # noqa: ANN401 - torch
    """Whether a chunk holds its pattern; undone in place, since nothing is left to compare in."""
    chunk.bitwise_xor_(number)
    return bool(torch.equal(chunk, ramp[: chunk.numel()]))


def timed(bench: Bench, copy: Callable[[], Any]) -> float:
    """Seconds of one copy: the best of some, after one that is not counted."""
    best = float("inf")
    for turn in range(REPEATS + 1):
        bench.wait()
        began = time.perf_counter()
        copy()
        bench.wait()
        if turn:
            best = min(best, time.perf_counter() - began)
    return best


def pattern(bench: Bench) -> Any:  # noqa: ANN401 - a tensor
    """256 MiB on the host in which no two neighbouring words are alike."""
    return bench.torch.arange(COPY_BYTES // 4, dtype=bench.torch.int32)


def to_device(bench: Bench) -> Measured:
    """From pinned memory of the host."""
    if not bench.on_gpu:
        raise Skip("a CPU has no memory of its own to copy to")
    host = pattern(bench).pin_memory()
    there = bench.torch.empty_like(host, device=bench.device)
    seconds = timed(bench, lambda: there.copy_(host, non_blocking=True))
    return compared(bench, there.cpu(), host, seconds, COPY_BYTES)


def to_host(bench: Bench) -> Measured:
    """Into pinned memory of the host."""
    if not bench.on_gpu:
        raise Skip("a CPU has no memory of its own to copy from")
    there = pattern(bench).to(bench.device)
    host = bench.torch.empty(COPY_BYTES // 4, dtype=bench.torch.int32).pin_memory()
    seconds = timed(bench, lambda: host.copy_(there, non_blocking=True))
    return compared(bench, host, pattern(bench), seconds, COPY_BYTES)


def within(bench: Bench) -> Measured:
    """Inside the device's own memory; every byte is read once and written once."""
    here = pattern(bench).to(bench.device)
    there = bench.torch.empty_like(here)
    seconds = timed(bench, lambda: there.copy_(here))
    return compared(bench, there.cpu(), pattern(bench), seconds, 2 * COPY_BYTES)


def compared(bench: Bench, got: Any, wanted: Any, seconds: float, size: int) -> Measured:  # noqa: ANN401 - tensors
    """The rate, if what arrived is what was sent."""
    right = bool(bench.torch.equal(got, wanted))
    says = "the copy equals the source" if right else "the copy differs from the source"
    return Measured(f"{says}; best of {REPEATS}", size / seconds / 1e9, None, "GB/s", wrong=not right)
