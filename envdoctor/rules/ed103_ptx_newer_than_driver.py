"""Code must be compiled by a driver that is older than the compiler that wrote it.

## What it checks
A driver that is new enough to start CUDA (ED102) but older than the CUDA release torch was built with runs ready machine
code (SASS) of that release, but refuses to compile its portable code (PTX). That matters only where PTX is all there is
for the GPU: torch's own kernels (its list of architectures), or vLLM's FlashAttention 2 from 0.9.2 on, which holds
machine code for compute capability 8.x and PTX for everything newer. Where flashinfer-python compiles kernels itself,
an info says so. A cu124 build on driver 535 with an A100 or H100 is healthy.

## Why it breaks
"CUDA error: the provided PTX was compiled with an unsupported toolchain" (cudaErrorUnsupportedPtxVersion, 222), at the
first kernel that has no machine code for the GPU, often long after the start.

## What to do
Update the driver to the one that shipped with that CUDA release, or use a build made with a CUDA release that the
driver knows.

## Sources
- https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
- https://github.com/vllm-project/vllm/issues/31700
- https://github.com/vllm-project/vllm/issues/47397
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.architectures import Reach, capability, coverage
from envdoctor.facts import Known, NotObserved, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import driver_version, in_report, installed, metadata_path, readable, torch_cuda, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts, Gpu
    from envdoctor.matrix import Matrix
    from envdoctor.rows import CudaRelease

CODE = "ED103"
CAUSE = "ptx-newer-than-driver"
JOINT = Joint.CUDA
QUESTION = "Can the driver compile the portable code (PTX) that the GPU needs?"
EXPLAINED_BY = ("ED102",)

FA2_WITHOUT_SASS = Version("0.9.2")
"""From this vLLM on _vllm_fa2_C holds sm_80 and compute_80 only (read from the wheels' bytes, 0.9.2 to 0.33.0)."""
HOPPER = (9, 0)
VLLM_SOURCE = Source("https://github.com/vllm-project/vllm/issues/31700", "2026-11-22")
FLASHINFER_SOURCE = Source("https://github.com/ztxz16/fastllm/issues/649", "2026-11-22")


class Skew(NamedTuple):
    """A driver that starts this CUDA release but is older than it."""

    driver: str
    cuda: str
    release: CudaRelease
    evidence: tuple[Evidence, ...]


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Where the driver is older than torch's CUDA, look for what only has PTX for the GPU."""
    skew = skewed(facts, matrix)
    if skew is None:
        return
    new = [gpu for gpu in need(facts.gpus.devices) if capability(need(gpu.compute_capability)) >= HOPPER]
    try:
        jitted = [one for one in coverage(facts) if one.reach in {Reach.JIT, Reach.FAR}]
    except NotObserved as lack:
        jitted = []
        yield Doubt(QUESTION, lack.why)
    for one in jitted:
        what = f"torch has only PTX for compute capability {one.capability}"
        yield finding(skew, Severity.ERROR, "torch", what, card(one.gpus[0]))
    if jitted:
        return
    vllm = version_of(facts, "vllm")
    if vllm is not None and vllm >= FA2_WITHOUT_SASS and new:
        what = f"vLLM's FlashAttention 2 has only PTX for compute capability {need(new[0].compute_capability)}"
        # where it is loaded is another matter: a report of something else must not be answered with what might be
        grave = Severity.INFO if in_report(facts) else Severity.WARNING
        yield finding(skew, grave, "vllm", what, (*package(facts, "vllm"), *card(new[0])), VLLM_SOURCE)
    elif installed(facts, "flashinfer-python") is not None:
        what = "flashinfer compiles kernels at run time"
        yield finding(skew, Severity.INFO, "flashinfer-python", what, package(facts, "flashinfer-python"), FLASHINFER_SOURCE)


def skewed(facts: Facts, matrix: Matrix) -> Skew | None:
    """The driver against torch's CUDA release; None where nothing is refused. Raises NotObserved."""
    torch, driver = torch_cuda(facts), driver_version(facts)
    cuda = need(torch)
    if cuda is None or not isinstance(torch, Known):
        return None
    version = need(driver)
    if version is None or not isinstance(driver, Known):
        return None
    wanted = Evidence("CUDA that torch was built with", cuda, torch.via)
    release = next((row for row in matrix.cuda_releases() if row.cuda == cuda), None)
    if release is None:
        raise NotObserved(f"the driver that belongs to CUDA {cuda} is not in the data")
    loaded = readable("the driver's version", version)
    if loaded < Version(release.floor_driver):
        return None
    api = facts.driver.cuda_api
    if isinstance(api, Known) and api.value is not None:
        # what the libcuda in force says of itself; a cuda-compat libcuda brings its own compiler
        if readable("the CUDA version that libcuda supports", api.value) >= Version(release.cuda):
            return None
        return Skew(version, cuda, release, (seen("loaded driver", driver), seen("CUDA of the driver", api), wanted))
    if release.full_driver is None:
        raise NotObserved(f"which driver shipped with CUDA {cuda} is not in the data")
    if loaded >= Version(release.full_driver):
        return None
    return Skew(version, cuda, release, (seen("loaded driver", driver), wanted))


def card(gpu: Gpu) -> tuple[Evidence, ...]:
    """Evidence of a GPU's compute capability."""
    leaf = gpu.compute_capability
    return (seen(f"compute capability of GPU {gpu.index}", leaf),) if isinstance(leaf, Known) else ()


def package(facts: Facts, name: str) -> tuple[Evidence, ...]:
    """Evidence of an installed package."""
    one = installed(facts, name)
    return () if one is None else (Evidence(name, one.version, metadata_path(one)),)


def finding(skew: Skew, severity: Severity, blamed: str, what: str, evidence: tuple[Evidence, ...], *sources: Source) -> Finding:
    """The finding, with the driver that shipped with the CUDA release as its cure."""
    full = skew.release.full_driver
    change = Change(
        kind=Kind.SYSTEM,
        says=f"Update the NVIDIA driver on the host to {full} or newer, the one of CUDA {skew.cuda}.",
        suppose={} if full is None else {"driver": full},
    )
    return Finding(
        code=CODE,
        title=f"{what}, and driver {skew.driver} cannot compile PTX of CUDA {skew.cuda}",
        severity=severity,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__driver", blamed),
        why='"CUDA error: the provided PTX was compiled with an unsupported toolchain", at the first such kernel.',
        evidence=(*skew.evidence, *evidence),
        sources=(Source(skew.release.source, skew.release.read), *sources),
        changes=(change,) if full is not None else (),
    )
