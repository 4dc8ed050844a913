"""Killing a repair at seeded points in each of its phases, and finishing or undoing it: the tries, and what is true after each."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.applying import world

if TYPE_CHECKING:
    from tests.applying.world import Seen

ROOT = Path(__file__).resolve().parents[2]
PHASES = ("before it began", "staging", "snapshotting", "ready", "changing", "changed", "checked", "done")
"""In the order in which the journal is written; a step belongs to the phase that was last written down."""


class Point(NamedTuple):
    """Where a repair is killed, and what is done then.

    ``again``: where that is killed too, from 0, its first step, to 1, as late as an apply has steps; half of them are early.
    """

    phase: str
    death: str
    then: str
    again: float | None


class Tried(NamedTuple):
    """What came of one."""

    point: Point
    killed: bool
    second_killed: bool
    state: str
    """"before", "repaired", or what is different."""
    seconds: float
    last_s: float | None
    """That the undo or resume took, by its own clock."""

    @property
    def fair(self) -> bool:
        """Whether it was killed; a timed death may come too late, when all is done."""
        return self.killed or "+" in self.point.death


class Ground(NamedTuple):
    """Where it is tried."""

    prefix: Path
    saved: Path
    before: dict[str, Seen]
    repaired: dict[str, Seen]
    """Times left out."""
    plan: Path
    steps: list[str]
    """Of a repair that nothing befalls."""
    said: dict[str, Any]
    """What it said."""

    def now(self) -> dict[str, Seen]:
        """What is there, but for our own folder."""
        return world.seen(self.prefix, leave_out=(".envdoctor",))


def drive(action: str, plan: Path, death: str | None = None) -> tuple[int, dict[str, Any]]:
    """One call in a process of its own; its exit status (-9: killed) and what it said."""
    words = (sys.executable, "-m", "tests.applying.driver", action, str(plan), *((death,) if death is not None else ()))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode in {0, 2, -signal.SIGKILL}, done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def ground(prefix: Path, saved: Path, url: str | None, plan: Path, asked: dict[str, Any] | None = None) -> Ground:
    """Make a repair once that nothing befalls, to know its steps and where it leads. ``asked``: moves and hashes of another one."""
    plan.write_text(json.dumps({"prefix": str(prefix), "url": url, **(asked or {})}))
    before = world.seen(saved, leave_out=(".envdoctor",))
    world.again(saved, prefix)
    status, said = drive("apply", plan)
    assert (status, said["outcome"]) == (0, "repaired"), said
    repaired = world.timeless(world.seen(prefix, leave_out=(".envdoctor",)))
    return Ground(prefix, saved, before, repaired, plan, said["steps"], said)


def points(steps: list[str], count: int, seed: int, uv_s: float = 0.06) -> list[Point]:
    """Seeded points, the same number in each phase; where uv works, half of them while it does (up to ``uv_s`` after its start)."""
    chance = random.Random(seed)  # noqa: S311 - a choice of tests
    bounds = [0, *(number + 1 for number, step in enumerate(steps) if step == "journal"), len(steps)]
    spans = {phase: range(first, last) for phase, first, last in zip(PHASES, bounds[:-1], bounds[1:], strict=True)}
    found = []
    named = [phase for phase in PHASES if spans[phase]]
    for number in range(count):
        phase = named[number % len(named)]
        span = spans[phase]
        # while uv works: it stages (downloads, unpacks), asks for the freeze, and uninstalls
        programs = [step for step in span if steps[step] == "subprocess.Popen"]
        if programs and chance.random() < 0.5:
            # an uninstall is over in a fraction of what a download takes
            longest = uv_s / 4 if phase == "changing" else uv_s
            death = f"{chance.choice(programs)}+{chance.uniform(0.001, longest):.4f}"
        else:
            death = str(chance.choice(span))
        again = chance.random() if chance.random() < 0.4 else None
        found.append(Point(phase, death, chance.choice(("undo", "resume")), again))
    return found


def attempt(where: Ground, point: Point) -> Tried:
    """Kill there, then finish or undo, and look at every byte."""
    began = time.monotonic()
    world.again(where.saved, where.prefix)
    status, _ = drive("apply", where.plan, point.death)
    second_killed = False
    status_then: int = -signal.SIGKILL
    said: dict[str, Any] = {}
    if point.again is not None:
        # how many steps it has depends on where the first was killed: from a handful to as many as an apply
        death = str(int(len(where.steps) ** point.again))
        status_then, said = drive(point.then, where.plan, death)
        second_killed = status_then == -signal.SIGKILL
    if status_then == -signal.SIGKILL:
        status_then, said = drive(point.then, where.plan)
    killed, last_s = status == -signal.SIGKILL, said.get("seconds", {}).get("all")
    return Tried(point, killed, second_killed, judged(where, said), time.monotonic() - began, last_s)


def judged(where: Ground, said: dict[str, Any]) -> str:
    """In which of the two states the environment is; anything between is told."""
    now = where.now()
    if now == where.before:
        return "before"
    if world.timeless(now) == where.repaired:
        return "repaired"
    nearer = where.repaired if said.get("outcome") == "repaired" else world.timeless(where.before)
    different = sorted(path for path in {*now, *nearer} if world.timeless(now).get(path) != nearer.get(path))
    return f"between: {len(different)} entries differ, {different[:4]}; it said {said}"


def right(tried: Tried) -> bool:
    """Whether the state is the one that was asked for.

    A repair that was killed before its journal was written had not begun: it cannot be resumed, and is as before. One that
    was done when it was killed, or whose undoing was killed at its very end, has nothing left to resume or undo.
    """
    if tried.point.then == "undo":
        return tried.state == "before"
    return tried.state == ("before" if tried.point.phase == PHASES[0] else "repaired")
