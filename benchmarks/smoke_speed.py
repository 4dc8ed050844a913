"""How long a verified smoke takes, beside the same training by TRL alone, which verifies nothing.

    python benchmarks/smoke_speed.py ENVIRONMENT [--rounds 3]

ENVIRONMENT has torch, TRL and vLLM (`make smoke-vllm` makes one, .venv-vllm-0.32.0). Each round runs every row once, in turn, so
that the noise of the machine hits all alike; times are wall seconds of the whole command, imports and engine start included. The
peer has the same task, model, batch and number of updates (plain_trl.py).

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

STEPS = 40
"""Of TRL's engines in the smoke; the peer makes as many."""
PLAIN = Path(__file__).with_name("plain_trl.py")
PLAIN_ROWS = {"plain TRL (generate of transformers)": (), "plain TRL (vLLM in its process)": ("vllm",)}
ENGINES = ("bare", "transformers", "vllm", "trl", "trl+vllm")


def ran(argv: list[str]) -> tuple[float, str]:
    """Wall seconds and standard output. Raises RuntimeError: it ended otherwise than with 0."""
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f"{' '.join(argv[:5])} ... ended with {done.returncode}: {said[-1] if said else ''}")
    return took, done.stdout


def smoke(environment: str, engine: str) -> tuple[float, str]:
    """One verified smoke; gives its seconds and what it spent them on."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "proof.json")
        argv = [sys.executable, "-m", "envdoctor", "smoke", environment, "--engine", engine, "--no-certificate"]
        took, _ = ran([*argv, "--format", "json", "-o", out])
        measured = json.loads(Path(out).read_text(encoding="utf-8"))["measured"]
    times = measured["times_s"]
    last = statistics.fmean(step["reward"] for step in measured["steps"][-10:])
    return took, f"training {times.get('train', 0):.1f} s, last ten rewards {last:.3f}"


def plain(environment: str, words: tuple[str, ...]) -> tuple[float, str]:
    """One training by TRL alone."""
    took, out = ran([f"{environment}/bin/python", str(PLAIN), str(STEPS), *words])
    told = json.loads(out.strip().splitlines()[-1])
    return took, f"{told['updates']} updates, last ten rewards {told['last']:.3f}"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("environment")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    took: dict[str, list[float]] = {}
    said: dict[str, str] = {}
    for number in range(asked.rounds):
        for engine in ENGINES:
            seconds, said[engine] = smoke(asked.environment, engine)
            took.setdefault(engine, []).append(seconds)
        for name, words in PLAIN_ROWS.items():
            seconds, said[name] = plain(asked.environment, words)
            took.setdefault(name, []).append(seconds)
        print(f"round {number + 1} of {asked.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    peers = dict(zip(("plain", "vllm"), PLAIN_ROWS, strict=True))
    print(
        f"{dt.datetime.now(tz=dt.timezone.utc):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, {asked.rounds} rounds\n"
    )
    print("| command | median s | min s | max s | x its peer | what it did |")
    print("|---|---|---|---|---|---|")
    for name, times in took.items():
        peer = took[peers["vllm" if "vllm" in name or "vLLM" in name else "plain"]]
        ratio = statistics.median(times) / statistics.median(peer)
        label = f"`envdoctor smoke --engine {name}`" if name in ENGINES else name
        print(f"| {label} | {statistics.median(times):.1f} | {min(times):.1f} | {max(times):.1f} | {ratio:.2f} | {said[name]} |")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(str(error))
