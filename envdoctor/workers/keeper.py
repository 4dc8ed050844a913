"""The process between the doctor and a worker: whatever happens to the doctor, nothing of the worker is left behind.

Started by ``running.py`` with our own Python and ``-I -S``: standard library only. It adopts orphans of the worker (a process
with a session of its own cannot slip away), holds the doctor's life-line on standard input, and when that ends, or the worker
does, it kills every descendant, removes the scratch folder and reports how the worker ended: ``exit 0`` or ``signal 9``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY_S = 0.02
PATIENCE_S = 10.0
"""How long descendants may take to die after SIGKILL; one that the kernel holds (a sick GPU) is left to it."""


def main() -> None:
    """Keep one worker; argv[1] is a JSON object: argv, folder, scratch, events and report (file descriptors; -1: none)."""
    request = json.loads(sys.argv[1])
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # the life-line alone decides
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        told = keep(request)
    finally:
        end_all()
        shutil.rmtree(request["scratch"], ignore_errors=True)
    with contextlib.suppress(OSError):
        os.write(request["report"], told.encode())


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; where there is none, the worker is only as safe as its process group."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def keep(request: dict[str, object]) -> str:
    """Start the worker and wait for its end or that of the life-line; says how it ended."""
    argv, events = request["argv"], request["events"]
    assert isinstance(argv, list)  # noqa: S101 - our own doctor wrote it
    assert isinstance(events, int)  # noqa: S101
    try:
        child = subprocess.Popen(  # noqa: S603 - the target's interpreter, as the user asked
            argv,
            cwd=str(request["folder"]),
            stdin=subprocess.DEVNULL,
            pass_fds=[events] if events >= 0 else [],
            start_new_session=True,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - this process has one thread
        )
    except OSError as error:
        return f"cannot start {error.strerror}"
    if events >= 0:
        os.close(events)
    while True:
        ready, _, _ = select.select([0], [], [], LOOK_EVERY_S)
        if ready and not os.read(0, 4096):
            return "ended"
        status = child.poll()
        if status is not None:
            return f"exit {status}" if status >= 0 else f"signal {-status}"


def end_all() -> None:
    """Kill and reap every descendant, those included that appear meanwhile."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = descendants(os.getpid())
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not found:
            return
        time.sleep(LOOK_EVERY_S)


def descendants(root: int) -> list[int]:
    """All living processes below one, from /proc."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{entry}/stat", "rb") as file:
                    # the name stands in parentheses and may hold anything
                    words = file.read().rpartition(b")")[2].split()
                if words[0] != b"Z":
                    parents[int(entry)] = int(words[1])
    found: list[int] = []
    for pid in parents:
        above = pid
        while above in parents and above != root:
            above = parents[above]
        if above == root and pid != root:
            found.append(pid)
    return found


if __name__ == "__main__":
    main()
