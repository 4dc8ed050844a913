"""One call of apply, resume or undo in a process of its own, that can be made to die by SIGKILL at any of its steps.

``python -m tests.applying.driver ACTION PLAN.json [DEATH]``. Every event by which this process changes the world, or starts a program,
is a step. DEATH is a number N, and it dies before its Nth step, or N+SECONDS, and it dies that long after it. It prints how many steps
there were, and before which of them a phase began.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

from envdoctor.applying.repairs import apply, resume, undo
from envdoctor.errors import UserError
from tests.applying import world

STEPS = {
    "os.link",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.chmod",
    "os.utime",
    "os.chown",
    "fcntl.flock",
    "shutil.copyfile",
    "shutil.copystat",
    "subprocess.Popen",
}


class Death:
    """An audit hook: hooks see what is about to be done."""

    def __init__(self, when: str | None) -> None:
        number, _, later = (when or "").partition("+")
        self.at = int(number) if number else None
        self.later = float(later) if later else None
        self.steps: list[str] = []
        self.armed = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count, and die."""
        if not self.armed or not (event in STEPS or (event == "open" and self.writes(arguments))):
            return
        if len(self.steps) == self.at:
            if self.later is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                threading.Thread(target=self.die_later, daemon=True).start()
        journal = event == "os.rename" and os.fsdecode(arguments[1]).endswith("journal.json")
        self.steps.append("journal" if journal else event)

    @staticmethod
    def writes(arguments: tuple[Any, ...]) -> bool:
        """Whether a file is opened to be written to."""
        return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

    def die_later(self) -> None:
        """A moment from now."""
        time.sleep(self.later or 0)
        os.kill(os.getpid(), signal.SIGKILL)


class Interrupting:
    """An interrupt where Python prints and drops what its handler raises: in a hook of a fork, or in a destructor."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self) -> None:
        """Once."""
        if not self.came:
            self.came = True
            signal.raise_signal(signal.SIGINT)

    def __del__(self) -> None:
        self()


def recheck() -> tuple[str, ...]:
    """A judge that takes its time."""
    if os.environ.get("TEST_INTERRUPT_IN") == "destructor":
        Interrupting()
    time.sleep(float(os.environ.get("TEST_RECHECK_S", "0")))
    return ()


def main(action: str, plan: str, when: str | None = None) -> int:
    """Do it."""
    with open(plan, encoding="utf-8") as file:
        asked = json.load(file)
    death = Death(when)
    sys.addaudithook(death)
    prefix, python, index = asked["prefix"], os.path.join(asked["prefix"], "bin", "python"), world.index_of(asked["url"])
    moves = None if asked.get("moves") is None else {name: tuple(move) for name, move in asked["moves"].items()}
    repair = world.repair(moves, hashes=asked.get("hashes"))
    signal.signal(signal.SIGINT, lambda *_: None)  # one that comes when all is done ends nothing
    if os.environ.get("TEST_INTERRUPT_IN") == "fork":
        os.register_at_fork(before=Interrupting())
    death.armed = True
    try:
        if action == "apply":
            done = apply(python, prefix, repair, recheck, lambda _: None, index)
        elif action == "resume":
            done = resume(prefix, recheck, lambda _: None, index)
        else:
            done = undo(prefix, lambda _: None)
    except UserError as error:
        sys.stdout.write(json.dumps({"refused": error.what, "hint": error.hint, "steps": death.steps}) + "\n")
        return 2
    death.armed = False
    said: dict[str, Any] = {"outcome": done.outcome.value, "why": done.why, "lost": done.lost, "steps": death.steps}
    said |= {"seconds": done.seconds, "files": done.files, "copied_bytes": done.copied_bytes, "held_bytes": done.held_bytes}
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
