"""A device computes wrongly, or its memory does not hold what was written.

## What it checks
With `check --deep`: matrix products in each number format, attention, compiled kernels and CUDA graphs against float64
references, and patterns that are written to memory, copied and read back. Each bound follows from the format's rounding
and is shown beside the value.

## Why it breaks
Nothing stops: a defective GPU, a memory cell that ECC does not cover, or a kernel that was built wrongly gives numbers that
look like any other. The loss then rises, becomes NaN, or a run is worth nothing and nobody can say since when.

## What to do
One GPU of several that is wrong is defective: take it out of use and have it diagnosed. Where all are wrong in the same
kernel, the kernel is: install another build of the package that brings it.

## Sources
- https://docs.nvidia.com/datacenter/dcgm/latest/reference/command-line-reference/dcgmi/dcgmi-diag.html
- https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/supported-gpus.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor import ran
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.loaded import DeviceTried, KernelTried
    from envdoctor.matrix import Matrix

CODE = "ED702"
CAUSE = "wrong-results"
JOINT = Joint.MACHINE
QUESTION = "Is every result of every device within its bound?"
EXPLAINED_BY = ()

REMAPPING = Source("https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/supported-gpus.html", "2026-11-26")
MEMORY = ("allocation", "copy ")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """One finding for a kernel that is wrong wherever it ran on several devices; one a device for the rest."""
    devices = need(facts.live.devices)
    wrong = {one.device: [each for each in one.checks if each.state == "wrong"] for one in devices}
    everywhere = [
        name for name in dict.fromkeys(each.name for found in wrong.values() for each in found) if of_kernel(devices, name)
    ]
    for name in everywhere:
        yield of_package(facts, name, [one for one in devices if any(each.name == name for each in wrong[one.device])])
    for one in devices:
        left = [each for each in wrong[one.device] if each.name not in everywhere]
        if left:
            yield of_device(facts, one, left, devices)


def of_kernel(devices: tuple[DeviceTried, ...], name: str) -> bool:
    """Whether a check is wrong on every one of at least two devices on which it ran: they are not all defective."""
    ran_on = [each for one in devices for each in one.checks if each.name == name and each.state in {"passed", "wrong"}]
    return len(ran_on) > 1 and all(each.state == "wrong" for each in ran_on)


def evidence(facts: Facts, one: DeviceTried, each: KernelTried) -> Evidence:
    """The value and its bound; what was compared with what."""
    via = facts.live.devices.via if isinstance(facts.live.devices, Known) else ""
    return Evidence(f"{one.device}, {each.name}", ran.told(each), f"{each.says}; {via}" if each.says else via)


def headline(each: KernelTried) -> str:
    """What is wrong of one check."""
    if each.value is not None and each.bound is not None:
        return f"{each.name} has an error of {each.value:.2g}, rounding explains {each.bound:.2g}"
    return f"{each.name}: {each.says}"[:110]


def of_device(facts: Facts, one: DeviceTried, wrong: list[KernelTried], devices: tuple[DeviceTried, ...]) -> Finding:
    """A device that is wrong by itself."""
    more = f", and {plural(len(wrong) - 1, 'more check')}" if len(wrong) > 1 else ""
    passed = [
        each.device
        for each in devices
        if {one.name for one in wrong} <= {one.name for one in each.checks if one.state == "passed"}
    ]
    right = (
        "the others pass"
        if len(passed) == len(devices) - 1
        else f"{', '.join(passed[:3])} {'passes' if len(passed) == 1 else 'pass'}"
    )
    others = f" Of the same checks {right} all, so it is this one that is defective." if passed else ""
    return Finding(
        code=CODE,
        title=f"{ran.called(one)} computes wrongly: {headline(wrong[0])}{more}",
        severity=Severity.ERROR,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=(ran.subject(one.device),),
        why=f"Whatever is trained or generated on it is worth nothing, and nothing stops to say so.{others}",
        evidence=(*(evidence(facts, one, each) for each in wrong), *corrected(facts, one)),
        sources=(ran.DIAG, REMAPPING) if one.device != "cpu" else (),
        changes=(out_of_use(facts, one, wrong),),
    )


def corrected(facts: Facts, one: DeviceTried) -> Iterator[Evidence]:
    """What the GPU counts of its memory's errors itself."""
    index = ran.physical(facts, one.device)
    for gpu in facts.gpus.devices.value if isinstance(facts.gpus.devices, Known) else ():
        errors = gpu.ecc_uncorrected
        if str(gpu.index) == index and isinstance(errors, Known) and errors.value is not None:
            yield Evidence(f"uncorrected ECC errors of GPU {index}", str(errors.value), errors.via)


def out_of_use(facts: Facts, one: DeviceTried, wrong: list[KernelTried]) -> Change:
    """Drain, read its counters, have it diagnosed."""
    if one.device == "cpu":
        return Change(
            kind=Kind.HARDWARE,
            says="Run the same on another machine; where it passes there, this one's processor or memory is defective: read its "
            "machine checks, and test its memory.",
            argv=(("sudo", "journalctl", "--dmesg", "--grep", "mce|machine check|Hardware Error"),),
        )
    index = ran.physical(facts, one.device)
    which = ("-i", index) if index is not None else ()
    kernel = ran.PACKAGES.get(wrong[0].name)
    or_build = f" Where it passes, try another build of {kernel[0]}." if kernel is not None and len(wrong) == 1 else ""
    return Change(
        kind=Kind.HARDWARE,
        says=f"Take {one.device} out of use (drain the node), read its error counters, and run NVIDIA's diagnosis on it; a GPU "
        f"that fails there is replaced.{or_build}",
        argv=(("nvidia-smi", *which, "-q", "-d", "ECC,ROW_REMAPPER"), ("dcgmi", "diag", "-r", "3", *which)),
    )


def of_package(facts: Facts, name: str, devices: list[DeviceTried]) -> Finding:
    """A kernel that is wrong on every device."""
    wrong = [(one, each) for one in devices for each in one.checks if each.name == name]
    package = ran.PACKAGES.get(name, ("torch",))[0]
    every = f"all {len(devices)} devices"
    cause = f"{name} is wrong on {every}"
    says = f"Do not use it: install another build or release of {package}, then check again."
    if name.startswith(MEMORY):
        says = "Power the machine off and on, then check again; what is still wrong is the board's or the host's."
    return Finding(
        code=CODE,
        title=f"{cause}: {headline(wrong[0][1])}",
        severity=Severity.ERROR,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=(*(ran.subject(one.device) for one in devices), package),
        why="Devices do not fail alike by chance: the kernel that they share is wrong. Its results look like any other.",
        evidence=tuple(evidence(facts, one, each) for one, each in wrong),
        sources=(ran.DIAG,),
        changes=(Change(kind=Kind.HARDWARE if name.startswith(MEMORY) else Kind.SYSTEM, says=says),),
    )
