"""How long a static preflight takes beside the gate that people write by hand, and what each tier of a whole one takes.

    python benchmarks/preflight_speed.py ENVIRONMENT [--rounds 5]

ENVIRONMENT has torch, TRL and vLLM and lacks torchvision, torchaudio and torchcodec (`make smoke-vllm` makes one,
.venv-vllm-0.32.0); their absence is waived, as a project that needs none of them would. The lock is a list of the installed
versions. The peer is `pip check`, then one import of torch, vllm and trl: it knows neither a lock nor a GPU nor a Dockerfile.
Rows run in turn, round after round; times are wall seconds of the whole command. The whole preflight, with the smoke, runs once.

Exit status: 0 measured; 1 a command did not do its work.
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

TARGET_S = 3.0
WAIVED = "Nothing here needs pictures or sound."
CONFIG = f'[[ignore]]\ncode = "ED203"\nreason = "{WAIVED}"\n'
DOCKERFILE = f"FROM python:3.11-slim@sha256:{'0' * 64}\nCOPY lock.txt /lock/\nRUN pip install -r /lock/lock.txt\n"
STATIC, BY_HAND, WITH_SMOKE = "envdoctor preflight --static --lock", "pip check, then import torch, vllm, trl", "--smoke"


def ran(argv: list[str], folder: str, good: tuple[int, ...] = (0,)) -> tuple[float, str]:
    """Wall seconds and standard output. Raises RuntimeError: it ended otherwise."""
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, check=False, text=True, cwd=folder)
    took = time.perf_counter() - started
    if done.returncode not in good:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{' '.join(argv[:6])} ... ended with {done.returncode}: {said[-1] if said else ''}")
    return took, done.stdout


def lay(folder: str, python: str) -> int:
    """A repository with a lock, a waiver and a Dockerfile; gives the number of locked packages."""
    _, frozen = ran([python, "-m", "pip", "list", "--format", "json"], folder)
    lines = [f"{one['name']}=={one['version']}" for one in json.loads(frozen)]
    for name, text in (("lock.txt", "\n".join(lines) + "\n"), ("envdoctor.toml", CONFIG), ("Dockerfile", DOCKERFILE)):
        Path(folder, name).write_text(text, encoding="utf-8")
    return len(lines)


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    python = f"{asked.environment}/bin/python"
    preflight = [sys.executable, "-m", "envdoctor", "preflight", asked.environment, "--lock", "./lock.txt"]
    imports = [python, "-c", "import torch, vllm, trl"]
    seconds: dict[str, list[float]] = {STATIC: [], BY_HAND: []}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        try:
            packages = lay(folder, python)
            ran([*preflight, "--static"], folder)
            ran(imports, folder)
            for _ in range(asked.rounds):
                seconds[STATIC].append(ran([*preflight, "--static"], folder)[0])
                checked = ran([python, "-m", "pip", "check"], folder, good=(0, 1))[0]
                seconds[BY_HAND].append(checked + ran(imports, folder)[0])
            whole = ran([*preflight, WITH_SMOKE, "--budget", "15m", "--format", "json"], folder, good=(0, 1))[1]
        except (RuntimeError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
    show(seconds, json.loads(whole), packages, load)
    return 0


def show(seconds: dict[str, list[float]], whole: dict[str, Any], packages: int, load: float) -> None:
    """The tables, in Markdown."""
    ours = statistics.median(seconds[STATIC])
    print(f"{dt.datetime.now(tz=dt.timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
          f"load {load:.1f} at the start, {packages} distributions\n")  # fmt: skip
    print("| command | median s | min s | max s | x preflight |\n|---|---|---|---|---|")
    for name, took in seconds.items():
        median = statistics.median(took)
        print(f"| {name} | {median:.2f} | {min(took):.2f} | {max(took):.2f} | {median / ours:.1f} |")
    print(f"\nThe target of {TARGET_S:g} s for the static preflight is {'met' if ours < TARGET_S else 'MISSED'}.\n")
    print("| tier of the whole preflight | state | s | what it came to |\n|---|---|---|---|")
    for one in whole["tiers"]:
        print(f"| {one['tier']} | {one['state']} | {one['seconds']:.2f} | {one['said']} |")
    print(f"\nVerdict: {whole['verdict']}, {whole['seconds']} s.")


if __name__ == "__main__":
    sys.exit(main())
