"""What nodes are compared by, as short texts: the traits of ``diff``, taken apart where a part matters; packages. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.traits import Area, traits
from envdoctor.views import distributions, driver_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from envdoctor.facts import DirectUrl, Distribution, Facts
    from envdoctor.leaf import Leaf


class Kind(enum.Enum):
    """What an aspect is of."""

    TRAIT = "trait"
    """The machine, the interpreter, builds, limits."""
    PACKAGE = "package"
    VARIABLE = "variable"


class Aspect(NamedTuple):
    """One thing that can differ."""

    kind: Kind
    name: str
    """ "GPUs", "torch", "NCCL_SOCKET_IFNAME"."""


class Told(NamedTuple):
    """What a node says of it. ``Known(None)``: there is none."""

    said: Leaf[str | None]
    number: float | None = None
    """Of a quantity: nodes whose numbers are near one another are alike."""


BRANCH, KIND_OF_LIBCUDA, DRIVER_CUDA, NCCL, FABRIC, PATCH = (
    "driver branch",
    "kind of libcuda",
    "CUDA that the driver offers",
    "NCCL that is loaded",
    "fabric manager runs",
    "Python's patch release",
)
FOLDED = frozenset({"compute capability", "libcuda"})
"""Traits that others here tell: the GPUs, the kind of libcuda and its CUDA."""
MAX_PACKAGES = 5000
"""Of one node; the largest environments have a tenth of it."""


def told(facts: Facts, variables: Iterable[str]) -> dict[Aspect, Told]:
    """Every aspect of a node, packages last. ``variables``: the environment variables to tell, set here or not."""
    found: dict[Aspect, Told] = {}
    numbers = _numbers(facts)
    for one in traits(facts, variables):
        if one.name in FOLDED:
            continue
        kind = Kind.VARIABLE if one.area is Area.VARIABLE else Kind.TRAIT
        name, said = one.name, one.said
        if (kind, name) == (Kind.TRAIT, "Python"):
            found[Aspect(Kind.TRAIT, PATCH)] = Told(said)
            said = _of(said, lambda version: ".".join(version.split(".")[:2]))
        found[Aspect(kind, name)] = Told(said, numbers.get(name) if kind is Kind.TRAIT else None)
    for name, said in _parts(facts):
        found[Aspect(Kind.TRAIT, name)] = Told(said)
    for name, version in versions(facts).items():
        found[Aspect(Kind.PACKAGE, name)] = Told(Known(version, ""))
    return found


def packages_unknown(facts: Facts) -> str | None:
    """Why the packages of a node are not known; None where they are."""
    leaf = facts.packages.distributions
    return leaf.why if isinstance(leaf, Unknown) else None


def versions(facts: Facts) -> Mapping[str, str]:
    """Normalized name -> version, with the commit where it is not a release; empty where the packages are not known."""
    try:
        present = distributions(facts)
    except NotObserved:
        return {}
    return {name: _version(one) for name, one in list(present.items())[:MAX_PACKAGES]}


def _version(one: Distribution) -> str:
    source = _source(one.direct_url)
    return f"{one.version} ({source})" if source else one.version


def _source(url: DirectUrl | None) -> str:
    if url is None:
        return ""
    return ", ".join(([f"commit {url.commit[:12]}"] if url.commit else []) + (["editable"] if url.editable else []))


def _of(said: Leaf[str | None], words: Callable[[str], str]) -> Leaf[str | None]:
    return said if isinstance(said, Unknown) or said.value is None else Known(words(said.value), said.via)


def _numbers(facts: Facts) -> dict[str, float]:
    """The quantities among the traits: bytes and counts."""
    host, box = facts.host, facts.container
    leaves = {
        "memory": host.memory_bytes,
        "CPUs": host.cpu_count,
        "limit of memory": box.memory_limit_bytes,
        "limit of CPUs": box.cpu_limit,
        "shared memory": box.shm_bytes,
        "locked memory": box.memlock_bytes,
        "open files": box.nofile,
    }
    return {
        name: float(leaf.value)
        for name, leaf in leaves.items()
        if isinstance(leaf, Known) and isinstance(leaf.value, (int, float))
    }


def _parts(facts: Facts) -> Iterator[tuple[str, Leaf[str | None]]]:
    """What the traits of ``diff`` do not tell apart."""
    yield BRANCH, _of(driver_version(facts), lambda version: version.split(".", maxsplit=1)[0])
    libcuda = facts.driver.libcuda
    yield (
        KIND_OF_LIBCUDA,
        libcuda if isinstance(libcuda, Unknown) else Known(libcuda.value[0].kind if libcuda.value else None, libcuda.via),
    )
    yield DRIVER_CUDA, facts.driver.cuda_api
    libraries = facts.cuda.libraries
    if isinstance(libraries, Unknown):
        yield NCCL, libraries
    else:
        first = next((one for one in libraries.value if one.stem == "libnccl"), None)
        yield NCCL, Known(None if first is None else first.version or "of unknown version", libraries.via)
    fabric = facts.gpus.fabric_manager
    if isinstance(fabric, Unknown):
        yield FABRIC, fabric
    else:
        yield FABRIC, Known(None if fabric.value is None else "yes" if fabric.value.running else "no", fabric.via)
