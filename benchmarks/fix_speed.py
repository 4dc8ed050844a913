"""How long ``envdoctor fix`` takes to plan on an environment of 200 packages, beside what uv takes for the change by itself.

    python benchmarks/fix_speed.py [ENVIRONMENT ...] [--rounds 5]

Without ENVIRONMENT two are made of the metadata of real wheels, for the interpreter that runs this (half a minute and 2 MB each;
see metadata_environment.py), and deleted afterwards. Every command is run once first, so that uv's cache is warm. The peers know
neither the driver nor the rules: they are told the answer, and only resolve it. Exit status: 0 measured; 1 a command broke off.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from envdoctor.resolver import uv_program

sys.path.insert(0, str(Path(__file__).parent))
from metadata_environment import build

TARGET_S = 5.0
MACHINE = ("--suppose", "gpu=h100", "--suppose", "driver=535.161.08")
STORIES: dict[str, tuple[str, ...]] = {
    "newest TRL on driver 535": ("trl==1.16.0", "vllm==0.31.0"),
    "vllm 0.7.0 with transformers 5": ("vllm==0.7.0", "transformers>=5"),
}
Row = tuple[str, list[float]]


def fix(environment: Path) -> list[str]:
    """The command that is measured."""
    return [sys.executable, "-m", "envdoctor", "fix", str(environment), *MACHINE, "--format", "json"]


def timed(argv: list[str], *, finished: tuple[int, ...]) -> float:
    """Wall seconds of one run. Raises RuntimeError: it ended in another way."""
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    took = time.perf_counter() - started
    if done.returncode not in finished:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{' '.join(argv[:4])} ... ended with {done.returncode}: {lines[-1] if lines else ''}")
    return took


def peers(environment: Path, plan: dict[str, Any], folder: Path) -> dict[str, list[str]]:
    """The same change by uv: trying it on the environment, and resolving the whole environment with what moves pinned."""
    python = str(environment / "bin" / "python")
    heads = [f"{one['name']}=={one['after']}" for one in plan["moves"] if one["after"] is not None]
    freeze = subprocess.run(
        [uv_program(), "pip", "freeze", "--python", python], check=True, capture_output=True, text=True
    ).stdout.split()
    moved = {one["name"] for one in plan["moves"]}
    asked = folder / "asked.in"
    asked.write_text("\n".join([*(line for line in freeze if line.partition("==")[0] not in moved), *heads]) + "\n")
    dry = [uv_program(), "pip", "install", "--dry-run", "--quiet", "--python", python, *heads]
    compiled = [
        uv_program(),
        "pip",
        "compile",
        "--quiet",
        "--no-build",
        "--python",
        python,
        str(asked),
        "-o",
        str(folder / "out"),
    ]
    return {"uv pip install --dry-run (told the answer)": dry, "uv pip compile (told the answer)": compiled}


def measure(environment: Path, rounds: int) -> tuple[list[Row], dict[str, Any]]:
    """The commands in turn, round after round, after one run of each."""
    first = subprocess.run(fix(environment), capture_output=True, check=False, text=True)
    if first.returncode != 1:
        raise RuntimeError(f"envdoctor fix ended with {first.returncode}: {first.stderr.strip()}")
    plan: dict[str, Any] = json.loads(first.stdout)["plans"][0]
    with tempfile.TemporaryDirectory() as folder:
        commands = {"envdoctor fix": fix(environment), **peers(environment, plan, Path(folder))}
        rows: dict[str, list[float]] = {name: [] for name in commands}
        broken: dict[str, str] = {}
        for number in range(rounds + 1):
            for name, argv in commands.items():
                if name in broken:
                    continue
                try:
                    took = timed(argv, finished=(1,) if name == "envdoctor fix" else (0,))
                except RuntimeError as error:
                    broken[name] = str(error)
                    continue
                if number:
                    rows[name].append(took)
    for text in broken.values():
        print(f"note: {text}")
    return list(rows.items()), plan


def show(title: str, environment: Path, rows: list[Row], plan: dict[str, Any]) -> bool:
    """Print one table; gives whether the target is met."""
    count = sum(1 for _ in (environment / "lib").glob("python*/site-packages/*.dist-info"))
    cost = plan["cost"]
    print(f"\n### {title}: {count} distributions; {cost['changed']} change or go, {cost['added']} come\n")
    ours = statistics.median(rows[0][1])
    print("| command | median s | min s | max s | runs | x envdoctor |\n|---|---|---|---|---|---|")
    for name, seconds in rows:
        if seconds:
            middle = statistics.median(seconds)
            print(f"| {name} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} | {len(seconds)} | {middle / ours:.2f} |")
        else:
            print(f"| {name} | broke off | | | 0 | |")
    print(f"\ntarget: under {TARGET_S:g} s with a warm cache: {'met' if ours < TARGET_S else 'MISSED'} ({ours:.2f} s)")
    return ours < TARGET_S


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    words = parser.parse_args()
    day, load = dt.datetime.now(tz=dt.timezone.utc).date(), os.getloadavg()[0]
    print(f"{day}, {platform.system()} {platform.release()}, {os.cpu_count()} cores, load {load:.1f} at the start, ", end="")
    print(f"Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        made = {str(path): path for path in words.environments}
        if not made:
            for number, (title, requirements) in enumerate(STORIES.items()):
                made[title] = Path(folder) / str(number)
                build(made[title], sys.executable, requirements)
        try:
            for title, environment in made.items():
                show(title, environment, *measure(environment, words.rounds))
        except RuntimeError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
