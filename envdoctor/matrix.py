"""Compatibility data: claims and tables, read from JSON Lines, decided three-valued.

A claim says *when* these versions are present, *then* those must be in range. Names are normalized distribution names or
virtual packages (``__driver``, ``__cuda``, ``__glibc``, ``__python``, ``__sm``); ranges are PEP 440 specifiers and
nothing more. Every row carries its source and the day it was read: a row without them does not load. Only the
files a check asks for are read: claims live in one file per package that their first *when* names.
"""

from __future__ import annotations

import enum
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from envdoctor.facts import Known, Unknown
from envdoctor.rows import (
    CudaImage,
    CudaRelease,
    DriverBranch,
    ForwardCompatibility,
    GpuProduct,
    NcclFact,
    NonEmpty,
    Run,
    Sourced,
    TorchRelease,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Versions = Callable[[str], Known[Version | None] | Unknown]

DATA = os.path.join(os.path.dirname(__file__), "data")
KINDS = ("curated", "derived")
"""Folders of claims: written by a person from a source, and generated from wheel bytes. They never share a file."""

Basis = Literal["wheel-metadata", "wheel-code", "wheel-bytes", "vendor", "maintainer", "measured"]
Row = TypeVar("Row", bound=msgspec.Struct)


class Claim(Sourced, frozen=True):
    """When -> then. ``topic`` names the rule family that judges it."""

    id: str
    topic: Literal["pins", "torch-family", "trainer-engine", "runtime", "glibc"]
    when: Annotated[dict[str, str], NonEmpty]
    then: Annotated[dict[str, str], NonEmpty]
    basis: Basis
    says: str
    """What breaks, as the user sees it (the error text where one is known)."""
    cause: str | None = None
    """Slug of the cause, for topic runtime."""
    severity: Literal["error", "warning", "info"] = "error"
    fix: str | None = None
    """What mends it, in one imperative sentence, for topic runtime."""

    def admits(self, name: str, version: Version) -> bool:
        """Whether *when* is about this package alone and admits this version."""
        return set(self.when) == {name} and admits(self.when[name], version)


class DecisionKind(enum.Enum):
    """Three values, and a fourth for claims about something that is not there."""

    HOLDS = "holds"
    BROKEN = "broken"
    CANNOT_TELL = "cannot tell"
    NOT_APPLICABLE = "not applicable"


PRECEDENCE = (DecisionKind.BROKEN, DecisionKind.CANNOT_TELL, DecisionKind.HOLDS, DecisionKind.NOT_APPLICABLE)
"""Which of a claim's ranges speaks for the claim."""


class Decision(msgspec.Struct, frozen=True):
    """``name`` is the package whose version decided; ``why`` says so in words."""

    kind: DecisionKind
    name: str
    why: str


MAX_SPECIFIER = 1000
"""Characters of a specifier set; the longest on the package index are a list of excluded releases, about 200."""


def specifier(text: str) -> SpecifierSet:
    """Parse a PEP 440 specifier set once. Raises packaging's InvalidSpecifier, also where it is too long to be meant."""
    if len(text) > MAX_SPECIFIER:
        raise InvalidSpecifier(f"a specifier of {len(text)} characters")
    return _specifier(text)


@lru_cache(maxsize=4096)
def _specifier(text: str) -> SpecifierSet:
    return SpecifierSet(text)


@lru_cache(maxsize=8192)
def admits(spec: str, version: Version) -> bool:
    """Whether the range admits the version; pre-releases count as themselves. Raises InvalidSpecifier."""
    return specifier(spec).contains(version, prereleases=True)


def bounds(claims: Iterable[Claim], package: str) -> list[Version]:
    """The releases of a package that these claims name in *when*, oldest first: the ones known to exist."""
    named = {one.version for claim in claims for one in specifier(claim.when.get(package, ""))}
    return sorted(Version(text) for text in named if not text.endswith(".*"))


def decide(claim: Claim, versions: Versions) -> Decision:
    """Decide one claim by itself: what is known for certain decides, whatever else is unknown.

    A package that is not installed meets no *when* and breaks no *then*.
    """
    unknown_when: Decision | None = None
    for name, spec in claim.when.items():
        leaf = versions(name)
        if isinstance(leaf, Unknown):
            unknown_when = unknown_when or Decision(DecisionKind.CANNOT_TELL, name, leaf.why)
        elif leaf.value is None:
            return Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} is not there")
        elif not admits(spec, leaf.value):
            return Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} {leaf.value} is not {spec}")
    decision = _decide_then(claim, versions)
    if decision.kind in {DecisionKind.BROKEN, DecisionKind.CANNOT_TELL}:
        return unknown_when or decision
    return decision


def _decide_then(claim: Claim, versions: Versions) -> Decision:
    """Broken if one range is, else unknown if one is, else holds if there is anything that it holds for."""
    found: dict[DecisionKind, Decision] = {}
    for name, spec in claim.then.items():
        leaf = versions(name)
        if isinstance(leaf, Unknown):
            decision = Decision(DecisionKind.CANNOT_TELL, name, leaf.why)
        elif leaf.value is None:
            decision = Decision(DecisionKind.NOT_APPLICABLE, name, f"{name} is not there")
        elif admits(spec, leaf.value):
            decision = Decision(DecisionKind.HOLDS, name, f"{name} {leaf.value} is {spec}")
        else:
            decision = Decision(DecisionKind.BROKEN, name, f"{name} {leaf.value} is not {spec}")
        found.setdefault(decision.kind, decision)
    return next(found[kind] for kind in PRECEDENCE if kind in found)


class DataError(Exception):
    """Compatibility data that cannot be read: file, line and reason."""


class Matrix:
    """The data under one folder, read when first asked for."""

    def __init__(self, folder: str = DATA) -> None:
        self.folder = folder
        self._read: dict[str, tuple[msgspec.Struct, ...]] = {}
        self._subjects: tuple[str, ...] | None = None

    def claims(self, package: str, topic: str) -> tuple[Claim, ...]:
        """The claims of a topic whose *when* names the package first.

        Package names come from targets and are hostile: only a name that has a file here is ever made into a path.
        """
        if package not in self.subjects():
            return ()
        rows = [self._rows(f"claims/{kind}/{package}.jsonl", Claim) for kind in KINDS]
        return tuple(claim for found in rows for claim in found if claim.topic == topic)

    def subjects(self) -> tuple[str, ...]:
        """Packages that have claims."""
        if self._subjects is None:
            files = [name for kind in KINDS for name in self._listed(f"claims/{kind}")]
            self._subjects = tuple(sorted({name.removesuffix(".jsonl") for name in files if name.endswith(".jsonl")}))
        return self._subjects

    def cuda_releases(self) -> tuple[CudaRelease, ...]:
        """CUDA toolkit releases, oldest first."""
        return self._rows("tables/cuda_releases.jsonl", CudaRelease)

    def gpu_products(self) -> tuple[GpuProduct, ...]:
        """GPU products."""
        return self._rows("tables/gpu_products.jsonl", GpuProduct)

    def torch_releases(self) -> tuple[TorchRelease, ...]:
        """Torch releases of the package index, oldest first."""
        return self._rows("tables/torch_releases.jsonl", TorchRelease)

    def driver_branches(self) -> tuple[DriverBranch, ...]:
        """Branches of the NVIDIA driver, oldest first."""
        return self._rows("tables/driver_branches.jsonl", DriverBranch)

    def forward_compatibility(self) -> tuple[ForwardCompatibility, ...]:
        """The cuda-compat packages, oldest CUDA first."""
        return self._rows("tables/forward_compatibility.jsonl", ForwardCompatibility)

    def nccl_facts(self) -> tuple[NcclFact, ...]:
        """What is known of NCCL releases."""
        return self._rows("tables/nccl.jsonl", NcclFact)

    def cuda_images(self) -> tuple[CudaImage, ...]:
        """CUDA base images."""
        return self._rows("tables/cuda_images.jsonl", CudaImage)

    def runs(self) -> tuple[Run, ...]:
        """Stacks that were really run."""
        return self._rows("tables/runs.jsonl", Run)

    def _listed(self, folder: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self.folder, folder))
        except FileNotFoundError:
            return []

    def _rows(self, name: str, row: type[Row]) -> tuple[Row, ...]:
        if name not in self._read:
            path = os.path.join(self.folder, name)
            try:
                with open(path, "rb") as handle:
                    data = handle.read()
            except FileNotFoundError:
                data = b""
            try:
                self._read[name] = tuple(_decoder(row).decode_lines(data))
            except msgspec.DecodeError as error:
                raise DataError(f"{path}:{_bad_line(data, row)}: {error}") from error
        return self._read[name]  # type: ignore[return-value]


@lru_cache
def _decoder(row: type[Row]) -> msgspec.json.Decoder[Row]:
    return msgspec.json.Decoder(row)


def _bad_line(data: bytes, row: type[Row]) -> int:
    """Number of the first line that does not decode; decode_lines does not say which one it was."""
    lines = data.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            _decoder(row).decode(line)
        except msgspec.DecodeError:
            return number
    return len(lines)
