"""The compiled kernels of a package hold nothing that this GPU can run.

## What it checks
The fat binaries inside the libraries of torch, vLLM, FlashAttention and every other installed package, by their headers: for
how many of them an image is there that the GPU runs. Machine code runs within its own major number from its minor on
(sm_80 on 8.9), sm_90a on 9.0 only, sm_100f on 10.0 and 10.3; PTX (compute_90) on everything as new or newer. A package is
judged by its libraries' kernels for GPUs in general: 5 % or less is none, because one stray image (a file compiled for nvcc's
default) serves nobody, and all need not run. Kernels that are for other GPUs only (FlashAttention 3, FlashMLA) are normal and
for information. What torch itself supports is ED107 and ED108, by the list it was built for.

## Why it breaks
"CUDA error: no kernel image is available for execution on the device" at the first call of such a kernel, often long after
the start.

## What to do
Install a release that was built for the GPU, or build the package on this machine: most take the variable
TORCH_CUDA_ARCH_LIST.

## Sources
- https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/compute-capabilities.html
- https://developer.nvidia.com/blog/nvidia-blackwell-and-nvidia-cuda-12-9-introduce-family-specific-architecture-features
- the fat binaries of the vllm 0.8.5.post1, 0.10.2 and 0.32.0, sgl-kernel 0.3.21 and xformers 0.0.29.post2 wheels
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.architectures import by_capability, in_order, in_wheel, kernels
from envdoctor.claims import bounds
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.pins import said
from envdoctor.rules.ed107_gpu_arch_missing import WHY, alone, fitting, newer_release
from envdoctor.rules.ed107_gpu_arch_missing import changes as of_torch
from envdoctor.views import distributions, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.architectures import Kernels, Share
    from envdoctor.facts import Facts
    from envdoctor.linkage import DeviceCode
    from envdoctor.matrix import Matrix

CODE = "ED109"
CAUSE = "gpu-arch-unsupported-by-kernel"
OF_TORCH = "arch-not-in-torch-build"
JOINT = Joint.ENGINE
QUESTION = "Do the compiled kernels of every package run on this GPU?"
EXPLAINED_BY = ("ED107", "ED108")

SOURCE = Source("https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/compute-capabilities.html", "2026-11-25")
ORDER = tuple(Severity)
LIBTORCH = "torch/lib/libtorch_cuda.so"
ENGINES = ("torch", "vllm", "sgl-kernel")
"""Without their kernels nothing runs."""
USED = (
    "torchvision", "torchaudio", "xformers", "flash-attn", "vllm-flash-attn", "bitsandbytes", "transformer-engine",
    "transformer-engine-cu12", "transformer-engine-cu13", "apex", "causal-conv1d", "mamba-ssm",
)  # fmt: skip
"""Packages that one installs for their kernels. Of others, brought along by some requirement, it is good to know."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """For each compute capability one finding on packages that do not run, and one on libraries for other GPUs only."""
    groups = by_capability(facts)
    if not groups:
        return
    libraries = need(facts.device_code)
    here = {name for name, one in distributions(facts).items() if one.location}
    found = {gpu: tuple(kernels(libraries, gpu)) for gpu in groups}
    for gpu, packages in found.items():
        dead = sorted((one for one in packages if one.none), key=lambda one: (ORDER.index(severity(one)), one.package))
        used = [one for one in dead if severity(one) is not Severity.INFO]
        if used:
            names = {one.package for one in used}
            fine = [other for other in groups if not any(one.none for one in found[other] if one.package in names)]
            yield missing(facts, matrix, gpu, used, alone(card for other in fine for card in groups[other]))
            continue
        idle = [
            (one.package, library, part)
            for one in packages
            if one.package in here
            for library, part in one.libraries
            if not part.runs
        ]
        if idle:
            yield for_others(facts, gpu, idle)
    yield from not_read(facts, {one.package for one in libraries})


def severity(one: Kernels) -> Severity:
    """How bad it is to have none of its kernels."""
    if not one.general.of:
        return Severity.INFO  # made for another GPU altogether (FlashAttention 3 alone): whoever wants it knows
    return Severity.ERROR if one.package in ENGINES else Severity.WARNING if one.package in USED else Severity.INFO


def missing(facts: Facts, matrix: Matrix, gpu: tuple[int, int], used: list[Kernels], others: str) -> Finding:
    """Packages of which this GPU runs nothing; the gravest first."""
    first, gpus = used[0], by_capability(facts)[gpu]
    name = gpus[0].name
    card = name.value if isinstance(name, Known) else f"GPU {gpus[0].index}"
    one = distributions(facts).get(first.package)
    also = f" ({', '.join(one.package for one in used[1:])} too)" if used[1:] else ""
    whole = next((part for library, part in first.libraries if library.path == LIBTORCH), None)
    runs, of, _ = whole or first.general
    what = f"{runs} of {of} kernel images of {'libtorch_cuda of ' if whole else ''}{said(one) if one else first.package}"
    grave = severity(first)
    return Finding(
        code=CODE,
        title=f"{what} run on {card} (sm_{gpu[0]}{gpu[1]}){'' if runs else ', and no PTX'}{also}",
        severity=Severity.WARNING if others and grave is Severity.ERROR else grave,
        layer=Layer.LINKED,
        cause=OF_TORCH if first.package == "torch" else CAUSE,
        subjects=(*(one.package for one in used), "__gpu"),
        why=f"{WHY} Install a release built for this GPU, or build it here with TORCH_CUDA_ARCH_LIST={gpu[0]}.{gpu[1]}.{others}",
        evidence=(
            *(
                seen(f"compute capability of GPU {one.index}", leaf)
                for one in gpus
                if isinstance(leaf := one.compute_capability, Known)
            ),
            *(shown(facts, library, part) for one in used for library, part in one.libraries),
        ),
        sources=(SOURCE,),
        changes=tuple(changes(facts, matrix, first.package, gpu)),
    )


def for_others(facts: Facts, gpu: tuple[int, int], idle: list[tuple[str, DeviceCode, Share]]) -> Finding:
    """Libraries without code for this GPU in packages that run on it, or that nobody asked for: worth knowing."""
    names = list(dict.fromkeys(library.path.rpartition("/")[2].partition(".")[0] for _, library, _ in idle))
    return Finding(
        code=CODE,
        title=f"kernels for other GPUs than sm_{gpu[0]}{gpu[1]}: {', '.join(names[:3])}{', ...' if names[3:] else ''}",
        severity=Severity.INFO,
        layer=Layer.LINKED,
        cause="kernels-for-other-gpus",
        subjects=tuple(dict.fromkeys(package for package, _, _ in idle)),
        why="Their packages choose other kernels on this GPU; asking for these by name fails.",
        evidence=tuple(shown(facts, library, part) for _, library, part in idle),
        sources=(SOURCE,),
    )


def shown(facts: Facts, library: DeviceCode, part: Share) -> Evidence:
    """The share of one library, and all that it holds."""
    images = sorted({name for names in library.containers for name in names.split()}, key=in_order)
    by_ptx = f", {part.jit} of them by PTX" if part.jit else ""
    via = facts.device_code.via if isinstance(facts.device_code, Known) else ""
    return Evidence(f"kernel images of {library.path} that run", f"{part.runs} of {part.of}{by_ptx}; {' '.join(images)}", via)


def changes(facts: Facts, matrix: Matrix, package: str, gpu: tuple[int, int]) -> Iterator[Change]:
    """The nearest newer, else the newest older release of torch or vLLM with code for the GPU."""
    capability = f"{gpu[0]}.{gpu[1]}"
    if package == "torch":
        yield from of_torch(
            newer_release(facts, matrix, capability) or next(reversed(fitting(facts, matrix, capability)), None), capability
        )
    present = version_of(facts, "vllm")
    if package != "vllm" or present is None:
        return
    torches = {f"=={row.torch}": row for row in fitting(facts, matrix, capability)}
    built = {row.vllm: row for row in matrix.vllm_releases()}
    fits = []
    for claim in matrix.claims("vllm", "pins"):
        release = bounds([claim], "vllm")[-1]
        row, torch = built.get(str(release)), torches.get(claim.then.get("torch", ""))
        if row is not None and torch is not None and not any(one.none for one in kernels(in_wheel(row), gpu)):
            fits.append((release, torch))
    for release, torch in [one for one in fits if one[0] > present][:1] or [one for one in fits if one[0] < present][-1:]:
        says = f"Install vllm {release} with torch {torch.torch} (CUDA {torch.cuda}), which have code for {capability}."
        yield Change(kind=Kind.INSTALL, says=says, install={"vllm": f"=={release}"})


def not_read(facts: Facts, read: set[str]) -> Iterator[Doubt]:
    """Packages that are supposed to be there, whose kernels nobody has read.

    Torch is judged by its list (ED107), vLLM by the data; what moves along with these two was built for them.
    """
    supposed = {name: one for name, one in distributions(facts).items() if not one.location}
    asked = ENGINES[1:] if "torch" in supposed or "vllm" in supposed else (*ENGINES[1:], *USED)
    for name in asked:
        if name in supposed and name not in read:
            why = f"the kernels of {said(supposed[name])} are not known: only a wheel that is installed can be read"
            yield Doubt(QUESTION, why)
