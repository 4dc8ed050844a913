"""Questions that the rules of what ran (ED7NN) ask: which product a device is, what its links should give, what words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known
from envdoctor.findings import Change, Kind, Source
from envdoctor.signatures import WRAPPER, recognise

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.loaded import DeviceTried, KernelTried
    from envdoctor.matrix import Matrix
    from envdoctor.rows import GpuProduct
    from envdoctor.signatures import Recognised

DIAG = Source(
    "https://docs.nvidia.com/datacenter/dcgm/latest/reference/command-line-reference/dcgmi/dcgmi-diag.html", "2026-11-26"
)
REPORT = (("envdoctor", "facts", "--format", "issue"),)
BUILT_IN = {"h20", "b200", "gb200", "gb300"}
"""Products that come with their NVLink connected, beside those whose name says SXM."""
PACKAGES = {
    "attention flash-attn": ("flash-attn",),
    "attention vllm": ("vllm",),
    "triton kernel": ("triton",),
    "torch.compile": ("torch", "triton"),
}
"""Check -> whose kernel it is, the one that brings it first; torch brings the others."""
DIRECT_PEERS = {"7.0": 6, "8.0": 3, "9.0": 3}
"""Compute capability -> among how many peers a GPU's links are shared where no NVSwitch joins them: an 8-GPU V100 board gives a
pair at least one link of six, a 4-GPU board of A100 or H100 gives each pair a third of the links."""
MOST_DIRECT = 4
"""GPUs of one board that are joined without NVSwitches, from A100 on."""


def subject(device: str) -> str:
    """What findings about one device share: "__cuda:0", "__cpu"."""
    return f"__{device}"


def called(one: DeviceTried) -> str:
    """A device in a sentence: "cuda:0 (NVIDIA H100 80GB HBM3)", "the CPU"."""
    if one.device == "cpu":
        return "the CPU"
    return f"{one.device} ({one.name})" if one.name else one.device


def told(one: KernelTried) -> str:
    """What a check came to, with its bound: "relative error 0.31, bound 0.004"."""
    if one.value is None:
        return one.state
    unit = "relative error " if one.unit == "relative error" else ""
    after = f" {one.unit}" if one.unit and not unit else ""
    bound = f", bound {one.bound:.2g}" if one.bound is not None else ""
    return f"{unit}{one.value:.3g}{after}{bound}"


def meaning(*texts: str) -> Recognised | None:
    """What is known of an error's words: of the first text that holds some, the likeliest cause."""
    for text in texts:
        for one in recognise(text):
            if one.signature.depth > WRAPPER:
                return one
    return None


def advised(one: Recognised) -> Change:
    """What a known error text says is to be done; a person has to judge it."""
    return Change(kind=Kind.SYSTEM, says=one.says, argv=one.commands)


def physical(facts: Facts, device: str) -> str | None:
    """How nvidia-smi counts a device of CUDA's; None where CUDA_VISIBLE_DEVICES does not say it by number."""
    environ = facts.environ.value if isinstance(facts.environ, Known) else {}
    shown = environ.get("CUDA_VISIBLE_DEVICES")
    index = device.rpartition(":")[2]
    if not index.isdecimal():
        return None
    if shown is None:
        return index
    words = [word.strip() for word in shown.split(",")]
    word = words[int(index)] if len(index) < 4 and int(index) < len(words) else ""  # noqa: PLR2004 - digits of a GPU's number
    return word if word.isdecimal() else None


def product(facts: Facts, matrix: Matrix, name: str) -> GpuProduct | None:
    """What is sold under the name that torch gives a device; None where NVML's list or the data do not tell."""
    devices = facts.gpus.devices.value if isinstance(facts.gpus.devices, Known) else ()
    same = [one for one in devices if isinstance(one.name, Known) and one.name.value == name]
    ids = {one.pci_device_id.value for one in same if isinstance(one.pci_device_id, Known)}
    rows = [row for row in matrix.gpu_products() if ids & set(row.pci_device_ids)]
    return rows[0] if len(rows) == 1 else None


def source_of_nvlink(row: GpuProduct) -> str:
    """Of the sources of a product's row the one that says its NVLink."""
    return next((part.strip() for part in row.source.split(";") if "NVLink" in part), row.source)


def built_in(row: GpuProduct) -> bool:
    """Whether every two GPUs of this product in one machine are joined by NVLink."""
    return row.compute_capability != "7.0" and ("SXM" in row.name or row.key in BUILT_IN)


def switched(facts: Facts, count: int) -> bool:
    """Whether NVSwitches join the GPUs, so that each pair has all links of a GPU.

    Args:
        facts: of the machine; a guest may not see the switches, but then a GPU's fabric is set up by them.
        count: GPUs that were tried.
    """
    seen = facts.gpus.nvswitches
    if isinstance(seen, Known) and seen.value:
        return True
    devices = facts.gpus.devices.value if isinstance(facts.gpus.devices, Known) else ()
    joined = any(isinstance(one.fabric_state, Known) and one.fabric_state.value == "completed" for one in devices)
    return joined or max(count, len(devices)) > MOST_DIRECT


def one_way(facts: Facts, row: GpuProduct, count: int) -> tuple[float, float] | None:
    """NVLink's rated GB/s in one direction, (between two GPUs, of all links that ``count`` GPUs use); None without NVLink.

    Args:
        facts: of the machine.
        row: the product.
        count: GPUs that were tried.
    """
    if row.nvlink_gb_s is None:
        return None
    whole = row.nvlink_gb_s / 2
    peers = DIRECT_PEERS.get(row.compute_capability, 1)
    if peers == 1 or (row.compute_capability != "7.0" and not built_in(row)):
        return whole, whole  # a bridge joins two, with all their links
    seen = facts.gpus.nvswitches
    if switched(facts, count) and (row.compute_capability != "7.0" or (isinstance(seen, Known) and seen.value)):
        return whole, whole
    return whole / peers, whole / peers * max(1, min(count - 1, peers))


def behaves_like(matrix: Matrix, row: GpuProduct, gb_per_s: float) -> str:
    """Which link, or which product of the same chip, gives such a rate in one direction; "" where it is its own.

    Args:
        matrix: the data.
        row: what the GPU says that it is.
        gb_per_s: measured between two GPUs that NVSwitches join.
    """
    rates = {
        one.nvlink_gb_s / 2: one.name
        for one in reversed(matrix.gpu_products())
        if one.compute_capability == row.compute_capability and one.nvlink_gb_s is not None
    }
    if row.nvlink_gb_s is not None:
        rates[row.nvlink_gb_s / 2] = row.name
    if gb_per_s <= PCIE_GB_S.get(row.compute_capability, 0.0):
        return "PCIe"
    fitting = [rate for rate in sorted(rates) if rate * MORE >= gb_per_s]
    name = rates[fitting[0]] if fitting else ""
    return "" if name == row.name else name


MORE = 1.05
"""A rate that is measured so far above a rated one belongs to another."""
PCIE_GB_S = {"7.0": 15.75, "7.5": 15.75, "8.0": 31.5, "8.6": 31.5, "8.9": 31.5, "9.0": 63.0, "10.0": 63.0, "10.3": 63.0}
"""Compute capability -> GB/s in one direction over the 16 lanes of its data-centre products: PCIe 3.0, 4.0, 5.0 carry 8, 16 and
32 GT/s a lane in 128b/130b code."""
