"""What a target is, apart from its packages, as short texts that two targets can be compared by. Pure.

Numbers are written as a person compares them (GiB, not bytes), so that two machines of one kind are not told apart by a few
pages of memory. What a lock does not say is Unknown here, even where its facts suppose a value so that rules can judge it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeVar

import msgspec

from envdoctor.facts import Known, Unknown
from envdoctor.stack import gpu_summary
from envdoctor.views import driver_version, in_lock, virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from envdoctor.facts import Facts, Image, Interpreter, LibCuda, Toolkit, TorchBuild
    from envdoctor.leaf import Leaf

T = TypeVar("T")

GIB = 1 << 30
LIBRARIES = ("__libcudart", "__libcublas", "__libcudnn", "__libnccl", "__libnvjitlink")
VARIABLES = {"LD_LIBRARY_PATH": LIBRARIES, "LD_PRELOAD": LIBRARIES, "CUDA_HOME": ("__cuda_home",), "CUDA_PATH": ("__cuda_home",)}
"""What findings are about that such a variable can cause."""
WHICH_ONE = frozenset({"VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"})
"""Variables that name the environment that is active: no property of the one that was read."""
NO_TORCH = "torch is not installed"
UNSAID = Unknown("a lock does not say it")


class Area(enum.Enum):
    """Where a trait belongs."""

    MACHINE = "machine"
    PYTHON = "python"
    BUILD = "build"
    VARIABLE = "variable"
    LIMIT = "limit"
    IMAGE = "image"
    """What the configuration of a container image says."""


class Says(enum.Enum):
    """How much a value claims. LEAST: it or newer. MINOR: a Python without its last number."""

    EXACTLY = "exactly"
    LEAST = "least"
    MINOR = "minor"


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """One property of a target in words. ``Known(None)``: there is none."""

    area: Area
    name: str
    said: Known[str | None] | Unknown
    subjects: tuple[str, ...] = ()
    """What findings are about that it may explain: normalized distribution names, __driver, __gpu, ..."""
    says: Says = Says.EXACTLY


BASE = "org.opencontainers.image.base."
"""Of the labels that name what an image was built from (annotations of the OCI image specification)."""


def traits(facts: Facts, variables: Iterable[str], *, image: bool = False) -> tuple[Trait, ...]:
    """Every trait, in the order of the page.

    Args:
        facts: of the target.
        variables: the environment variables to tell, set here or not.
        image: also what an image's configuration says.
    """
    told = _image(facts) if image else ()
    return (*told, *_machine(facts), *_python(facts), *_builds(facts), *_limits(facts), *_variables(facts, variables))


def _image(facts: Facts) -> Iterator[Trait]:
    rest: tuple[tuple[str, Callable[[Image], str | None]], ...] = (
        ("image", lambda one: short(one.digest)),
        ("base", lambda one: one.labels.get(f"{BASE}name")),
        ("base's digest", lambda one: one.labels.get(f"{BASE}digest")),
        ("platform", lambda one: f"{one.os}/{one.architecture}"),
        ("user", lambda one: one.user or "root"),
        ("entry point", lambda one: " ".join(one.entrypoint) or None),
        ("command", lambda one: " ".join(one.command) or None),
        ("layers", lambda one: f"{len(one.layers)}, the last {short(one.layers[-1])}" if one.layers else None),
    )
    for name, words in rest:
        leaf = facts.image
        said = Known(words(leaf.value), leaf.via) if isinstance(leaf, Known) and leaf.value is not None else _said(leaf)
        yield Trait(area=Area.IMAGE, name=name, said=said)


def short(digest: str) -> str:
    """A digest as a person compares it: "sha256:0123456789ab"."""
    algorithm, sign, number = digest.partition(":")
    return f"{algorithm}{sign}{number[:12]}"


def has_image(facts: Facts) -> bool:
    """Whether the target is an image whose configuration is known."""
    return isinstance(facts.image, Known) and facts.image.value is not None


def variables_of(facts: Facts) -> frozenset[str]:
    """Names of the variables that are set and that say something of the environment."""
    return frozenset(facts.environ.value) - WHICH_ONE if isinstance(facts.environ, Known) else frozenset()


def _said(leaf: Leaf[T | None], words: Callable[[T], str] = str, none: str | None = None) -> Known[str | None] | Unknown:
    if isinstance(leaf, Unknown):
        return leaf
    return Known(none if leaf.value is None else words(leaf.value), leaf.via)


def _machine(facts: Facts) -> Iterator[Trait]:
    host, lock = facts.host, in_lock(facts)
    floor = Says.LEAST if lock else Says.EXACTLY
    machine = Area.MACHINE
    glibc = _said(host.libc, lambda libc: f"{libc.name} {libc.version}")
    yield Trait(area=machine, name="driver", said=_said(driver_version(facts)), subjects=("__driver",), says=floor)
    yield Trait(area=machine, name="GPUs", said=UNSAID if lock else _gpus(facts), subjects=("__gpu",))
    sm = virtual(facts, "__sm")
    yield Trait(area=machine, name="compute capability", said=_said(sm), subjects=("__gpu", "__sm"))
    yield Trait(area=machine, name="libcuda", said=UNSAID if lock else _libcuda(facts), subjects=("__driver",))
    toolkits = _said(facts.cuda.toolkits, _toolkits)
    yield Trait(area=machine, name="CUDA toolkits", said=UNSAID if lock else toolkits, subjects=("__cuda_home",))
    yield Trait(area=machine, name="C library", said=glibc, subjects=("__glibc",), says=floor)
    yield Trait(area=machine, name="operating system", said=_said(host.os_name))
    yield Trait(area=machine, name="kernel", said=_said(host.kernel))
    yield Trait(area=machine, name="architecture", said=_said(host.arch))
    wsl = _said(host.wsl, lambda generation: f"WSL{generation}")
    yield Trait(area=machine, name="Windows Subsystem for Linux", said=UNSAID if lock else wsl)
    yield Trait(area=machine, name="container", said=UNSAID if lock else _said(facts.container.runtime), subjects=("__gpu",))
    fabric = _said(facts.gpus.fabric_manager, lambda one: f"{one.version or 'of unknown version'}{_running(one.running)}")
    yield Trait(area=machine, name="fabric manager", said=fabric, subjects=("__driver", "__gpu"))
    yield Trait(area=machine, name="CPU", said=_said(host.cpu_model))
    yield Trait(area=machine, name="CPUs", said=_said(host.cpu_count))
    yield Trait(area=machine, name="memory", said=_said(host.memory_bytes, _gib))


def _running(running: object) -> str:
    return ", running" if running else ", not running"


def _gib(size: int) -> str:
    return f"{size / GIB:.0f} GiB" if size >= 10 * GIB else f"{size / GIB:.2f} GiB"


def _gpus(facts: Facts) -> Known[str | None] | Unknown:
    devices = facts.gpus.devices
    if isinstance(devices, Unknown):
        return devices
    silent = next((gpu.name for gpu in devices.value if isinstance(gpu.name, Unknown)), None)
    return Known(gpu_summary(facts), devices.via) if silent is None else silent


def _libcuda(facts: Facts) -> Known[str | None] | Unknown:
    def words(found: tuple[LibCuda, ...]) -> str | None:
        return f"{found[0].version or 'of unknown version'} ({found[0].kind})" if found else None

    leaf = facts.driver.libcuda
    return leaf if isinstance(leaf, Unknown) else Known(words(leaf.value), leaf.via)


def _toolkits(found: tuple[Toolkit, ...]) -> str:
    return ", ".join(f"{one.version or 'of unknown version'} in {one.path}" for one in found) or "none"


def _python(facts: Facts) -> Iterator[Trait]:
    lock = in_lock(facts)

    def told(words: Callable[[Interpreter], str]) -> Known[str | None] | Unknown:
        return _said(facts.python, words)

    version = told(lambda one: one.version)
    says = Says.MINOR if lock else Says.EXACTLY
    yield Trait(area=Area.PYTHON, name="Python", said=version, subjects=("__python",), says=says)
    rest: tuple[tuple[str, Callable[[Interpreter], str]], ...] = (
        ("implementation", lambda one: one.implementation.lower()),
        ("threading", lambda one: "free-threaded" if one.free_threaded else "with the global lock"),
        ("kind of environment", lambda one: one.kind),
        ("packages of the system", lambda one: "seen" if one.include_system_site else "not seen"),
    )
    for name, words in rest:
        yield Trait(area=Area.PYTHON, name=name, said=UNSAID if lock else told(words))


def _builds(facts: Facts) -> Iterator[Trait]:
    torch = facts.builds.torch

    def told(words: Callable[[TorchBuild], Known[str | None] | Unknown]) -> Known[str | None] | Unknown:
        if isinstance(torch, Unknown):
            return torch
        return Known(NO_TORCH, torch.via) if torch.value is None else words(torch.value)

    via = torch.via if isinstance(torch, Known) else ""
    about = ("torch", "__cuda")
    yield Trait(area=Area.BUILD, name="torch built for", said=told(lambda one: Known(_flavour(one), via)), subjects=about)
    abi = told(lambda one: _said(one.cxx11_abi, lambda new: "C++11" if new else "before C++11"))
    yield Trait(area=Area.BUILD, name="torch's C++ ABI", said=abi, subjects=("torch",))
    archs = told(lambda one: _said(one.gpu_archs, lambda found: " ".join(found) or "none"))
    yield Trait(area=Area.BUILD, name="torch's GPU code", said=archs, subjects=("torch", "__gpu"))
    vllm = facts.builds.vllm
    runtime: Known[str | None] | Unknown
    if isinstance(vllm, Unknown):
        runtime = vllm
    elif vllm.value is None:
        runtime = Known("vllm is not installed", vllm.via)
    else:
        runtime = _said(vllm.value.cuda_major)
    yield Trait(area=Area.BUILD, name="vllm's CUDA runtime", said=runtime, subjects=("vllm",))
    built_as = facts.builds.built_as
    for name in ("torchvision", "torchaudio"):
        said = Known(built_as.value.get(name), built_as.via) if isinstance(built_as, Known) else built_as
        yield Trait(area=Area.BUILD, name=f"{name} built as", said=said, subjects=(name,))


def _flavour(one: TorchBuild) -> str:
    if one.hip is not None:
        return f"ROCm {one.hip}"
    kind = f"CUDA {one.cuda}" if one.cuda is not None else "the CPU"
    return f"{kind} (debug)" if one.debug else kind


def _limits(facts: Facts) -> Iterator[Trait]:
    container, free = facts.container, "no limit"
    nodes = UNSAID if in_lock(facts) else _said(container.device_nodes, lambda found: " ".join(found) or "none")
    rest: tuple[tuple[str, Known[str | None] | Unknown, tuple[str, ...]], ...] = (
        ("limit of memory", _said(container.memory_limit_bytes, _gib, free), ()),
        ("limit of CPUs", _said(container.cpu_limit, lambda count: f"{count:g}", free), ()),
        ("shared memory", _said(container.shm_bytes, _gib), ("__shm",)),
        ("locked memory", _said(container.memlock_bytes, lambda size: f"{size / 1024:.0f} KiB", free), ("__memlock",)),
        ("open files", _said(container.nofile), ()),
        ("device nodes", nodes, ("__gpu", "__driver")),
        ("driver files mounted", _said(container.nvidia_mounts, lambda there: "yes" if there else "no"), ("__gpu", "__driver")),
    )
    for name, said, subjects in rest:
        yield Trait(area=Area.LIMIT, name=name, said=said, subjects=subjects)


def _variables(facts: Facts, names: Iterable[str]) -> Iterator[Trait]:
    environ = facts.environ
    for name in sorted(names):
        said: Known[str | None] | Unknown
        if in_lock(facts):
            said = UNSAID
        else:
            said = Known(environ.value.get(name), environ.via) if isinstance(environ, Known) else environ
        yield Trait(area=Area.VARIABLE, name=name, said=said, subjects=VARIABLES.get(name, ()))
