"""The limit on locked memory is too low for InfiniBand.

## What it checks
The soft limit on locked memory (ulimit -l) where RDMA is in play: NCCL_IB_* variables are set or the machine has
NVSwitches, which mostly come with an InfiniBand or RoCE network; with several GPUs and no such sign it is an info. With
NCCL_IB_DISABLE=1 nothing is said.

## Why it breaks
NCCL registers its buffers with the network card, which locks them in memory: "Call to ibv_reg_mr_iova2 failed with error
Cannot allocate memory". Limits of 64 KiB or 8 MiB are the usual defaults.

## What to do
Raise the limit to unlimited: docker run --ulimit memlock=-1, LimitMEMLOCK=infinity for a service, or
/etc/security/limits.conf for logins.

## Sources
- https://github.com/NVIDIA/nccl-tests/issues/206
- https://docs.nvidia.com/deeplearning/nccl/archives/nccl_2143/user-guide/docs/troubleshooting.html
- https://github.com/openucx/ucx/issues/8229
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED504"
CAUSE = "low-memlock"
JOINT = Joint.MACHINE
QUESTION = "May enough memory be locked for InfiniBand?"
EXPLAINED_BY = ()

KIB = 1 << 10
WANTED_BYTES = 1 << 30
SOURCE = Source("https://github.com/NVIDIA/nccl-tests/issues/206", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """Compare the limit with what RDMA needs, where there are signs of RDMA."""
    limit = facts.container.memlock_bytes
    value = need(limit)
    if value is None or value >= WANTED_BYTES or not isinstance(limit, Known):
        return
    found = signs(facts)
    if not found:
        return
    certain = any(one.what != "GPUs" for one in found)
    yield Finding(
        code=CODE,
        title=f"only {value // KIB} KiB of memory may be locked, too little for InfiniBand",
        severity=Severity.WARNING if certain else Severity.INFO,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__memlock",),
        why='NCCL cannot register its buffers at the network card: "ibv_reg_mr_iova2 failed with error Cannot allocate memory".',
        evidence=(seen("limit on locked memory", limit, f"{value} bytes"), *found),
        sources=(SOURCE,),
        changes=(remedy(facts),),
    )


def signs(facts: Facts) -> tuple[Evidence, ...]:
    """What speaks for RDMA on this machine; empty where NCCL is told not to use it. Raises NotObserved."""
    environ = facts.environ
    variables = need(environ)
    if variables.get("NCCL_IB_DISABLE") == "1" or not isinstance(environ, Known):
        return ()
    found = [Evidence(name, value, environ.via) for name, value in variables.items() if name.startswith("NCCL_IB_")]
    switches = facts.gpus.nvswitches
    if isinstance(switches, Known) and switches.value:
        found.append(seen("NVSwitches", switches))
    devices = facts.gpus.devices
    if not found and len(need(devices)) > 1 and isinstance(devices, Known):
        found.append(seen("GPUs", devices, str(len(devices.value))))
    return tuple(found)


def remedy(facts: Facts) -> Change:
    """For a container its start, for a machine its limits file."""
    runtime = facts.container.runtime
    if isinstance(runtime, Known) and runtime.value is not None:
        program = runtime.value if runtime.value in {"docker", "podman"} else "docker"
        says = "Start the container without a limit on locked memory."
        return Change(kind=Kind.REPLACE_IMAGE, says=says, argv=((program, "run", "--ulimit", "memlock=-1", "IMAGE"),))
    says = "Set memlock to unlimited in /etc/security/limits.conf and log in anew (for a service: LimitMEMLOCK=infinity)."
    return Change(kind=Kind.SYSTEM, says=says)
