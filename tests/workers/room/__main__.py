"""See the package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

FOREVER_S = 600


def main(words: tuple[str, ...], descriptor: int, scratch: str) -> None:  # noqa: C901 - one branch a word
    """Do what the first word says."""

    def tell(event: str, **values: object) -> None:
        os.write(descriptor, (json.dumps({"event": event, **values}) + "\n").encode())

    what = words[0]
    tell("phase", name=f"phase {what}")
    if what == "greet":
        sys.stdout.write(f"hello from {os.path.basename(os.getcwd())}\n")
        known = sorted(name for name in os.environ if name in {"HF_TOKEN", "SEEN"})
        tell("done", words=words[1:], known=known, scratch=os.path.isdir(scratch), path=[one for one in sys.path if not one])
    elif what == "raise":
        raise RuntimeError(words[1])
    elif what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "hang":
        tell("pid", pid=os.getpid())
        time.sleep(FOREVER_S)
    elif what == "flood":
        line = "x" * 1000
        for _ in range(2000):
            sys.stdout.write(line + "\n")
        sys.stdout.write("the last line\n")
    elif what == "garbage":
        os.write(descriptor, b"\xff\xfe no event\n[1, 2]\n" + b"[" * 100_000 + b"\n")
        tell("done")
    elif what == "endless line":
        try:
            while True:
                os.write(descriptor, b"x" * 65536)
        except OSError:
            time.sleep(FOREVER_S)
    elif what == "children":
        # one in a session of its own that ignores what can be ignored, and its child after it
        code = (
            "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            "signal.signal(signal.SIGHUP, signal.SIG_IGN); "
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
            "print(os.getpid(), child.pid, flush=True); time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            pids = [os.getpid(), *map(int, child.stdout.readline().split())]
            tell("pids", pids=pids)
            if words[1] == "exit":
                os._exit(0)
            time.sleep(FOREVER_S)
