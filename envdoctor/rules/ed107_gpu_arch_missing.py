"""The torch build has no code for this GPU, which is newer than the build.

## What it checks
The compute capability of each GPU against the architectures torch was compiled for (read from its libraries, the list
that torch.cuda.get_arch_list() gives). Machine code (sm_90) runs within its own major number from its minor on, so
sm_80 covers 8.6 and 8.9; portable code (compute_90) runs on everything newer, of an older generation with a warning. sm_90a
runs on 9.0 only.

## Why it breaks
"CUDA error: no kernel image is available for execution on the device" at the first kernel; before it torch warns that
the GPU "is not compatible with the current PyTorch installation".

## What to do
Install a torch release that was built for the GPU, and the vLLM and companions that belong to it.

## Sources
- https://github.com/pytorch/pytorch/issues/150733
- https://developer.nvidia.com/blog/nvidia-blackwell-and-nvidia-cuda-12-9-introduce-family-specific-architecture-features
- https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/compute-capabilities.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.architectures import Coverage, Reach, capability, coverage, reach
from envdoctor.claims import bounds
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import driver_version, parsed, readable, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.facts import Facts, Gpu
    from envdoctor.matrix import Matrix
    from envdoctor.rows import TorchRelease

CODE = "ED107"
CAUSE = "arch-not-in-torch-build"
JOINT = Joint.TORCH
QUESTION = "Was torch built for this GPU?"
EXPLAINED_BY = ()

SOURCE = Source("https://github.com/pytorch/pytorch/issues/150733", "2026-11-22")
WHY = '"CUDA error: no kernel image is available for execution on the device" at the first kernel.'

FAR_WHY = (
    'Its PTX of an older generation is compiled at the first start, and torch warns that the GPU "is not compatible"; CUDA '
    "libraries beside it may have no code for the GPU at all."
)


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """One finding for each compute capability that is newer than the build."""
    groups = coverage(facts)
    others = usable(groups)
    for group in groups:
        if group.reach in {Reach.TOO_NEW, Reach.FAR}:
            release = newer_release(facts, matrix, group.capability)
            yield Finding(
                code=CODE,
                title=title(facts, group),
                severity=Severity.WARNING if others or group.reach is Reach.FAR else Severity.ERROR,
                layer=Layer.LINKED,
                cause=CAUSE,
                subjects=("torch", "__gpu"),
                why=(FAR_WHY if group.reach is Reach.FAR else WHY) + others,
                evidence=evidence(facts, group),
                sources=(SOURCE, *sources(release)),
                changes=(*changes(release, group.capability), *engine_changes(facts, matrix, group.capability)),
            )


def title(facts: Facts, group: Coverage) -> str:
    """The headline, also of ED108."""
    torch = need(facts.builds.torch)
    name = group.gpus[0].name
    card = name.value if isinstance(name, Known) else f"GPU {group.gpus[0].index}"
    return f"torch {torch.version if torch else ''} has no code for {card} (compute capability {group.capability})"


def usable(groups: tuple[Coverage, ...]) -> str:
    """A sentence naming the GPUs of this machine that torch can use; empty if there are none."""
    return alone(gpu for one in groups if one.reach in {Reach.NATIVE, Reach.JIT} for gpu in one.gpus)


def alone(gpus: Iterable[Gpu]) -> str:
    """A sentence naming GPUs that can be used without the others; empty if there are none."""
    indices = [str(gpu.index) for gpu in gpus]
    return f" The other GPUs can be used alone: CUDA_VISIBLE_DEVICES={','.join(indices)}." if indices else ""


def evidence(facts: Facts, group: Coverage) -> tuple[Evidence, ...]:
    """The GPUs' capability, and the architectures of the build."""
    leaves = [(gpu.index, gpu.compute_capability) for gpu in group.gpus]
    found = [seen(f"compute capability of GPU {index}", leaf) for index, leaf in leaves if isinstance(leaf, Known)]
    torch = need(facts.builds.torch)
    if torch is not None and isinstance(torch.gpu_archs, Known):
        sm = "sm_" + group.capability.replace(".", "")
        found.append(
            seen(f"architectures torch is built for ({sm} is not among them)", torch.gpu_archs, " ".join(torch.gpu_archs.value))
        )
    return tuple(found)


def sources(release: TorchRelease | None) -> tuple[Source, ...]:
    """Where the architectures of the proposed release were read."""
    return () if release is None else (Source(release.source, release.read),)


def changes(release: TorchRelease | None, gpu: str) -> tuple[Change, ...]:
    """The release by its exact version: a range would bring a newer CUDA, and with it another driver."""
    if release is None:
        return ()
    says = f"Install torch {release.torch} (CUDA {release.cuda}), whose wheel on the package index has code for {gpu}."
    return (Change(kind=Kind.INSTALL, says=says, install={"torch": f"=={release.torch}"}),)


def engine_changes(facts: Facts, matrix: Matrix, gpu: str, *, older: bool = False) -> tuple[Change, ...]:
    """The nearest newer (or older) vLLM that pins such a torch: where vLLM is installed, torch cannot move without it."""
    present = version_of(facts, "vllm")
    if present is None:
        return ()
    torches = {f"=={row.torch}": row for row in fitting(facts, matrix, gpu)}
    claims = matrix.claims("vllm", "pins")
    for claim in reversed(claims) if older else claims:
        release, torch = bounds([claim], "vllm")[-1], torches.get(claim.then.get("torch", ""))
        if torch is not None and (release < present if older else release > present):
            says = f"Install vllm {release} with torch {torch.torch} (CUDA {torch.cuda}), which has code for {gpu}."
            return (Change(kind=Kind.INSTALL, says=says, install={"vllm": f"=={release}"}),)
    return ()


def newer_release(facts: Facts, matrix: Matrix, gpu: str) -> TorchRelease | None:
    """The oldest torch release after the installed one that has code for the GPU and starts on the driver."""
    return next((row for row in fitting(facts, matrix, gpu) if Version(row.torch) > installed_release(facts)), None)


def installed_release(facts: Facts) -> Version:
    """Release number of the installed torch, "2.6.0+cu124" as 2.6.0. Raises NotObserved."""
    torch = need(facts.builds.torch)
    return Version(readable("the version torch was built as", torch.version).public if torch is not None else "0")


def fitting(facts: Facts, matrix: Matrix, gpu: str) -> list[TorchRelease]:
    """Torch releases with code for the GPU, oldest first, without those whose CUDA the loaded driver cannot start."""
    driver = driver_version(facts)
    loaded = parsed(driver.value) if isinstance(driver, Known) and driver.value is not None else None
    floors = {row.cuda: Version(row.floor_driver) for row in matrix.cuda_releases()}
    rows = [row for row in matrix.torch_releases() if reach(row.archs, capability(gpu)) in {Reach.NATIVE, Reach.JIT}]
    return [row for row in rows if loaded is None or row.cuda not in floors or loaded >= floors[row.cuda]]
