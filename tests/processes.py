"""Whether processes that tests started run still."""

from __future__ import annotations

import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs still; one that only waits to be reaped does not."""
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def gone(pids: list[int], within_s: float = 30.0) -> bool:
    """Whether all of them have ended, or end within that time: SIGKILL is sent, not served, when kill(2) returns."""
    until = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))
