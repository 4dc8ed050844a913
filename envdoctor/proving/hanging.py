"""What the output of a hung data-parallel run tells: NCCL's last words, and the ranks that fell silent. Pure."""

from __future__ import annotations

import re

MAX_LINES = 4
MAX_LINE = 4000
MAX_RANKS = 4096
_INIT = re.compile(r"\brank (\d{1,6}) nranks (\d{1,6})\b.{0,300} - Init (START|COMPLETE)")
_COMPLAINS = re.compile(r"\[[Rr]ank ?(\d{1,6})\] {0,2}Watchdog caught")


def nccl_lines(said: str) -> list[str]:
    """The last lines in which NCCL warns, else the last ones it printed; the newest last."""
    lines = [line.strip()[:MAX_LINE] for line in said.splitlines() if "NCCL" in line[:MAX_LINE]]
    warned = [line for line in lines if "NCCL WARN" in line]
    return (warned or lines)[-MAX_LINES:]


def silent_ranks(said: str) -> str | None:
    """Which ranks did not come along, as words; None where the output does not tell.

    With NCCL_DEBUG=INFO each rank prints a line when it begins to set NCCL up and one when it is ready; a rank whose watchdog
    complains of a timeout has waited for the ones that do not complain.
    """
    started: set[int] = set()
    ready: set[int] = set()
    complains: set[int] = set()
    count = 0
    for line in said.splitlines():
        found = _INIT.search(line[:MAX_LINE])
        if found is not None:
            rank, count = int(found.group(1)), min(MAX_RANKS, max(count, int(found.group(2))))
            (started if found.group(3) == "START" else ready).add(rank)
        late = _COMPLAINS.search(line[:MAX_LINE])
        if late is not None:
            complains.add(int(late.group(1)))
    if not count:
        return None
    every = set(range(count))
    if every - started - ready:
        return f"{_named(every - started - ready, count)} never began to set NCCL up"
    if every - ready:
        return f"{_named(every - ready, count)} never got ready in NCCL"
    if complains and every - complains:
        return f"the others waited for {_named(every - complains, count)}"
    return None


def _named(ranks: set[int], count: int) -> str:
    listed = sorted(ranks)
    shown = ", ".join(map(str, listed[:8])) + (", ..." if len(listed) > 8 else "")  # noqa: PLR2004 - enough to see the pattern
    return f"rank{'' if len(listed) == 1 else 's'} {shown} of {count}"
