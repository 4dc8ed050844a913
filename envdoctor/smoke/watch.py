"""Which rank is missing: each writes down what it does, and a rank that waits too long reads it and ends the run.

A collective in which one rank does not take part waits for ever in the others. NCCL and gloo have deadlines of their own, but
they say only that time was up, some states have none (the first connection, a kernel that spins on the GPU), and they end in
the rank that is least to blame. So every rank keeps a small file in the run's folder (``rank-1.json``: what it does, and how many
collectives it has come through), and a thread in every rank looks five times a second: it has waited too long itself, or another
rank has left ``lost.json``. Rank 0, the only one that can tell events, tells which rank did not come and what it was doing; then
all leave. What NCCL warned of goes with it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

if TYPE_CHECKING:
    from .telling import Teller

LOST = "lost.json"
LOOK_S = 0.2
RANK_0_TELLS_S = 3.0
"""The other ranks leave so much later: when the first one leaves, torch.distributed.run ends them all."""
EXCERPT_LINES = 20


class Watch:
    """What this rank does, written down; and a thread that ends the run when a rank does not come."""

    def __init__(self, folder: str, rank: int, size: int, teller: Teller, limit_s: float) -> None:
        self.folder = folder
        self.rank = rank
        self.size = size
        self.teller = teller
        self.limit_s = limit_s
        self.doing = "start"
        self.passed = 0
        self.waiting: Optional[str] = None
        self.since = time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, name="envdoctor-watch", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._write()
        self.thread.start()

    def stop(self) -> None:
        """Look no more."""
        self.over.set()
        self.thread.join()
        self.doing = "done"
        self._write()

    def at(self, what: str) -> None:
        """Say what this rank does now."""
        self.doing = what
        self._write()

    @contextmanager
    def collective(self, name: str) -> Iterator[None]:
        """Around one collective: its deadline runs while this is open."""
        self.since = time.monotonic()
        self.waiting = name
        self._write()
        try:
            yield
        except RuntimeError as error:
            # the backend's own deadline, or a peer that is gone: say who, not only that
            self.lose(self.missing((str(error).splitlines() or ["it failed"])[0]))
            self.thread.join()  # it ends the process
            raise
        finally:
            self.waiting = None
        self.passed += 1

    def lose(self, lost: Dict[str, Any]) -> None:
        """Leave the reason for all ranks; the first one stays."""
        place = os.path.join(self.folder, LOST)
        draft = f"{place}.{self.rank}"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(lost, file)
        with suppress(FileExistsError):
            os.link(draft, place)
        os.unlink(draft)

    def failed(self, error: BaseException) -> None:
        """This rank ends by an error: rank 0 tells it in its place."""
        trace = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
        self.lose(
            {
                "type": type(error).__name__,
                "message": f"rank {self.rank} of {self.size}, in {self.doing}: {error}",
                "phase": self.doing,
                "trace": trace,
            }
        )

    def missing(self, how: str) -> Dict[str, Any]:
        """Who did not come to the collective this rank is in, by what each has written down."""
        now = time.time()
        late: List[str] = []
        phase = self.doing
        for rank in range(self.size):
            other = self._read(rank)
            if other is None:
                late.append(f"rank {rank} has not come as far as joining")
            elif rank != self.rank and (other["passed"] < self.passed or other["waiting"] is None):
                late.append(f"rank {rank} is in '{other['doing']}' and was last heard of {now - other['time']:.0f} s ago")
                phase = other["doing"]
        name = self.waiting or "a collective"
        if late:
            what = f"{'; '.join(late)}. Rank {self.rank} waits for it in '{name}' ({how})."
        else:
            what = (
                f"All {self.size} ranks came to '{name}' and none got through ({how}): the connection between them does not work."
            )
        return {"type": "RankLostError", "message": what, "phase": phase, "trace": self.warnings()}

    def warnings(self) -> List[str]:
        """The last lines that NCCL wrote into the run's folder, without the host's name that each begins with."""
        lines: List[str] = []
        for name in sorted(os.listdir(self.folder)):
            if name.startswith("nccl-"):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                    lines += [without_host(line.rstrip()) for line in file if "WARN" in line]
        return lines[-EXCERPT_LINES:]

    def _look(self) -> None:
        place = os.path.join(self.folder, LOST)
        while not self.over.wait(LOOK_S):
            waiting = self.waiting
            if waiting is not None and time.monotonic() - self.since > self.limit_s:
                self.lose(self.missing(f"more than {self.limit_s:.0f} s"))
            if os.path.exists(place) and not self.over.is_set():
                with open(place, encoding="utf-8") as file:
                    self._leave(json.load(file))

    def _leave(self, lost: Dict[str, Any]) -> None:
        """End this rank, whatever its other threads wait for."""
        sys.stderr.write(f"envdoctor: {lost['type']}: {lost['message']}\n")
        sys.stderr.flush()
        if self.rank == 0:
            self.teller.tell("failed", **lost)
        else:
            time.sleep(RANK_0_TELLS_S)
        os._exit(1)

    def _write(self) -> None:
        place = os.path.join(self.folder, f"rank-{self.rank}.json")
        state = {"doing": self.doing, "waiting": self.waiting, "passed": self.passed, "time": time.time()}
        with open(f"{place}.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(f"{place}.new", place)

    def _read(self, rank: int) -> Optional[Dict[str, Any]]:
        try:
            with open(os.path.join(self.folder, f"rank-{rank}.json"), encoding="utf-8") as file:
                state: Dict[str, Any] = json.load(file)
                return state
        except (OSError, ValueError):
            return None


def without_host(line: str) -> str:
    """A line of NCCL ("node-01:4711:4711 [0] NCCL WARN ...", perhaps after a time in brackets) without the machine's name."""
    line = re.sub(r"^(\[[^\]]*\] )?\S+?:(\d+):\d+ ", r"\1pid \2 ", line)
    return line.replace(socket.gethostname(), "this machine")
