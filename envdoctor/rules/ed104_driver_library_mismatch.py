"""The kernel driver and its user libraries are of different versions.

## What it checks
The version of the loaded kernel module against that of the driver's own libcuda.so.1 on the loader's path, and whether
nvidia-smi or NVML refuses with "Driver/library version mismatch". Also whether there is a loaded driver and a GPU node,
but no libcuda.so.1 at all. A cuda-compat libcuda is of another version by design (see ED105), and under WSL the kernel
side is Windows': neither is a fault here.

## Why it breaks
The two halves of the driver speak only to their exact counterpart. A package upgrade replaces the libraries on disk
while the old module stays loaded until the next boot: "Failed to initialize NVML: Driver/library version mismatch",
and CUDA finds no device.

## What to do
Reboot, which loads the module that belongs to the libraries. A container gets its libraries from the host when it
starts: start it anew after the host's driver was changed.

## Sources
- https://github.com/canonical/ubuntu-server-documentation/pull/369
- https://github.com/NVIDIA/nvidia-container-toolkit/issues/394
- https://github.com/vllm-project/vllm/issues/3808
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, Unknown, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import in_container, torch_cuda

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED104"
CAUSE = "driver-library-mismatch"
JOINT = Joint.DRIVER
QUESTION = "Are the kernel driver and its libraries of one version?"
EXPLAINED_BY = ("ED502",)

REFUSAL = "version mismatch"
SOURCE = Source("https://github.com/canonical/ubuntu-server-documentation/pull/369", "2026-11-22")
ABSENT_SOURCE = Source("https://github.com/vllm-project/vllm/issues/3808", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """Compare the module with the driver's libcuda; the tools' own refusal counts as well."""
    if isinstance(facts.host.wsl, Known) and facts.host.wsl.value is not None:
        return
    refused = refusals(facts)
    module = facts.driver.kernel_module
    if isinstance(module, Unknown) or module.value is None:
        module = facts.driver.sys_module
    loaded = (seen("kernel module", module),) if isinstance(module, Known) and module.value is not None else ()
    libcuda = facts.driver.libcuda
    own = [one for one in libcuda.value if one.kind == "driver"] if isinstance(libcuda, Known) else []
    libraries = tuple(Evidence("driver library", f"{one.version} ({one.path})", one.origin) for one in own[:1])
    if refused:
        known = module.value if isinstance(module, Known) else None
        told = known is not None and own and own[0].version not in {None, known}
        what = f"its libraries are {own[0].version}" if told else "nvidia-smi says that its libraries are of another version"
        yield mismatch(facts, what, (*loaded, *libraries, *refused), module=known)
        return
    version = need(module)
    found = need(libcuda)
    if version is None or not isinstance(module, Known):
        return
    if not found:
        yield from without_library(facts, seen("kernel module", module))
    elif own and own[0].version is not None and own[0].version != version:
        yield mismatch(facts, f"its libraries are {own[0].version}", (*loaded, *libraries), module=version)


def refusals(facts: Facts) -> tuple[Evidence, ...]:
    """What nvidia-smi and NVML said when they refused for this reason."""
    asked = (("nvidia-smi", facts.driver.smi), ("NVML", facts.driver.nvml))
    return tuple(
        Evidence(name, leaf.why, name) for name, leaf in asked if isinstance(leaf, Unknown) and REFUSAL in leaf.why.lower()
    )


def mismatch(facts: Facts, what: str, evidence: tuple[Evidence, ...], module: str | None = None) -> Finding:
    """The finding, with the remedy for a machine or for a container."""
    runtime = facts.container.runtime
    contained = isinstance(runtime, Known) and runtime.value is not None
    again = Change(
        kind=Kind.REPLACE_IMAGE,
        says="Start the container anew: it gets the driver's libraries from the host only when it starts.",
    )
    boot = Change(
        kind=Kind.REBOOT,
        says="Reboot the machine, so that the kernel loads the module that belongs to the libraries on disk.",
        argv=(("sudo", "reboot"),),
    )
    return Finding(
        code=CODE,
        title=f"the loaded driver{'' if module is None else f' is {module}'}, but {what}",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__driver",),
        why='"Failed to initialize NVML: Driver/library version mismatch"; CUDA finds no device until both are of one version.',
        evidence=evidence,
        sources=(SOURCE,),
        changes=(again, boot) if contained else (boot,),
    )


def without_library(facts: Facts, module: Evidence) -> Iterator[Finding]:
    """A driver is loaded and a GPU node is there, but no libcuda.so.1."""
    nodes = facts.container.device_nodes
    if not any(node.startswith("/dev/nvidia") for node in need(nodes)) or need(torch_cuda(facts)) is None:
        return
    contained = in_container(facts)
    yield Finding(
        code=CODE,
        title=f"driver {module.value} is loaded, but the loader finds no libcuda.so.1",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause="libcuda-not-found",
        subjects=("__driver",),
        why='Every CUDA program needs it: "libcuda.so.1: cannot open shared object file", "libcuda.so cannot found!".',
        evidence=(module, Evidence("libcuda.so.1", "not found", need_via(facts))),
        sources=(ABSENT_SOURCE,),
        changes=(
            Change(
                kind=Kind.REPLACE_IMAGE,
                says="Start the container with the driver's compute libraries (NVIDIA_DRIVER_CAPABILITIES=compute,utility).",
            )
            if contained
            else Change(
                kind=Kind.SYSTEM, says=f"Install the user libraries of driver {module.value}, or run ldconfig on their folder."
            ),
        ),
    )


def need_via(facts: Facts) -> str:
    """Where libcuda.so.1 was looked for."""
    libcuda = facts.driver.libcuda
    return libcuda.via if isinstance(libcuda, Known) else "the loader's search path"
