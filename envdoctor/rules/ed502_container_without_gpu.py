"""No GPU reaches this container or machine, or a variable hides them.

## What it checks
Where torch is a CUDA build (or, if that is not known, packages are installed that need a GPU): whether a container has
any GPU node (/dev/nvidia0, /dev/dxg), and whether the machine under it has an NVIDIA GPU or driver. Then whether
CUDA_VISIBLE_DEVICES or NVIDIA_VISIBLE_DEVICES hides the GPUs that are there. A machine on which no NVIDIA GPU can be
seen at all gets an info: it may be meant to have none.

## Why it breaks
"No CUDA GPUs are available", "Failed to infer device type", torch.cuda.is_available() is False. Where Docker itself
cannot hand out GPUs it says: could not select device driver "" with capabilities: [[gpu]].

## What to do
Start the container with its GPUs (docker run --gpus all). That needs the NVIDIA container toolkit on the host.

## Sources
- https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
- https://github.com/NVIDIA/nvidia-docker/issues/1682
- https://github.com/pytorch/pytorch/issues/40618
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved, Unknown, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import driver_version, torch_cuda, wants_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED502"
CAUSE = "container-toolkit-missing"
JOINT = Joint.MACHINE
QUESTION = "Can the program reach a GPU from where it runs?"
EXPLAINED_BY = ()

GPU_NODE = re.compile(r"/dev/(nvidia\d+|dxg|kfd)$")
TOOLKIT = Source("https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html", "2026-11-22")
HIDDEN = Source("https://github.com/pytorch/pytorch/issues/40618", "2026-11-22")
START = {
    "kubernetes": ("Ask for a GPU in the pod's resources: limits: nvidia.com/gpu: 1.", ()),
    "podman": ("Start the container with its GPUs.", (("podman", "run", "--device", "nvidia.com/gpu=all", "IMAGE"),)),
    "apptainer": ("Start the container with its GPUs.", (("apptainer", "exec", "--nv", "IMAGE", "COMMAND"),)),
}
DOCKER = ("Start the container with its GPUs.", (("docker", "run", "--gpus", "all", "IMAGE"),))


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """GPU nodes first; where there are GPUs, the variables that hide them."""
    if not wanted(facts):
        return
    devices = facts.gpus.devices
    if isinstance(devices, Known) and devices.value:
        yield from hidden(facts, devices)
        return
    if any(GPU_NODE.match(node) for node in need(facts.container.device_nodes)):
        return
    runtime = need(facts.container.runtime)
    if runtime is not None:
        yield from container(facts, runtime)
    else:
        yield from machine(facts)


def wanted(facts: Facts) -> bool:
    """A CUDA build of torch; if torch's build is not known, packages that are of use only with a GPU."""
    cuda = torch_cuda(facts)
    return bool(wants_gpu(facts)) if isinstance(cuda, Unknown) else cuda.value is not None


def container(facts: Facts, runtime: str) -> Iterator[Finding]:
    """A container without GPU nodes: an error where the host has a GPU, an info where it surely has none."""
    host = host_gpu(facts)
    pci = facts.gpus.pci
    says, argv = START.get(runtime, DOCKER)
    none_seen = host is None and isinstance(pci, Known)
    yield Finding(
        code=CODE,
        title=f"this {runtime} container has no GPU" + ("" if host is None else ", but its host has one"),
        severity=Severity.ERROR if host is not None else Severity.INFO if none_seen else Severity.WARNING,
        layer=Layer.LINKED,
        cause="no-gpu-host" if none_seen else CAUSE,
        subjects=("__driver", "__gpu"),
        why='"No CUDA GPUs are available", or torch.cuda.is_available() is False.',
        evidence=(
            *((seen("container", facts.container.runtime),) if isinstance(facts.container.runtime, Known) else ()),
            Evidence("GPU nodes", "none (no /dev/nvidia0)", "/dev"),
            *((host,) if host is not None else ()),
            *((Evidence("NVIDIA GPUs of the host", "none", pci.via),) if none_seen and isinstance(pci, Known) else ()),
            *variable(facts, "NVIDIA_VISIBLE_DEVICES"),
        ),
        sources=(TOOLKIT,),
        changes=(
            Change(kind=Kind.REPLACE_IMAGE, says=says, argv=argv),
            Change(
                kind=Kind.SYSTEM,
                says="If that is refused, install the package nvidia-container-toolkit on the host and set up the runtime.",
                argv=(
                    ("sudo", "nvidia-ctk", "runtime", "configure", "--runtime=docker"),
                    ("sudo", "systemctl", "restart", "docker"),
                ),
            ),
        ),
    )


def host_gpu(facts: Facts) -> Evidence | None:
    """A sign inside the container that the host has an NVIDIA GPU: /proc and /sys are the host's."""
    pci = facts.gpus.pci
    gpus = [one for one in pci.value if one.device_class == "gpu"] if isinstance(pci, Known) else []
    if gpus:
        return Evidence("NVIDIA GPU of the host", f"{gpus[0].device_id} at {gpus[0].address}", "/sys/bus/pci/devices")
    module = facts.driver.kernel_module
    if isinstance(module, Known) and module.value is not None:
        return seen("NVIDIA driver of the host", module)
    return None


def machine(facts: Facts) -> Iterator[Finding]:
    """A plain machine on which no NVIDIA GPU and no driver can be seen: worth knowing, no fault."""
    pci = facts.gpus.pci
    if isinstance(pci, Unknown):
        raise NotObserved(pci.why)
    driver = driver_version(facts)
    if any(one.device_class == "gpu" for one in pci.value) or need(driver) is not None or not isinstance(driver, Known):
        return
    cuda = torch_cuda(facts)
    yield Finding(
        code=CODE,
        title="no NVIDIA GPU can be seen on this machine, but its packages are made for one",
        severity=Severity.INFO,
        layer=Layer.LINKED,
        cause="no-gpu-host",
        subjects=("__driver", "__gpu"),
        why="torch.cuda.is_available() is False here; the environment itself may be right for a machine with a GPU.",
        evidence=(
            Evidence("NVIDIA GPUs", "none", pci.via),
            *((seen("CUDA that torch was built with", cuda),) if isinstance(cuda, Known) else ()),
        ),
        sources=(HIDDEN,),
    )


def hidden(facts: Facts, devices: Known[tuple[object, ...]]) -> Iterator[Finding]:
    """GPUs are there, but a variable makes CUDA see none."""
    value = need(facts.environ).get("CUDA_VISIBLE_DEVICES")
    if value is None or names_one(value, len(devices.value)):
        return
    yield Finding(
        code=CODE,
        title=f"CUDA_VISIBLE_DEVICES={value!r} hides {len(devices.value)} GPUs from every CUDA program",
        severity=Severity.WARNING,
        layer=Layer.LINKED,
        cause="gpus-hidden",
        subjects=("__gpu",),
        why='CUDA sees no device: "No CUDA GPUs are available", although nvidia-smi lists them.',
        evidence=(*variable(facts, "CUDA_VISIBLE_DEVICES"), seen("GPUs", devices, str(len(devices.value)))),
        sources=(HIDDEN,),
        changes=(Change(kind=Kind.SET_ENV, says="Unset CUDA_VISIBLE_DEVICES.", env={"CUDA_VISIBLE_DEVICES": None}),),
    )


def names_one(value: str, count: int) -> bool:
    """Whether CUDA_VISIBLE_DEVICES leaves a GPU: the list counts up to its first entry that names none (CUDA's manual)."""
    first = value.split(",", maxsplit=1)[0].strip()
    return int(first) < count if first.isdecimal() else first.startswith(("GPU-", "MIG-"))


def variable(facts: Facts, name: str) -> tuple[Evidence, ...]:
    """Evidence of a variable, if it is set."""
    environ = facts.environ
    if not isinstance(environ, Known) or name not in environ.value:
        return ()
    return (Evidence(name, repr(environ.value[name]), environ.via),)
