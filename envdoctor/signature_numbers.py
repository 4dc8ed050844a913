"""What the numbers in an error text come to: how much too few, which share would fit. Pure.

Each maker takes the groups of a signature's pattern and gives further values for its texts, or None where the numbers say that
another signature is the right one.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
HELD_BY_OTHERS = 0.1
"""Other processes are the cause where they hold so much of the GPU, and more than is missing."""
LEAST_SHARE = 0.2
"""With less of a GPU no engine does anything: its weights alone want more."""
_OTHERS = re.compile(r"Process \d{1,10} has ([0-9.]{1,10} (?:[KMGT]iB|bytes)) memory in use")
_OWN = re.compile(r"this process has ([0-9.]{1,10} (?:[KMGT]iB|bytes)) memory in use")
_ALLOCATED = re.compile(r"allocated memory ([0-9.]{1,10} (?:[KMGT]iB|bytes)) is allocated by PyTorch")
_UNUSED = re.compile(r"and ([0-9.]{1,10} (?:[KMGT]iB|bytes)) is reserved by PyTorch but unallocated")


class Maker(NamedTuple):
    """Makes values of a match."""

    make: Callable[[Mapping[str, str]], dict[str, str] | None]
    gives: frozenset[str]


def size(count: float) -> str:
    """Bytes in the unit that suits them: 1.5 GiB."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count >= UNITS[unit]:
            return f"{count / UNITS[unit]:.1f} {unit}"
    return f"{count:.0f} bytes"


def bytes_of(text: str) -> float | None:
    """Bytes of "1.95 GiB"; None for what is no size."""
    number, _, unit = text.partition(" ")
    try:
        return float(number) * UNITS[unit]
    except (ValueError, KeyError):
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _utilization(groups: Mapping[str, str]) -> dict[str, str] | None:
    """The largest gpu_memory_utilization that fits into what is free, rounded down to hundredths, and what others hold (GiB)."""
    free, total = _number(groups["free"]), _number(groups["total"])
    if free is None or not total or _taken(groups) is not None:
        return None
    return {"fits": f"{math.floor(free / total * 100) / 100:.2f}", "held": f"{total - free:.2f}"}


def _taken(groups: Mapping[str, str]) -> dict[str, str] | None:
    """What others hold (GiB), where too little is left for any engine."""
    free, total = _number(groups["free"]), _number(groups["total"])
    if free is None or not total or free / total >= LEAST_SHARE:
        return None
    return {"held": f"{total - free:.2f}"}


def _cache(groups: Mapping[str, str]) -> dict[str, str] | None:
    """The longest request that fits into the KV cache: memory grows with the length."""
    needed, available, length = _number(groups["needed"]), _number(groups["available"]), _number(groups["length"])
    if not needed or available is None or length is None:
        return None
    return {"fits": f"{math.floor(length * available / needed):d}"}


class _Full(NamedTuple):
    """A full GPU, in bytes."""

    short: float
    others: float
    own: float | None
    unused: float | None
    total: float


def _full(groups: Mapping[str, str]) -> _Full | None:
    wanted, free, total = (bytes_of(groups[name]) for name in ("wanted", "free", "total"))
    if wanted is None or free is None or not total:
        return None
    rest = groups.get("rest", "")
    sizes = [bytes_of(found) or 0.0 for found in _OTHERS.findall(rest)]
    own, allocated, unused = (_size(pattern, rest) for pattern in (_OWN, _ALLOCATED, _UNUSED))
    if own is None and allocated is not None:
        # in a container NVML gives the host's process numbers, so torch does not know itself among them: it is the
        # smallest that has room for what torch says it holds
        own = min((size for size in sizes if size >= allocated + (unused or 0.0)), default=None)
        if own is not None:
            sizes.remove(own)
    return _Full(short=max(0.0, wanted - free), others=sum(sizes), own=own, unused=unused, total=total)


def _size(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return None if match is None else bytes_of(match.group(1))


def _said(full: _Full) -> dict[str, str]:
    values = {"short": size(full.short), "others": size(full.others)}
    if full.own is not None:
        values["own"] = size(full.own)
    if full.unused is not None:
        values["unused"] = size(full.unused)
    return values


def _others_are_to_blame(full: _Full) -> bool:
    return full.others >= max(full.short, HELD_BY_OTHERS * full.total)


def _pieces_are_to_blame(full: _Full) -> bool:
    return full.unused is not None and full.short > 0 and full.unused >= full.short


def _oom_others(groups: Mapping[str, str]) -> dict[str, str] | None:
    full = _full(groups)
    return _said(full) if full is not None and _others_are_to_blame(full) else None


def _oom_fragmented(groups: Mapping[str, str]) -> dict[str, str] | None:
    full = _full(groups)
    return _said(full) if full is not None and not _others_are_to_blame(full) and _pieces_are_to_blame(full) else None


def _oom(groups: Mapping[str, str]) -> dict[str, str] | None:
    full = _full(groups)
    return _said(full) if full is not None and not _others_are_to_blame(full) and not _pieces_are_to_blame(full) else None


def _oom_old(groups: Mapping[str, str]) -> dict[str, str] | None:
    full = _full(groups)
    return None if full is None else {"short": size(full.short)}


def _driver(groups: Mapping[str, str]) -> dict[str, str] | None:
    """12020 is CUDA 12.2, as cuDriverGetVersion counts."""
    found = int(groups["found"])
    return {"cuda": f"{found // 1000}.{found % 1000 // 10}"}


def _bytes(groups: Mapping[str, str]) -> dict[str, str] | None:
    return {"size": size(int(groups["size"]))}


def _seconds(groups: Mapping[str, str]) -> dict[str, str] | None:
    return {"seconds": f"{int(groups['ms']) / 1000:.0f}"}


DERIVED: Mapping[str, Maker] = {
    "utilization": Maker(_utilization, frozenset({"fits", "held"})),
    "utilization_taken": Maker(_taken, frozenset({"held"})),
    "cache": Maker(_cache, frozenset({"fits"})),
    "oom": Maker(_oom, frozenset({"short", "others", "own", "unused"})),
    "oom_others": Maker(_oom_others, frozenset({"short", "others", "own", "unused"})),
    "oom_fragmented": Maker(_oom_fragmented, frozenset({"short", "others", "own", "unused"})),
    "oom_old": Maker(_oom_old, frozenset({"short"})),
    "driver": Maker(_driver, frozenset({"cuda"})),
    "bytes": Maker(_bytes, frozenset({"size"})),
    "seconds": Maker(_seconds, frozenset({"seconds"})),
}
