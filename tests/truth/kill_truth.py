"""``python -m tests.truth.kill_truth [--points N] [--seed N] [--real FOLDER] [--page PAGE]``: repairs killed in each of their phases."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from envdoctor.applying.installed import installed
from envdoctor.resolver import Question, resolve
from tests.applying import wheels, world
from tests.applying.conftest import settings
from tests.applying.killing import PHASES, Ground, Tried, attempt, ground, points, right
from tests.harvest.server import Index

if TYPE_CHECKING:
    from collections.abc import Iterable

REAL: tuple[str, ...] = (
    "transformers==4.56.0",
    "datasets==4.0.0",
    "numpy==2.2.6",
    "pandas==2.3.1",
    "accelerate",
    "peft",
    "scikit-learn",
    "matplotlib",
    "sentencepiece",
    "pip",
    "setuptools",
)
BIG = "torch==2.13.0"
MOVES = {"transformers": "4.57.1", "numpy": "2.3.2"}
REAL_UV_S = 0.8


class Ran(NamedTuple):
    """One environment, and all tries on it."""

    title: str
    where: Ground
    tried: list[Tried]


def small(folder: Path, count: int, seed: int) -> Ran:
    """The environment of tiny wheels that the tests have too."""
    index = Index()
    wheels.stock(index)
    index.thread.start()
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            settings(monkeypatch, folder)
            world.build(folder / "env", index.url)
            world.again(folder / "env", folder / "saved")
            where = ground(folder / "env", folder / "saved", index.url, folder / "plan.json")
            return Ran("Tiny wheels", where, tries(where, points(where.steps, count, seed)))
    finally:
        index.close()


def real(folder: Path, count: int, seed: int) -> Ran:
    """An environment of some 55 real distributions, torch among them; built where it is not there yet."""
    saved, prefix = folder / "saved", folder / "env"
    if not saved.exists():
        world.uv("venv", "--no-project", "--python", "3.12", str(prefix))
        none = folder / "none.txt"
        none.write_text("torch; python_version < '3'\n")
        python = ("--python", str(prefix / "bin/python"))
        world.uv("pip", "install", *python, "--overrides", str(none), *REAL)
        world.uv("pip", "install", *python, "--no-deps", BIG)
        world.again(prefix, saved)
    there = {one.name: one.version for one in installed(str(saved))}
    pins = resolve(
        Question(requirements=tuple(f"{name}=={to}" for name, to in MOVES.items()), python="3.12", with_dependencies=False)
    )
    hashes = {one.name: " ".join(file.sha256 or "" for file in one.files if file.is_wheel) for one in pins}
    moves = {name: (there[name], to) for name, to in MOVES.items()}
    where = ground(prefix, saved, None, folder / "plan.json", {"moves": moves, "hashes": hashes})
    return Ran(f"{len(there)} real distributions", where, tries(where, points(where.steps, count, seed, REAL_UV_S)))


def tries(where: Ground, chosen: Iterable[Any]) -> list[Tried]:
    """All of them, one after another."""
    found = []
    for point in chosen:
        found.append(attempt(where, point))
        sys.stderr.write(f"{point} -> {found[-1].state}, {found[-1].seconds:.1f} s\n")
    return found


def table(ran: Ran) -> str:
    """What came of it, by phase."""
    lines = [
        f"## {ran.title}",
        "",
        described(ran),
        "",
        "| killed in phase | tries | while uv worked (too late) | undone, and the undo killed too | resumed, and the resume killed too | right | wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    for phase in PHASES:
        those = [one for one in ran.tried if one.point.phase == phase]
        if those:
            count: Counter[tuple[str, bool]] = Counter((one.point.then, one.second_killed) for one in those)
            shown = [f"{count['undo', False] + count['undo', True]}, {count['undo', True]}"]
            shown.append(f"{count['resume', False] + count['resume', True]}, {count['resume', True]}")
            good = sum(right(one) and one.fair for one in those)
            in_uv = f"{sum('+' in one.point.death for one in those)} ({sum(not one.killed for one in those)})"
            lines.append(f"| {phase} | {len(those)} | {in_uv} | {shown[0]} | {shown[1]} | {good} | {len(those) - good} |")
    good = sum(right(one) and one.fair for one in ran.tried)
    lasts = sorted(one.last_s for one in ran.tried if one.last_s is not None)
    took = f"The undo or resume took {lasts[len(lasts) // 2]:.2f} s (median), {lasts[-1]:.2f} s at most."
    lines += ["", f"Right: {good} of {len(ran.tried)}. {took}", ""]
    return "\n".join(lines)


def described(ran: Ran) -> str:
    """The environment and an undisturbed repair in numbers."""
    said, files = ran.where.said, [one for one in ran.where.before.values() if one.kind == "file"]
    size = sum((ran.where.saved / path).stat().st_size for path, one in ran.where.before.items() if one.kind == "file")
    seconds = ", ".join(f"{name} {took:.2f} s" for name, took in said["seconds"].items())
    return (
        f"{len(files)} files, {size / 1e6:.1f} MB. Undisturbed: {len(ran.where.steps)} steps; {seconds};"
        f" {said['copied_bytes'] / 1e6:.2f} MB really copied by the snapshot, which holds {said['held_bytes'] / 1e6:.1f} MB afterwards."
    )


HEAD = """# kill -9 in every phase of a repair

Generated by `make kill` (`tests/truth/kill_truth.py`) on {today}, seed {seed}. A repair (`envdoctor.applying.repairs.apply`) runs in a process of its own
and is killed by SIGKILL before one of its steps (a step is anything by which it changes the file system, or the start of uv), or some
milliseconds after it started uv (too late: all was done by then), at points drawn at random, as many in each phase of its journal. Then `undo` or `resume` runs,
which in two of five tries is killed at a random step as well and run again. Last, every entry of the environment is compared.

*Right*: after `undo` everything is as it was, byte for byte: contents, modes, links, and the times of files, folders and links. After `resume` it is what
an undisturbed repair makes of it (times apart). What was killed before its journal was written had not begun: there `resume` has nothing to resume and
the environment must be as it was.

"""


def main(words: list[str] | None = None) -> int:
    """0 when all were right."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=350)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", help="build an environment of real distributions here as well, and kill repairs of it")
    parser.add_argument("--real-points", type=int, default=14)
    parser.add_argument("--page", help="write the page here")
    told = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="envdoctor-kill-") as folder:
        ran = [small(Path(folder), told.points, told.seed)]
        if told.real:
            os.makedirs(told.real, exist_ok=True)
            ran.append(real(Path(told.real), told.real_points, told.seed))
        today = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
        text = HEAD.format(today=today, seed=told.seed) + "\n".join(map(table, ran))
    if told.page:
        Path(told.page).write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    wrong = [one for each in ran for one in each.tried if not (right(one) and one.fair)]
    for one in wrong:
        sys.stdout.write(f"{json.dumps(one, default=str)}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
