"""What linking costs: the scan itself, beside importing what it judges, and a check with it beside the peers.

    python benchmarks/link_speed.py [ENVIRONMENT] [--rounds 9] [--slow-rounds 3]

ENVIRONMENT is a virtual environment with a CUDA build of torch, vLLM and TRL. Without it one is built in a temporary folder
(vllm 0.8.5.post1 with torch 2.6.0 and trl 0.17.0: about 5 minutes and 9 GB) and deleted afterwards. Everything is measured in one
run, round after round, after one warm-up of each. Exit status: 0 measured, whether or not the targets are met; 1 a command could
not be started.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from check_speed import (
    BARE,
    COLLECT_ENV,
    ENVDOCTOR,
    VLLM_COLLECT_ENV,
    Command,
    beside_us,
    measure,
    plain_environ,
    print_setting,
    print_table,
    shim,
    versions,
)

WHEELS = ("vllm==0.8.5.post1", "torch==2.6.0", "trl==0.17.0", "transformers==4.51.3", "numpy<2.3", "setuptools<80")
IMPORT_TORCH, IMPORT_VLLM, EMPTY = "python -c 'import torch'", "python -c 'import vllm'", "envdoctor check (empty environment)"
SCAN_SECONDS, PART_OF_IMPORT, OVER_COLLECT_ENV, OVER_VLLM, OVER_BARE = 1.0, 0.1, 5, 25, 13


def build(folder: Path) -> Path:
    """A full vLLM environment for CUDA; its import works without a GPU."""
    environment = folder / "env"
    print(f"building {environment} ({', '.join(WHEELS)}; 9 GB) ...", flush=True)
    uv = beside_us("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(environment), "pip", *WHEELS], check=True)
    return environment


def commands(environment: Path, empty: Path, shim_environ: dict[str, str]) -> list[Command]:
    """What is compared; the bare start last, as the base of the ratios."""
    python = str(environment / "bin" / "python")
    ours = beside_us("envdoctor")
    return [
        Command(ENVDOCTOR, [ours, "check", str(environment)], finished=(0, 1)),
        Command(EMPTY, [ours, "check", str(empty)], finished=(0, 1)),
        Command(IMPORT_TORCH, [python, "-c", "import torch"]),
        Command(IMPORT_VLLM, [python, "-c", "import vllm"], environ=shim_environ),
        Command(COLLECT_ENV, [python, "-m", "torch.utils.collect_env"]),
        Command(VLLM_COLLECT_ENV, [python, str(environment / "bin" / "vllm"), "collect-env"], environ=shim_environ),
        Command(BARE, [python, "-c", "pass"]),
    ]


def scans(environment: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of the two sections, as the facts tell them, and how much they read."""
    found: dict[str, list[float]] = {"linking": [], "names": []}
    for _ in range(rounds + 1):
        argv = [beside_us("envdoctor"), "facts", str(environment)]
        facts = json.loads(subprocess.run(argv, capture_output=True, check=True, env=plain_environ()).stdout)
        for section, seconds in found.items():
            seconds.append(facts[section]["seconds"])
    modules, pairs = facts["linking"]["modules"], facts["names"]["pairs"]
    print(f"\nlinked: {len(modules.get('value', ()))} modules; names of {len(pairs.get('value', ()))} pairs, "
          f"{sum(one['names'] for one in pairs.get('value', ()))} different names")  # fmt: skip
    return {section: seconds[1:] for section, seconds in found.items()}  # the first run warms up


def target(says: str, value: float, bound: float, *, at_least: bool) -> None:
    """One line: measured against asked."""
    met = value >= bound if at_least else value <= bound
    print(f"target {says} {'>=' if at_least else '<='} {bound}: {value:.3f}, {'met' if met else 'not met'}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", nargs="?", type=Path, help="folder of a virtual environment; default: build one")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slow-rounds", type=int, default=3)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envdoctor-bench-") as folder:
        environment = (wishes.environment or build(Path(folder))).absolute()
        empty = Path(folder) / "empty"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(empty)], check=True)
        installed = versions(environment)
        print_setting(environment, installed)
        (Path(folder) / "shim").mkdir()
        compared = commands(environment, empty, shim(Path(folder) / "shim", installed))
        failed = measure(compared, wishes.rounds, wishes.slow_rounds)
        medians = print_table(compared)
        scan = {name: statistics.median(seconds) for name, seconds in scans(environment, wishes.rounds).items()}
    print(f"section linking: {scan['linking']:.3f} s, section names: {scan['names']:.3f} s (medians)")
    target("seconds of the link scan", scan["linking"], SCAN_SECONDS, at_least=False)
    unfinished = {one.name for one in compared if one.status not in one.finished}
    for says, over, under, bound, at_least in (
        ("link scan / import vllm", scan["linking"], medians.get(IMPORT_VLLM), PART_OF_IMPORT, False),
        ("collect_env / check", medians.get(COLLECT_ENV), medians.get(ENVDOCTOR), OVER_COLLECT_ENV, True),
        ("vllm collect-env / check", medians.get(VLLM_COLLECT_ENV), medians.get(ENVDOCTOR), OVER_VLLM, True),
        ("check of an empty environment / bare start", medians.get(EMPTY), medians.get(BARE), OVER_BARE, False),
    ):
        if over is None or under is None:
            print(f"target {says}: not measured")
        else:
            target(says, over / under, bound, at_least=at_least)
    for name in sorted(unfinished):
        print(f"{name} did not run to its end: what is measured by it proves nothing")
    for line in failed:
        print(f"could not be started: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
