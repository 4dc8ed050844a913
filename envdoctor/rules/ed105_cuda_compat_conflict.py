"""A cuda-compat or stub libcuda hides the driver's own.

## What it checks
Which libcuda.so.1 the loader takes first. A cuda-compat library (forward compatibility) is right only if it is newer
than the loaded driver and the GPU is a data-centre one. A stub library, made for linking only, is never right.

## Why it breaks
Older than the driver: "Error 803: system has unsupported display driver / cuda driver combination". On a GeForce or
another GPU outside the supported list: "Error 804: forward compatibility was attempted on non supported HW". The vLLM
images from 0.15.0 on put their cuda-compat folder into the loader's configuration, and meet both. A stub answers
everything with error 34, "CUDA driver is a stub library".

## What to do
Take the folder out of LD_LIBRARY_PATH or out of /etc/ld.so.conf.d (then ldconfig), so that the driver's own libcuda is
found first. A compat library newer than the driver on a data-centre GPU is healthy: leave it.

## Sources
- https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html
- https://github.com/gpustack/gpustack/issues/4678
- https://github.com/vllm-project/vllm/pull/33992
- https://github.com/numba/numba/issues/8985
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.views import driver_version, library_path_without, parsed, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts, LibCuda
    from envdoctor.matrix import Matrix

CODE = "ED105"
CAUSE = "cuda-compat-conflict"
JOINT = Joint.DRIVER
QUESTION = "Is the libcuda that is loaded first right for this driver and GPU?"
EXPLAINED_BY = ()

CONSUMER = ("geforce", "titan")
COMPAT_SOURCE = Source("https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html", "2026-11-22")
IMAGE_SOURCE = Source("https://github.com/gpustack/gpustack/issues/4678", "2026-11-22")
STUB_SOURCE = Source("https://github.com/numba/numba/issues/8985", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """Judge the first libcuda.so.1 by its kind."""
    libraries = need(facts.driver.libcuda)
    if not libraries:
        return
    first = libraries[0]
    if first.kind == "stub":
        yield finding(
            facts,
            f"the first libcuda.so.1 is a stub for linking: {first.path}",
            'Every CUDA call fails with error 34, "CUDA driver is a stub library".',
            (),
            STUB_SOURCE,
        )
    elif first.kind == "compat":
        yield from compat(facts, matrix, first)


def compat(facts: Facts, matrix: Matrix, first: LibCuda) -> Iterator[Finding]:
    """A cuda-compat library against the driver's version and the GPU."""
    driver = driver_version(facts)
    version = need(driver)
    if version is None or not isinstance(driver, Known):
        return
    ours = parsed(first.version or "")
    if ours is None:
        raise NotObserved(f"the version of the cuda-compat library {first.path} cannot be read from its name")
    loaded = Evidence("loaded driver", version, driver.via)
    theirs = readable("the driver's version", version)
    if ours < theirs:
        yield finding(
            facts,
            f"cuda-compat {first.version} hides the newer driver {version}",
            '"Error 803: system has unsupported display driver / cuda driver combination", or CUDA finds no device.',
            (loaded,),
            COMPAT_SOURCE,
            IMAGE_SOURCE,
        )
    elif ours > theirs:
        unfit = unsupported_gpu(facts, matrix)
        if unfit is not None:
            gpu, certain = unfit
            yield finding(
                facts,
                f"cuda-compat {first.version} is loaded on a GPU that does not support it: {gpu.value}",
                '"Error 804: forward compatibility was attempted on non supported HW", or CUDA finds no device.',
                (loaded, gpu),
                COMPAT_SOURCE,
                IMAGE_SOURCE,
                severity=Severity.ERROR if certain else Severity.WARNING,
            )


def unsupported_gpu(facts: Facts, matrix: Matrix) -> tuple[Evidence, bool] | None:
    """A GPU outside forward compatibility, and whether that is certain: a few professional RTX cards are supported."""
    outside = {ids for row in matrix.gpu_products() if not row.datacenter for ids in row.pci_device_ids}
    for gpu in need(facts.gpus.devices):
        name = need(gpu.name)
        via = gpu.name.via if isinstance(gpu.name, Known) else "NVML"
        if any(word in name.lower() for word in CONSUMER):
            return Evidence("GPU", name, via), True
        if isinstance(gpu.pci_device_id, Known) and gpu.pci_device_id.value in outside:
            return Evidence("GPU", name, via), False
    return None


def finding(
    facts: Facts, title: str, why: str, evidence: tuple[Evidence, ...], *sources: Source, severity: Severity = Severity.ERROR
) -> Finding:
    """The finding about the first libcuda, with the way to get it out of the way."""
    first, *others = need(facts.driver.libcuda)
    return Finding(
        code=CODE,
        title=title,
        severity=severity,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__driver",),
        why=why,
        evidence=(
            Evidence("libcuda.so.1 in force", f"{first.path} (version {first.version or 'not known'})", first.origin),
            *evidence,
        ),
        sources=sources,
        changes=tuple(ways_out(facts, first, [one for one in others if one.kind in {"driver", "wsl"}])),
    )


def ways_out(facts: Facts, first: LibCuda, better: list[LibCuda]) -> Iterator[Change]:
    """Without its folder on LD_LIBRARY_PATH; else with the driver's own folder first, and for good out of ld.so.conf.d."""
    folder = first.path.rpartition("/")[0]
    before = need(facts.environ).get("LD_LIBRARY_PATH", "")
    # the library is known by its real folder; the variable may name it by a link (/usr/local/cuda/compat)
    named = {entry.rstrip("/") for entry in before.split(":") if folder.rpartition("/")[2] in entry.split("/")}
    without = library_path_without(facts, {folder, *named}) if first.origin == "LD_LIBRARY_PATH" else {}
    if without:
        yield Change(kind=Kind.SET_ENV, says=f"Take {folder} out of LD_LIBRARY_PATH.", env=without)
        return
    if better:
        own = better[0].path.rpartition("/")[0]
        says = f"Put the folder of the driver's own libcuda, {own}, first on LD_LIBRARY_PATH."
        yield Change(kind=Kind.SET_ENV, says=says, env={"LD_LIBRARY_PATH": f"{own}:{before}" if before else own})
    yield Change(
        kind=Kind.SYSTEM,
        says=f"Remove the file in /etc/ld.so.conf.d that names {folder} (in vLLM's image: cuda-compat.conf), then run ldconfig.",
    )
