"""The NVSwitch fabric is not running: fabric manager missing, stopped or of another version.

## What it checks
On a machine with NVSwitches: whether nvidia-fabricmanager is installed, runs, and is of exactly the driver's version;
and the fabric state of each GPU, which has the last word. Inside a container the fabric manager of the host cannot be
seen, and the state alone decides. Machines without NVSwitch need no fabric manager.

## Why it breaks
Until the fabric manager has set up the NVLink fabric, CUDA does not start: "Error 802: system not yet initialized",
although nvidia-smi lists every GPU. It refuses a driver of any other version, so a driver update without it is enough.

## What to do
Install the fabric manager of exactly the driver's version on the host, enable its service and start it.

## Sources
- https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide
- https://github.com/canonical/apt-packaging-fabric-manager
- https://github.com/hiyouga/LlamaFactory/issues/8968
- https://github.com/NVIDIA/NVSentinel/issues/883
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved, Unknown, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import driver_version, gpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED106"
CAUSE = "fabric-manager"
JOINT = Joint.DRIVER
QUESTION = "Is the NVSwitch fabric set up by a fabric manager of the driver's version?"
EXPLAINED_BY = ("ED101",)

SEVERAL = 2
"""NVSwitches of Blackwell machines are no PCI devices: there, several GPUs that wait for a fabric say that there is one."""
WAITING = ("not-started", "in-progress")
GUIDE = Source("https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide", "2026-11-22")
CASE = Source("https://github.com/hiyouga/LlamaFactory/issues/8968", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """The fabric state of the GPUs first, then the fabric manager itself."""
    switches = facts.gpus.nvswitches
    if isinstance(switches, Known) and switches.value == 0 and len(waiting_gpus(facts)) < SEVERAL:
        return
    loaded = driver_version(facts)
    driver = need(loaded)
    if driver is None or not isinstance(loaded, Known):
        return
    states = [(gpu.index, gpu.fabric_state) for gpu in gpus(facts)]
    known = [leaf.value for _, leaf in states if isinstance(leaf, Known)]
    if known and len(known) == len(states) and all(value == "completed" for value in known):
        return
    waiting = waiting_gpus(facts)
    if isinstance(switches, Unknown) and not waiting:
        if known and all(value in {None, "not-supported"} for value in known):
            return
        raise NotObserved(switches.why)
    evidence = (seen("NVSwitches", switches),) if isinstance(switches, Known) and switches.value else ()
    what = trouble(facts, driver, decided=bool(waiting))
    if what is None and not waiting:
        return
    title, own = what or (f"the NVSwitch fabric of {len(waiting)} GPUs is not set up ({waiting[0].value})", ())
    yield Finding(
        code=CODE,
        title=title,
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__driver", "__gpu"),
        why='CUDA does not start: "Error 802: system not yet initialized", although nvidia-smi lists every GPU.',
        evidence=(seen("loaded driver", loaded), *evidence, *own, *waiting[:2]),
        sources=(GUIDE, CASE),
        changes=(start(facts, driver),),
    )


def waiting_gpus(facts: Facts) -> tuple[Evidence, ...]:
    """The GPUs that wait for a fabric; none where they cannot be listed."""
    devices = facts.gpus.devices.value if isinstance(facts.gpus.devices, Known) else ()
    return tuple(
        Evidence(f"fabric state of GPU {one.index}", one.fabric_state.value, one.fabric_state.via)
        for one in devices
        if isinstance(one.fabric_state, Known) and one.fabric_state.value in WAITING
    )


def trouble(facts: Facts, driver: str, *, decided: bool) -> tuple[str, tuple[Evidence, ...]] | None:
    """What is wrong with the fabric manager, or None. ``decided``: the GPUs' state has already told, unknowns do not matter."""
    leaf = facts.gpus.fabric_manager
    if isinstance(leaf, Unknown):
        if decided:
            return None
        raise NotObserved(leaf.why)
    manager = leaf.value
    if manager is None:
        return "the GPUs of this machine are joined by NVSwitches, but there is no fabric manager", (
            Evidence("nvidia-fabricmanager", "not installed", leaf.via),
        )
    found = (Evidence("nvidia-fabricmanager", manager.version or "version not known", leaf.via),)
    if manager.version is not None and manager.version.partition("-")[0] != driver:
        return f"fabric manager {manager.version} does not belong to driver {driver}", found
    if not manager.running:
        return "the fabric manager is installed but does not run", found
    if manager.version is None and not decided:
        raise NotObserved("the version of the running fabric manager could not be read")
    return None


def start(facts: Facts, driver: str) -> Change:
    """Install the exact version and start it, on the host."""
    system = facts.host.os_id.value if isinstance(facts.host.os_id, Known) else ""
    branch = driver.partition(".")[0]
    install: tuple[tuple[str, ...], ...] = ()
    if system in {"ubuntu", "debian"}:
        install = (("sudo", "apt-get", "install", f"nvidia-fabricmanager-{branch}={driver}*"),)
    return Change(
        kind=Kind.SYSTEM,
        says=f"On the host, install nvidia-fabricmanager {driver}, exactly the driver's version, and start its service.",
        argv=(*install, ("sudo", "systemctl", "enable", "--now", "nvidia-fabricmanager")),
    )
