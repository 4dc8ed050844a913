"""What the curated tables know about a plan beside its joints: driver branch, cuda-compat, NCCL, base images. Pure."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.claims import admits, specifier
from envdoctor.facts import Known, NotObserved
from envdoctor.findings import Source
from envdoctor.views import distributions, torch_cuda, version_leaf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.claims import Claim
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.rows import ForwardCompatibility

NCCL = "nvidia-nccl-cu"
_COUNT = re.compile(r"^[1-9]\d{0,2}x")
MANY_IMAGES = 3


class Note(msgspec.Struct, frozen=True):
    """One or two sentences, and where they are known from."""

    says: str
    source: Source
    first: bool = False
    """Whether it bears on what was asked, and is not just good to know."""


def notes(wishes: Mapping[str, str], facts: Facts, matrix: Matrix) -> Iterator[Note]:
    """Everything the tables say about the driver, the CUDA and the NCCL of a plan.

    Args:
        wishes: what was named; ``driver`` and ``gpu`` are looked at.
        facts: the plan as facts, closed under its pins.
        matrix: the data.
    """
    cuda = _cuda(facts)
    if "driver" in wishes:
        yield from _driver(wishes["driver"].partition(".")[0], cuda, wishes.get("gpu"), matrix)
    yield from _ceilings(facts, matrix)
    yield from _nccl(facts, matrix)
    if cuda is not None:
        yield from _images(cuda, matrix)


def _cuda(facts: Facts) -> str | None:
    leaf = torch_cuda(facts)
    return getattr(leaf, "value", None)


def _driver(branch: str, cuda: str | None, gpu: str | None, matrix: Matrix) -> Iterator[Note]:
    row = next((one for one in matrix.driver_branches() if one.branch == branch), None)
    if row is not None:
        says = f"Driver branch {branch} ({row.kind}) supports CUDA {row.cuda} by itself; its end of life is {row.end_of_life}."
        yield Note(says, Source(row.source, row.read), first=True)
    compat = forward_compatible(matrix, cuda, branch, gpu)
    if compat is not None:
        says = f"On GPUs for data centres CUDA {compat.cuda} also starts on driver {branch} with the package {compat.package}."
        yield Note(says, Source(compat.source, compat.read), first=True)


def forward_compatible(matrix: Matrix, cuda: str | None, branch: str, gpu: str | None) -> ForwardCompatibility | None:
    """The cuda-compat package that brings a CUDA to an older driver branch; None if there is none, or not for this GPU.

    Args:
        matrix: the data.
        cuda: "13.0", or None.
        branch: of the driver, "535".
        gpu: a GPU's key (or "8xh100"), None if it is not known: then it may be one for data centres.
    """
    key = None if gpu is None else _COUNT.sub("", gpu.lower())
    product = next((one for one in matrix.gpu_products() if one.key == key), None)
    if product is not None and not product.datacenter:
        return None
    return next((one for one in matrix.forward_compatibility() if one.cuda == cuda and branch in one.branches), None)


def _ceilings(facts: Facts, matrix: Matrix) -> Iterator[Note]:
    """What is known to be needed of packages that are not in the plan: an installer would take today's."""
    versions = cache(partial(version_leaf, facts))
    present = distributions(facts)
    for name, one in present.items():
        narrowest: dict[str, Claim] = {}
        for claim in matrix.claims(name, "runtime"):
            leaves = ((spec, versions(other)) for other, spec in claim.when.items())
            if all(isinstance(leaf, Known) and leaf.value and admits(spec, leaf.value) for spec, leaf in leaves):
                for other in claim.then:
                    before = narrowest.get(other)
                    if before is None or _reach(claim.then[other]) < _reach(before.then[other]):
                        narrowest[other] = claim
        for other, claim in narrowest.items():
            if other not in present and not other.startswith("__"):
                says = f"{name} {one.version} is known to need {other} {claim.then[other]}; with another: {claim.says}"
                yield Note(f"{says} {claim.fix or ''}".strip(), Source(claim.source, claim.read), first=True)


def _reach(spec: str) -> Version:
    """How far up a range goes."""
    return min(Version(one.version.removesuffix(".*")) for one in specifier(spec))


def _nccl(facts: Facts, matrix: Matrix) -> Iterator[Note]:
    try:
        present = distributions(facts)
    except NotObserved:
        return
    for name, one in present.items():
        if name.startswith(NCCL):
            for row in matrix.nccl_facts():
                if admits(row.nccl, Version(one.version)):
                    yield Note(f"NCCL {one.version}: {row.says}", Source(row.source, row.read))


def _images(cuda: str, matrix: Matrix) -> Iterator[Note]:
    rows = [one for one in matrix.cuda_images() if one.cuda == cuda][:MANY_IMAGES]
    for row in rows:
        floor = f", starts on driver branch {row.driver_floor} and newer" if row.driver_floor else ""
        python = f", Python {row.python}" if row.python else ""
        yield Note(f"A base image of that CUDA: {row.image} (glibc {row.glibc}{python}{floor}).", Source(row.source, row.read))
