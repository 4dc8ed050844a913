"""The all-reduce over all devices fails, hangs, sums wrongly, or is slower than the links.

## What it checks
With `check --deep`: an all-reduce over every device, one process each, by NCCL (on CPUs by gloo): whether all came, whether the
sums are right on every rank, and the bus bandwidth against 40 % of NVLink's rate in one direction where NVLink joins them all.

## Why it breaks
Data-parallel training does one after every backward pass. Shared memory that is too small, an interface that NCCL chose
wrongly, a GPU that stands still or peer access that is closed let it hang; all others then wait for that rank.

## What to do
Mend what NCCL's words name. Where a rank is named, look at its device first.

## Sources
- https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html
- https://raw.githubusercontent.com/NVIDIA/nccl-tests/master/doc/PERFORMANCE.md
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor import ran
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.loaded import CollectiveTried
    from envdoctor.matrix import Matrix

CODE = "ED705"
CAUSE = "all-reduce"
JOINT = Joint.TORCH
QUESTION = "Do all devices sum together, rightly and as fast as their links?"
EXPLAINED_BY = ("ED704", "ED702", "ED106", "ED503", "ED504", "ED304", "ED305", "ED309")

SHARE = 0.4
"""Of NVLink's rated rate in one direction: an all-reduce of 256 MiB is not yet at the speed of longer ones."""
NCCL = Source("https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html", "2026-11-26")
BANDWIDTH = Source("https://raw.githubusercontent.com/NVIDIA/nccl-tests/master/doc/PERFORMANCE.md", "2026-11-26")
RANKS = re.compile(r"\branks? (\d{1,4}(?:(?:, | and )\d{1,4}){0,15})")
ENDED = {"failed": "fails", "late": "hangs", "wrong": "sums wrongly"}


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """How it ended; if well, how fast it was."""
    one = need(facts.live.collective)
    if one is None:
        return
    if one.state == "skipped":
        yield Doubt(QUESTION, one.says)
    elif one.state in ENDED:
        yield failed(facts, one)
    else:
        yield from slow(facts, matrix, one)


def evidence(facts: Facts, one: CollectiveTried) -> Evidence:
    """What was told of it."""
    via = facts.live.collective.via if isinstance(facts.live.collective, Known) else ""
    rate = f"{one.bus_gb_per_s:.1f} GB/s bus bandwidth; " if one.bus_gb_per_s is not None else ""
    return Evidence(f"all-reduce by {one.backend} over {one.devices}", f"{rate}{one.says}", via)


def subjects(one: CollectiveTried, ranks: list[str]) -> tuple[str, ...]:
    """What it shares with findings that explain it: the links, their limits, torch, the devices of the ranks that are named."""
    if one.backend != "nccl":
        return ("__link", "torch", "__shm", *(ran.subject("cpu") for _ in ranks[:1]))
    return ("__link", "__gpu", "torch", "__shm", "__memlock", "__libnccl", *(ran.subject(f"cuda:{rank}") for rank in ranks))


def failed(facts: Facts, one: CollectiveTried) -> Finding:
    """It did not come to a right sum; the rank that is to blame, where one is named."""
    known = ran.meaning(one.says)
    found = RANKS.search(one.says)
    ranks = re.findall(r"\d+", found.group(1)) if found is not None else []
    whose = f" (rank {', '.join(ranks)})" if ranks else ""
    return Finding(
        code=CODE,
        title=f"the all-reduce over {one.devices} processes by {one.backend} {ENDED[one.state]}{whose}: "
        f"{known.title if known is not None else one.says[:90]}",
        severity=Severity.ERROR,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=subjects(one, ranks),
        why=known.why
        if known is not None
        else "Gradients are summed from other numbers on some ranks, and the models drift apart without an error."
        if one.state == "wrong"
        else "Training on more than one device fails or waits for ever at its first step.",
        evidence=(evidence(facts, one),),
        sources=known.signature.sources if known is not None else (NCCL,),
        changes=(ran.advised(known),) if known is not None else (looked_at(one, ranks),),
    )


def looked_at(one: CollectiveTried, ranks: list[str]) -> Change:
    """Where to look when its words are not known."""
    whom = f"Look at cuda:{ranks[0]} first: " if ranks and one.backend == "nccl" else ""
    says = f"{whom}let NCCL say more in a run of your own, and look at how the GPUs are joined."
    if one.backend != "nccl":
        return Change(
            kind=Kind.SYSTEM,
            says="Name the interface that the processes may use: gloo takes the one that this host's name stands for.",
            argv=(("export", "GLOO_SOCKET_IFNAME=lo"),),
        )
    return Change(kind=Kind.SYSTEM, says=says, argv=(("export", "NCCL_DEBUG=INFO"), ("nvidia-smi", "topo", "-m")))


def slow(facts: Facts, matrix: Matrix, one: CollectiveTried) -> Iterator[Finding]:
    """Slower than NVLink, where NVLink joins every two of one product."""
    if one.backend != "nccl" or one.bus_gb_per_s is None:
        return
    pairs, devices = need(facts.live.pairs), need(facts.live.devices)
    names = {each.name for each in devices}
    row = ran.product(facts, matrix, names.pop()) if len(names) == 1 else None
    rates = ran.one_way(facts, row, one.devices) if row is not None else None
    if row is None or rates is None or not pairs or any(pair.link != "nvlink" for pair in pairs):
        return
    rated = rates[1]
    if one.bus_gb_per_s >= SHARE * rated:
        return
    yield Finding(
        code=CODE,
        title=f"the all-reduce over {one.devices} {row.name} reaches {one.bus_gb_per_s:.0f} GB/s, where NVLink gives {rated:.0f}",
        severity=Severity.WARNING,
        layer=Layer.LOADED,
        cause="slow-all-reduce",
        subjects=subjects(one, []),
        why="Each step of data-parallel training waits that much longer for its gradients.",
        evidence=(
            evidence(facts, one),
            Evidence(f"NVLink of {row.name}", f"{row.nvlink_gb_s} GB/s in all", ran.source_of_nvlink(row)),
        ),
        sources=(BANDWIDTH, NCCL),
        changes=(looked_at(one, []),),
    )
