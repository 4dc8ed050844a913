"""A link between GPUs, or to the host, is slower than the product should have.

## What it checks
With `check --deep`: copies between every two GPUs, one direction, against half of the NVLink rate that the product is sold
with; whether GPUs that NVLink joins may read each other's memory; copies from and to pinned memory of the host against a
third of the PCIe rate. It says which product a GPU's links behave like, whatever it calls itself. Copies must arrive unchanged.

## Why it breaks
An NVLink that is down, a fabric that is half set up, IOMMU and ACS that send copies through the CPU, a slot of fewer lanes,
or another chip than was paid for (an H800 has less than half the NVLink of an H100). Nothing fails; each step takes longer.

## What to do
Look at the state and the errors of the links; on a machine with NVSwitches, at the fabric manager; for PCIe, at the width and
generation of the slot.

## Sources
- https://github.com/NVIDIA/nccl/issues/1264
- https://github.com/NVIDIA/nccl/issues/199
- https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envdoctor import ran
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.loaded import DeviceTried, PairTried
    from envdoctor.matrix import Matrix
    from envdoctor.rows import GpuProduct

CODE = "ED704"
CAUSE = "slow-links"
JOINT = Joint.DRIVER
QUESTION = "Are the links between GPUs and to the host as fast as the product's?"
EXPLAINED_BY = ("ED106",)

SHARE = 0.5
"""Of NVLink's rated rate in one direction: 380 of 450 GB/s were measured between healthy H100s (NVIDIA/nccl issue 1264)."""
HOST_SHARE = 1 / 3
"""Of PCIe's rate in one direction; a slot one generation older still gives a half."""
ABOVE = 1.1
LINKS = ("copy host to device", "copy device to host")
MEASURED = Source("https://github.com/NVIDIA/nccl/issues/1264", "2026-11-26")
ACS = Source("https://github.com/NVIDIA/nccl/issues/199", "2026-11-26")
NVLINK = (("nvidia-smi", "nvlink", "--status"), ("nvidia-smi", "nvlink", "-e"), ("nvidia-smi", "topo", "-m"))
ROUTED = "Look at the state and the errors of the links, and whether IOMMU or ACS send copies through the CPU."


class Joined(NamedTuple):
    """A pair of one product, with what its link should give in GB/s, one direction."""

    pair: PairTried
    row: GpuProduct
    rated: float


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Pairs that copy wrongly or not at all; those that are slow, a finding a product; then the host's links."""
    devices = need(facts.live.devices)
    yield from of_host(facts, matrix, devices)
    pairs = need(facts.live.pairs)
    if broken := [one for one in pairs if one.gb_per_s is None]:
        yield of_broken(facts, broken)
    names = {one.device: one.name for one in devices}
    joined: dict[str, list[Joined]] = {}
    for pair in pairs:
        name = names.get(f"cuda:{pair.first}", "")
        row = ran.product(facts, matrix, name) if name == names.get(f"cuda:{pair.second}") else None
        rates = ran.one_way(facts, row, len(devices)) if row is not None else None
        if row is None and pair.link == "nvlink":
            why = f"what NVLink of {name or 'this GPU'} should give is not in the data"
            yield Doubt(QUESTION, why, ("__link",))
        elif row is not None and rates is not None and (pair.link == "nvlink" or ran.built_in(row)):
            joined.setdefault(row.key, []).append(Joined(pair, row, rates[0]))
    for found in joined.values():
        yield from of_pairs(facts, matrix, found)


def of_pairs(facts: Facts, matrix: Matrix, found: list[Joined]) -> Iterator[Finding]:
    """The pairs of one product that should be joined by NVLink."""
    row, rated = found[0].row, found[0].rated
    slow = [one.pair for one in found if one.pair.gb_per_s is not None and one.pair.gb_per_s < SHARE * rated]
    if slow:
        worst = min(slow, key=lambda one: one.gb_per_s or 0.0)
        how = f"{len(slow)} of {plural(len(found), 'pair')} of {row.name} copy as slowly as {worst.gb_per_s:.0f} GB/s"
        like = ran.behaves_like(matrix, row, max(one.gb_per_s or 0.0 for one in slow)) if rated * 2 == row.nvlink_gb_s else ""
        alike = f", as {like} does" if like else ""
        title = f"{how}{alike}, where their NVLink gives {rated:.0f}"
        why = "Every all-reduce and every push of weights between GPUs takes as much longer."
        yield finding(facts, title, why, slow, (*evidence(facts, slow), sold(row, rated)))
    closed = [one.pair for one in found if one.pair.link == "nvlink" and one.pair.peer_access is False]
    if closed:
        title = f"{plural(len(closed), 'pair')} of {row.name} are joined by NVLink and may not read each other's memory"
        why = "Copies and NCCL go over the host instead; the driver, a container or a virtual machine closes CUDA's peer access."
        yield finding(facts, title, why, closed, evidence(facts, closed))
    best = max((one.pair.gb_per_s or 0.0 for one in found), default=0.0)
    if rated * 2 == row.nvlink_gb_s and best > ABOVE * rated:
        like = ran.behaves_like(matrix, row, best) or "no product of its kind in the data"
        title = f"{row.name} copies {best:.0f} GB/s over NVLink, more than the {rated:.0f} it is sold with: like {like}"
        fast = [one.pair for one in found if one.pair.gb_per_s == best]
        why = "It is another chip than it says, or our data is wrong; nothing is broken by it."
        yield finding(facts, title, why, fast, (*evidence(facts, fast), sold(row, rated)), Severity.INFO)


def of_broken(facts: Facts, broken: list[PairTried]) -> Finding:
    """Pairs whose copies arrive changed, raise or hang."""
    first = broken[0]
    which = f"cuda:{first.first} to cuda:{first.second}"
    title = f"copies fail between {plural(len(broken), 'pair')} of GPUs, first {which}: {first.says[:60]}"
    why = "Whatever is sent over that link is wrong or never comes: NCCL hangs, or gradients are summed from other numbers."
    return finding(facts, title, why, broken, evidence(facts, broken), Severity.ERROR)


def evidence(facts: Facts, pairs: list[PairTried]) -> tuple[Evidence, ...]:
    """What was measured of each pair."""
    via = facts.live.pairs.via if isinstance(facts.live.pairs, Known) else ""
    access = {True: "peer access", False: "no peer access", None: "peer access unknown"}
    return tuple(
        Evidence(
            f"cuda:{one.first} to cuda:{one.second}",
            f"{f'{one.gb_per_s:.1f} GB/s' if one.gb_per_s is not None else one.says}, {one.link or 'link unknown'}, "
            f"{access[one.peer_access]}",
            via,
        )
        for one in pairs
    )


def sold(row: GpuProduct, rated: float) -> Evidence:
    """What the product should give."""
    return Evidence(
        f"NVLink of {row.name}, one direction", f"{rated:.0f} of {row.nvlink_gb_s} GB/s in all", ran.source_of_nvlink(row)
    )


def finding(
    facts: Facts, title: str, why: str, pairs: list[PairTried], seen: tuple[Evidence, ...], severity: Severity = Severity.WARNING
) -> Finding:
    """A finding about pairs of GPUs."""
    ends = dict.fromkeys(end for one in pairs for end in (one.first, one.second))
    switched = "Look at the fabric manager of the host first. " if ran.switched(facts, len(ends)) else ""
    about = ("__link", "__gpu", *(ran.subject(f"cuda:{end}") for end in ends))
    change = Change(kind=Kind.SYSTEM, says=f"{switched}{ROUTED}", argv=NVLINK)
    return Finding(
        code=CODE, title=title, severity=severity, layer=Layer.LOADED, cause=CAUSE,
        subjects=("__product",) if severity is Severity.INFO else about,
        why=why, evidence=seen, sources=(MEASURED, ACS), changes=() if severity is Severity.INFO else (change,),
    )  # fmt: skip


def of_host(facts: Facts, matrix: Matrix, devices: tuple[DeviceTried, ...]) -> Iterator[Finding]:
    """Copies from and to the host: a product whose slot is known to have 16 lanes."""
    for one in devices:
        row = ran.product(facts, matrix, one.name) if one.device != "cpu" else None
        rated = ran.PCIE_GB_S.get(row.compute_capability) if row is not None and row.datacenter else None
        if row is None or rated is None:
            continue
        slow = [each for each in one.checks if each.name in LINKS and each.value is not None and each.value < HOST_SHARE * rated]
        if not slow or any(each.state != "passed" for each in slow):
            continue
        via = facts.live.devices.via if isinstance(facts.live.devices, Known) else ""
        yield Finding(
            code=CODE, severity=Severity.WARNING, layer=Layer.LOADED, cause="slow-host-link",
            title=f"{ran.called(one)}: {slow[0].name} at {slow[0].value:.1f} GB/s, where PCIe of {row.name} gives {rated:.0f}",
            subjects=(ran.subject(one.device), "__pcie"),
            why="Weights are loaded and offloaded as much more slowly; a slot of fewer lanes, an older one, or a busy host.",
            evidence=tuple(Evidence(f"{one.device}, {each.name}", ran.told(each), via) for each in slow),
            sources=(ACS,),
            changes=(Change(
                kind=Kind.SYSTEM,
                says="Compare the slot's width and generation with what the GPU can, while it copies.",
                argv=(("nvidia-smi", "-q", "-d", "PERFORMANCE"), ("nvidia-smi",
                      "--query-gpu=index,pcie.link.gen.current,pcie.link.gen.max,pcie.link.width.current,pcie.link.width.max",
                      "--format=csv")),
            ),),
        )  # fmt: skip
