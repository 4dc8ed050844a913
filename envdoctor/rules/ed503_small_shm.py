"""The container's shared memory is too small.

## What it checks
The size of /dev/shm in a container where torch is installed. Docker and Kubernetes give 64 MiB unless asked for more;
this rule wants 1 GiB, the size in the example of NCCL's manual. Without a GPU it is an info.

## Why it breaks
NCCL between GPUs, torch's DataLoader workers and vLLM's processes hand data over in /dev/shm: "NCCL WARN Error while
creating shared memory segment /dev/shm/nccl-...", "unhandled system error", or "Bus error".

## What to do
docker run --ipc=host or --shm-size=16g; in Kubernetes mount an emptyDir of medium Memory on /dev/shm.

## Sources
- https://docs.nvidia.com/deeplearning/nccl/archives/nccl_2262/user-guide/docs/_sources/troubleshooting.rst.txt
- https://github.com/vllm-project/vllm/issues/1710
- https://github.com/MiniMax-AI/MiniMax-01/issues/42
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, need
from envdoctor.findings import Change, Finding, Joint, Kind, Layer, Severity, Source, seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED503"
CAUSE = "small-shm"
JOINT = Joint.MACHINE
QUESTION = "Is there enough shared memory in the container?"
EXPLAINED_BY = ()

MIB = 1 << 20
WANTED_BYTES = 1024 * MIB
SOURCES = (
    Source(
        "https://docs.nvidia.com/deeplearning/nccl/archives/nccl_2262/user-guide/docs/_sources/troubleshooting.rst.txt",
        "2026-11-22",
    ),
    Source("https://github.com/vllm-project/vllm/issues/1710", "2026-11-22"),
)


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """Compare /dev/shm with what multi-process training needs."""
    runtime = facts.container.runtime
    if need(runtime) is None or not isinstance(runtime, Known) or need(facts.builds.torch) is None:
        return
    shm = facts.container.shm_bytes
    size = need(shm)
    if (size is not None and size >= WANTED_BYTES) or not isinstance(shm, Known):
        return
    devices = facts.gpus.devices
    no_gpu = isinstance(devices, Known) and not devices.value
    shown = "missing" if size is None else f"only {size // MIB} MiB"
    yield Finding(
        code=CODE,
        title=f"shared memory (/dev/shm) of this {runtime.value} container is {shown}; training needs {WANTED_BYTES // MIB} MiB",
        severity=Severity.INFO if no_gpu else Severity.WARNING,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__shm",),
        why='NCCL and DataLoader workers fail: "Error while creating shared memory segment /dev/shm/nccl-...", "Bus error".',
        evidence=(seen("size of /dev/shm", shm, "none" if size is None else f"{size} bytes"), seen("container", runtime)),
        sources=SOURCES,
        changes=(remedy(runtime.value),),
    )


def remedy(runtime: str | None) -> Change:
    """How this runtime is asked for more."""
    if runtime == "kubernetes":
        says = "Mount an emptyDir volume of medium Memory on /dev/shm (sizeLimit 16Gi)."
        return Change(kind=Kind.REPLACE_IMAGE, says=says)
    program = runtime if runtime in {"docker", "podman"} else "docker"
    says = "Start the container with more shared memory, or with the host's (--ipc=host)."
    return Change(kind=Kind.REPLACE_IMAGE, says=says, argv=((program, "run", "--shm-size=16g", "IMAGE"),))
