"""The image refuses this driver: NVIDIA_REQUIRE_CUDA is not met.

## What it checks
The variables NVIDIA_REQUIRE_* of an image (or CUDA_VERSION, where it sets that alone) against the driver, the CUDA version
that this driver supports, the GPU and its brand, as the NVIDIA container toolkit evaluates them before it starts a container:
alternatives are separated by spaces, conditions that must all hold by commas, and NVIDIA_DISABLE_REQUIRE switches them off. A
brand is tried under every name that NVML may give it. In a container that runs already it is a warning: it was started in
spite of it.

## Why it breaks
The container does not start: "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please update your
driver to a newer version, or use an earlier cuda container". Not every way of handing out GPUs checks it: with CDI, many
releases of the toolkit do not.

## What to do
Update the driver on the host, or take an image that is built for an older CUDA. The check is stricter than CUDA itself: within
one major version torch starts on older drivers too. Whoever knows that can switch it off with `-e NVIDIA_DISABLE_REQUIRE=1`,
and then nothing stops a container that cannot work: kernels compiled from PTX, and libraries that call newer driver functions,
fail in the middle of a run.

## Sources
- https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
- https://github.com/NVIDIA/libnvidia-container/blob/main/src/cli/dsl.c
- https://github.com/NVIDIA/nvidia-container-toolkit/blob/main/internal/config/image/cuda_image.go
- https://github.com/NVIDIA/nvidia-container-toolkit/issues/152
- https://github.com/NVIDIA/nvidia-container-toolkit/issues/1470
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.demands import Host, Malformed, brands, holds, requirements
from envdoctor.facts import Known, NotObserved, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.rules.ed102_driver_too_old import floor_release, wanted_cuda
from envdoctor.views import driver_version, in_image, parsed, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.demands import Requirement
    from envdoctor.facts import Facts, Gpu
    from envdoctor.matrix import Matrix

CODE = "ED505"
CAUSE = "container-driver-requirement"
JOINT = Joint.MACHINE
QUESTION = "Would the container toolkit start this image on this driver?"
EXPLAINED_BY = ("ED102",)

READING = Source("https://github.com/NVIDIA/libnvidia-container/blob/main/src/cli/dsl.c", "2026-11-26")
REFUSAL = Source("https://github.com/NVIDIA/nvidia-container-toolkit/issues/152", "2026-11-26")
LONGEST = 3900
"""Characters of a requirement that was surely not cut; the probe keeps 4,096 at most. Those of NVIDIA's images have 2,500."""
MOST = 8
"""Requirements that are looked at."""
# what NVML calls the brand, and older toolkits "unknown" where they do not know that name
DATA_CENTRE = frozenset({"tesla", "nvidia", "unknown"})
WORKSTATION = frozenset({"quadro", "quadrortx", "nvidiartx", "nvidia", "unknown"})


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """Evaluate each requirement for each GPU."""
    if not in_image(facts) and need(facts.container.runtime) is None:
        return  # the variables of a plain machine are no image's
    demanded = requirements(need(facts.environ))[:MOST]
    if not demanded:
        return
    driver = driver_version(facts)
    version = need(driver)
    if version is None or not isinstance(driver, Known):
        return  # without a driver there is nothing that could start it: ED101 and ED502
    loaded = readable("the driver's version", version)
    where = facts.environ.via if isinstance(facts.environ, Known) else ""
    for one in demanded:
        if len(one.expression) > LONGEST:
            raise NotObserved(f"{one.variable[:60]} is so long that it may have been cut when it was read")
        try:
            met = satisfied(one, facts, matrix, loaded)
        except Malformed as condition:
            yield malformed(one, str(condition), where)
            continue
        if met is None:
            raise NotObserved(f"{one.variable[:60]} speaks of a brand or architecture of GPUs, and that of this one is not known")
        if not met and loaded > newest(matrix):
            raise NotObserved(f"which CUDA version driver {version} supports is not in the data")
        if not met:
            yield refusal(one, facts, matrix, driver, where)


def satisfied(one: Requirement, facts: Facts, matrix: Matrix, driver: Version) -> bool | None:
    """Whether every GPU meets it on that driver; None where that hangs on a GPU that is not known. Raises Malformed."""
    devices = facts.gpus.devices
    present: tuple[Gpu | None, ...] = devices.value or (None,) if isinstance(devices, Known) else (None,)
    kinds = set()
    for gpu in present:
        sm = gpu.compute_capability if gpu is not None else None
        kinds.add((sm.value if isinstance(sm, Known) else None, names(gpu, one.expression, matrix)))
    found, cuda = set(), cuda_of(driver, matrix)
    for arch, called in kinds:
        said = {holds(one.expression, Host(cuda, str(driver), arch, brand)) for brand in sorted(called)}
        found.add(said.pop() if len(said) == 1 else None)
    return False if False in found else None if None in found else True


def names(gpu: Gpu | None, expression: str, matrix: Matrix) -> frozenset[str]:
    """Brands that NVML may give this GPU; of one that is not known all that the requirement names, and one that it does not."""
    name = gpu.name.value.lower() if gpu is not None and isinstance(gpu.name, Known) else ""
    ids = gpu.pci_device_id.value if gpu is not None and isinstance(gpu.pci_device_id, Known) else ""
    for word in ("geforce", "titan"):
        if word in name:
            return frozenset({word})
    rows = [row for row in matrix.gpu_products() if name == f"nvidia {row.name}".lower() or ids in row.pci_device_ids]
    if any(row.datacenter for row in rows):
        return DATA_CENTRE
    return WORKSTATION if any(word in name for word in ("rtx", "quadro")) else brands(expression) | {"unknown", "of no name"}


def cuda_of(driver: Version, matrix: Matrix) -> str | None:
    """The newest CUDA version that the driver supports by itself; at least, if it is newer than the data."""
    found = [row.cuda for row in matrix.cuda_releases() if row.full_driver and Version(row.full_driver) <= driver]
    found += [row.cuda for row in matrix.driver_branches() if row.branch == str(driver.major)]
    return max(found, key=Version, default=None)


def newest(matrix: Matrix) -> Version:
    """The newest driver whose CUDA version the data knows."""
    return max(Version(row.full_driver) for row in matrix.cuda_releases() if row.full_driver)


def refusal(one: Requirement, facts: Facts, matrix: Matrix, driver: Known[str | None], where: str) -> Finding:
    """The finding that a requirement is not met."""
    loaded = Version(str(driver.value))
    cuda = cuda_of(loaded, matrix)
    first = one.expression.split(maxsplit=1)[0]
    others = len(one.expression.split()) - 1
    running = not in_image(facts)
    kind = "container's image" if running else "image"
    then = ". It was started in spite of it; its next start may be refused." if running else ", with docker run --gpus all."
    return Finding(
        code=CODE,
        title=f"this {kind} refuses driver {driver.value} (CUDA {cuda}): it asks for {first[:60]}",
        severity=Severity.WARNING if running else Severity.ERROR,
        layer=Layer.DECLARED,
        cause=CAUSE,
        subjects=("__driver",),
        why=f'"nvidia-container-cli: requirement error: unsatisfied condition: {first[:60]}", before anything of it runs{then}',
        evidence=(
            Evidence(one.variable, first + (f" or one of {others} more alternatives" if others else ""), where),
            seen("driver", driver),
        ),
        sources=(READING, REFUSAL),
        changes=tuple(ways_out(one, facts, matrix, loaded)),
    )


def malformed(one: Requirement, condition: str, where: str) -> Finding:
    """A requirement that cannot be read refuses every machine."""
    return Finding(
        code=CODE,
        title=f"{one.variable} holds {condition[:40]!r}, which the container toolkit cannot read",
        severity=Severity.WARNING,
        layer=Layer.DECLARED,
        cause="requirement-unreadable",
        subjects=("__driver",),
        why='The container does not start: "nvidia-container-cli: requirement error: invalid expression". Newer ones skip it.',
        evidence=(Evidence(one.variable, one.expression[:200], where),),
        sources=(READING,),
        changes=(Change(kind=Kind.REPLACE_IMAGE, says=f"Set {one.variable} to conditions of cuda, driver, arch and brand."),),
    )


def ways_out(one: Requirement, facts: Facts, matrix: Matrix, driver: Version) -> Iterator[Change]:
    """A newer driver, an older image; and, where torch would run, what switching the check off means."""
    for row in matrix.cuda_releases():
        newer = parsed(row.full_driver or "")
        if newer is not None and newer > driver and satisfied(one, facts, matrix, newer):
            says = f"Update the NVIDIA driver on the host to {row.full_driver} or newer."
            yield Change(kind=Kind.SYSTEM, says=says, suppose={"driver": str(row.full_driver)})
            break
    yield Change(kind=Kind.REPLACE_IMAGE, says=f"Take an image that is built for CUDA {cuda_of(driver, matrix)} or older.")
    try:
        wanted = wanted_cuda(facts)
    except NotObserved:
        return
    release = floor_release(matrix, wanted[1]) if wanted is not None else None
    if wanted is not None and release is not None and driver >= Version(release.floor_driver):
        says = (
            f"Start it anyway with -e NVIDIA_DISABLE_REQUIRE=1: {wanted[0]} (CUDA {wanted[1]}) starts on driver {driver} by "
            "minor-version compatibility. The danger: what needs a newer driver (kernels made from PTX) then fails in mid-run."
        )
        yield Change(kind=Kind.REPLACE_IMAGE, says=says)
