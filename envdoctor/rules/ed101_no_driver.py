"""There is no NVIDIA driver although an NVIDIA GPU is present.

## What it checks
The NVIDIA GPUs that the kernel sees on the PCI bus, against the driver by every way to see it (/proc/driver/nvidia,
/sys/module/nvidia, NVML, nvidia-smi). Under WSL, whether the driver library that Windows provides in /usr/lib/wsl/lib
is on the loader's path. A machine without an NVIDIA GPU, a GPU passed on to a virtual machine (vfio-pci) and a
container are not this rule's business.

## Why it breaks
Without the kernel driver no CUDA program finds a GPU: "Found no NVIDIA driver on your system". Under WSL the driver is
there, but "libcuda.so: cannot open shared object file" or "No CUDA GPUs are available".

## What to do
Install the driver with the distribution's own packages and reboot; they also keep the open nouveau driver away. Under
WSL install nothing: put /usr/lib/wsl/lib on the loader's path.

## Sources
- https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/index.html
- https://docs.nvidia.com/cuda/wsl-user-guide
- https://github.com/bitsandbytes-foundation/bitsandbytes/issues/17
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, Unknown, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import driver_version, in_container, torch_cuda

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED101"
CAUSE = "no-gpu-host"
JOINT = Joint.DRIVER
QUESTION = "Is there an NVIDIA driver for the NVIDIA GPU?"
EXPLAINED_BY = ("ED502",)

WSL_FOLDER = "/usr/lib/wsl/lib"
WSL_SOURCE = Source("https://docs.nvidia.com/cuda/wsl-user-guide", "2026-11-22")
SOURCE = Source("https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/index.html", "2026-11-22")
NO_SILENCE = ("add --suppose driver=", "version mismatch")
"""In the reason of a rung that is not known: it was supposed away, or it did answer, with the refusal that ED104 judges."""
INSTALL = {
    "ubuntu": ("sudo", "ubuntu-drivers", "install", "--gpgpu"),
    "debian": ("sudo", "apt-get", "install", "nvidia-driver", "firmware-misc-nonfree"),
}
"""By the ID of os-release. Elsewhere it depends on the GPU which of NVIDIA's packages is right, so none is named."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Look for a GPU without a driver, or for WSL's driver library off the loader's path."""
    unanswered = silent(facts)
    if unanswered is not None:
        yield unanswered
    wsl = facts.host.wsl
    if isinstance(wsl, Known) and wsl.value is not None:
        yield from off_the_path(facts, seen("WSL generation", wsl))
        return
    driver = driver_version(facts)
    if (isinstance(driver, Known) and driver.value is not None) or (isinstance(driver, Unknown) and unanswered is not None):
        return
    pci = need(facts.gpus.pci)
    waiting = [one for one in pci if one.device_class == "gpu" and one.bound_driver != "vfio-pci"]
    if not waiting or need(driver) is not None or not isinstance(driver, Known) or in_container(facts):
        return
    first = waiting[0]
    held = f"held by {first.bound_driver}" if first.bound_driver else "without a driver"
    yield Finding(
        code=CODE,
        title=f"{len(waiting)} NVIDIA GPU{'s' if len(waiting) > 1 else ''} on the PCI bus, but no NVIDIA driver is loaded",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__driver",),
        why='No CUDA program can find the GPU: "Found no NVIDIA driver on your system", torch.cuda.is_available() is False.',
        evidence=(
            Evidence("NVIDIA GPU", f"{first.device_id} at {first.address}, {held}", f"/sys/bus/pci/devices/{first.address}"),
            seen("loaded driver", driver, "none"),
        ),
        sources=(SOURCE,),
        changes=(install_driver(facts, matrix),),
    )


def silent(facts: Facts) -> Doubt | None:
    """The first rung of the driver ladder that gave no answer, whatever the others say: a driver that hangs looks like none."""
    driver = facts.driver
    for leaf in (driver.kernel_module, driver.sys_module, driver.nvml, driver.smi, facts.gpus.devices):
        if isinstance(leaf, Unknown) and not any(words in leaf.why for words in NO_SILENCE):
            return Doubt(QUESTION, leaf.why)
    return None


def install_driver(facts: Facts, matrix: Matrix) -> Change:
    """The distribution's way to the driver; proven with the driver that shipped with torch's CUDA, else the newest known."""
    system = facts.host.os_id.value if isinstance(facts.host.os_id, Known) else ""
    cuda = torch_cuda(facts)
    rows = [row for row in matrix.cuda_releases() if row.full_driver is not None]
    exact = [row for row in rows if isinstance(cuda, Known) and row.cuda == cuda.value]
    row = next(iter(exact or rows[-1:]), None)
    least = f" ({row.floor_driver} or newer)" if row is not None else ""
    command = INSTALL.get(system)
    return Change(
        kind=Kind.SYSTEM,
        says=f"Install the NVIDIA driver{least} with the distribution's packages, then reboot.",
        argv=(command, ("sudo", "reboot")) if command is not None else (),
        suppose={"driver": row.full_driver} if row is not None and row.full_driver is not None else {},
    )


def off_the_path(facts: Facts, wsl: Evidence) -> Iterator[Finding]:
    """WSL: libcuda lies in Windows' folder, which the loader does not search."""
    libraries = facts.driver.libcuda
    found = need(libraries)
    if not found or not isinstance(libraries, Known) or any(one.origin != "wsl" for one in found):
        return
    environ = need(facts.environ)
    path = ":".join(part for part in (WSL_FOLDER, environ.get("LD_LIBRARY_PATH", "")) if part)
    yield Finding(
        code=CODE,
        title=f"WSL's driver library is in {WSL_FOLDER}, where the loader does not look",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause="wsl-libcuda",
        subjects=("__driver",),
        why='Programs fail with "libcuda.so: cannot open shared object file" although Windows provides the driver.',
        evidence=(
            wsl,
            Evidence("libcuda.so.1", f"only {found[0].path}, not on the loader's path", libraries.via),
        ),
        sources=(WSL_SOURCE, Source("https://github.com/bitsandbytes-foundation/bitsandbytes/issues/17", "2026-11-22")),
        changes=(
            Change(
                kind=Kind.SET_ENV,
                says=f"Put {WSL_FOLDER} on LD_LIBRARY_PATH; do not install a Linux driver inside WSL.",
                env={"LD_LIBRARY_PATH": path},
            ),
        ),
    )
