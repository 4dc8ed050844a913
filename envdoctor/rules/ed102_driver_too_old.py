"""The NVIDIA driver is too old for the CUDA runtime.

## What it checks
The CUDA version torch was built with (torch/version.py) and the CUDA major the vLLM extensions link against, compared
with the loaded kernel driver. Minor-version compatibility is applied: CUDA 12.x runs on every driver from 525.60.13 on,
CUDA 13.x from 580.65.06 on, so a cu124 build on driver 535 is healthy. A cuda-compat libcuda that is in force (forward
compatibility) raises what a data-centre GPU can run, and is taken into account.

## Why it breaks
The CUDA runtime in the wheel asks the driver for an interface it does not have: "The NVIDIA driver on your system is too
old (found version 12020)", "CUDA driver version is insufficient for CUDA runtime version" (error 35), or
torch.cuda.is_available() is silently False.

## What to do
Update the driver on the host (a container cannot bring its own), or install the build of torch and vLLM for the CUDA
major that the driver supports. On a data-centre GPU the cuda-compat package of the wanted CUDA major is a third way.

## Sources
- https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
- https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import bounds
from envdoctor.facts import Known, NotObserved, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.views import cuda_started, driver_version, in_report, installed, parsed, readable, torch_cuda, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.rows import CudaRelease

CODE = "ED102"
CAUSE = "driver-too-old-for-cuda"
JOINT = Joint.CUDA
QUESTION = "Is the driver new enough for the CUDA runtime?"
EXPLAINED_BY = ("ED101", "ED108")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """Compare what the packages were built with and the driver's floor for that CUDA major."""
    asked = wanted_cuda(facts)
    if asked is None:
        return
    package, cuda, evidence = asked
    driver = driver_version(facts)
    version = need(driver)
    if version is None or not isinstance(driver, Known):
        return  # no driver at all is ED101's finding, or a machine without GPU
    release = floor_release(matrix, cuda)
    if release is None:
        raise NotObserved(f"the driver that CUDA {cuda} needs is not in the data")
    loaded = readable("the driver's version", version)
    reaches = covered_by_compat(facts, release) or cuda_started(facts) or said_to_reach(facts, release)
    if loaded >= Version(release.floor_driver) or reaches:
        return
    major = cuda.split(".")[0]
    yield Finding(
        code=CODE,
        title=f"driver {version} is too old for CUDA {cuda}: {package} needs driver {release.floor_driver} or newer",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__driver", package),
        why=(
            f"CUDA {major}.x does not start on drivers older than {release.floor_driver}: "
            '"The NVIDIA driver on your system is too old", or torch.cuda.is_available() is False.'
        ),
        evidence=(seen("loaded driver", driver), evidence),
        sources=(Source(release.source, release.read),),
        changes=(
            Change(
                kind=Kind.SYSTEM,
                says=f"Update the NVIDIA driver on the host to {release.floor_driver} or newer; no container can bring its own.",
                suppose={"driver": release.floor_driver},
            ),
            *older_stacks(facts, matrix, loaded),
        ),
    )


def older_stacks(facts: Facts, matrix: Matrix, driver: Version) -> Iterator[Change]:
    """The newest torch that starts on this driver; where vLLM is installed, the newest vLLM that pins such a torch."""
    floors = {row.cuda: Version(row.floor_driver) for row in matrix.cuda_releases()}
    fitting = {row.torch: row for row in matrix.torch_releases() if row.cuda in floors and floors[row.cuda] <= driver}
    present = version_of(facts, "vllm")
    if present is None:
        for torch in list(fitting.values())[-1:]:
            says = (
                f"Or stay on driver {driver} and install torch {torch.torch} (CUDA {torch.cuda}), the newest that starts on it."
            )
            yield Change(kind=Kind.INSTALL, says=says, install={"torch": f"=={torch.torch}"})
        return
    for claim in reversed(matrix.claims("vllm", "pins")):
        pinned, newest = fitting.get(claim.then.get("torch", "").removeprefix("==")), bounds([claim], "vllm")[-1]
        if pinned is not None and newest < present:
            says = f"Stay on driver {driver} and install vllm {newest} with torch {pinned.torch} (CUDA {pinned.cuda})."
            yield Change(kind=Kind.INSTALL, says=says, install={"vllm": f"=={newest}"})
            return


def wanted_cuda(facts: Facts) -> tuple[str, str, Evidence] | None:
    """(package, CUDA version, evidence): what torch was built for, or what vLLM links against where there is no torch."""
    torch = torch_cuda(facts)
    cuda = need(torch)
    if cuda is not None and isinstance(torch, Known):
        return "torch", cuda, Evidence("CUDA that torch was built with", cuda, torch.via)
    vllm = facts.builds.vllm
    if isinstance(vllm, Known) and vllm.value is not None and isinstance(vllm.value.cuda_major, Known):
        major = vllm.value.cuda_major
        if major.value is not None and installed(facts, "torch") is None:
            return "vllm", f"{major.value}.0", Evidence("CUDA major that vLLM links against", str(major.value), major.via)
    return None


def floor_release(matrix: Matrix, cuda: str) -> CudaRelease | None:
    """The row of that CUDA version, else the first row of its major (the floor is the same within a major)."""
    rows = matrix.cuda_releases()
    exact = [row for row in rows if row.cuda == cuda]
    major = [row for row in rows if row.cuda.split(".")[0] == cuda.split(".", maxsplit=1)[0]]
    return next(iter(exact or major), None)


def said_to_reach(facts: Facts, release: CudaRelease) -> bool:
    """Whether a report names the CUDA that the libcuda in force supports, and it is of that major.

    In a container nvidia-smi names that of cuda-compat; and of Windows' drivers, which WSL has, the floors are others.
    """
    api = facts.driver.cuda_api
    reached = parsed(api.value or "") if in_report(facts) and isinstance(api, Known) else None
    return reached is not None and reached.major >= Version(release.cuda).major


def covered_by_compat(facts: Facts, release: CudaRelease) -> bool:
    """Whether a cuda-compat libcuda is in force that would do as a driver: minor-version compatibility holds for it too."""
    libcuda, api = facts.driver.libcuda, facts.driver.cuda_api
    if not isinstance(libcuda, Known) or not libcuda.value or libcuda.value[0].kind != "compat":
        return False
    version = parsed(libcuda.value[0].version or "")
    if version is not None:
        return version >= Version(release.floor_driver)
    reached = parsed(api.value or "") if isinstance(api, Known) else None
    return reached is not None and reached.major >= Version(release.cuda).major
