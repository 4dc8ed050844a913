"""Linkage as it would be with another package or another LD_LIBRARY_PATH. Pure.

The bytes of a package that is not there cannot be linked. What stands in for them is what its makers declare: a wheel that pins
one exact release of torch was compiled against it, and loads with it. Everything else becomes undecided, and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.claims import admits, exact_pin
from envdoctor.facts import Facts, Known, Unknown
from envdoctor.linkage import LinkedModule, Names, TorchImport
from envdoctor.requirements import requirements
from envdoctor.views import distributions, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from envdoctor.leaf import Leaf
    from envdoctor.linkage import LinkProblem
    from envdoctor.matrix import Matrix

CUDA_WHEELS = "nvidia-"
TORCH = ("libtorch", "libc10")


def with_package(facts: Facts, matrix: Matrix, name: str, version: str | None, via: str) -> Facts:
    """The facts with their linkage as after the change; ``facts`` already holds the supposed distribution.

    Args:
        facts: with the change applied to the packages.
        matrix: the compatibility data, for what a release that is not here pins.
        name: the distribution that was changed, normalized.
        version: what it is now; None for removed.
        via: how the supposition is written.
    """
    linking = facts.linking
    torch, modules = linking.torch, linking.modules
    if name == "torch" or name.startswith(CUDA_WHEELS):
        torch = _torch(facts, torch, name, version, via)
    if isinstance(modules, Known):
        changed = tuple(
            _module(facts, matrix, one, name, via) for one in modules.value if version is not None or one.package != name
        )
        modules = Known(changed, modules.via if changed == modules.value else via)
    linking = msgspec.structs.replace(linking, torch=torch, modules=modules)
    return msgspec.structs.replace(facts, linking=linking, names=_names(facts.names, name, via))


def _torch(facts: Facts, leaf: Leaf[TorchImport | None], name: str, version: str | None, via: str) -> Leaf[TorchImport | None]:
    """Torch loads with the CUDA libraries that it pins; with others it cannot be told, unless nothing was wrong before."""
    if name == "torch" and version is None:
        return Known(None, via)
    if isinstance(leaf, Known) and leaf.value is None:
        return Unknown(f"torch {version} is not here to be linked") if name == "torch" else leaf
    pins = [
        edge
        for edge in requirements(facts).edges
        if normalized(edge.requirer.name) == "torch" and edge.name.startswith(CUDA_WHEELS)
    ]
    present = distributions(facts)
    fits = all(
        (one := present.get(edge.name)) is not None
        and (found := parsed(one.version)) is not None
        and admits(edge.specifier, found)
        for edge in pins
    )
    if fits or name == "torch":
        # an installer that changes torch brings the CUDA libraries that it pins
        return Known(TorchImport(problems=(), preloads=()), via)
    return Unknown(f"whether torch loads with {name} {version or 'removed'} cannot be told before it is installed")


def _module(facts: Facts, matrix: Matrix, one: LinkedModule, name: str, via: str) -> LinkedModule:
    """One module after the change: unchanged, loading, or undecided."""
    if one.package != name and not (_binds_to_torch(facts, one) if name == "torch" else _concerned(one, name)):
        return one
    torch = distributions(facts).get("torch")
    release = parsed(torch.version) if torch is not None else None
    pins = [spec for spec in _asked_of_torch(facts, matrix, one.package) if exact_pin(spec) is not None]
    if one.package == "torch" or (pins and release is not None and all(admits(spec, release) for spec in pins)):
        return msgspec.structs.replace(one, problems=(), problem_count=0, undecided=None)
    if one.package != name and not one.problems and not pins and name != "torch":
        return one
    why = f"{via}: whether {one.package} loads with it cannot be told before it is installed"
    return msgspec.structs.replace(one, problems=(), problem_count=0, undecided=why)


def _asked_of_torch(facts: Facts, matrix: Matrix, package: str) -> Iterator[str]:
    """The ranges of torch that a package asks for, by its metadata or, for one that is not here, by the data."""
    for edge in requirements(facts).edges:
        if edge.name == "torch" and normalized(edge.requirer.name) == package:
            yield edge.specifier
    present = distributions(facts).get(package)
    release = parsed(present.version) if present is not None else None
    for claim in matrix.claims(package, "torch-family"):
        if release is not None and "torch" in claim.then and claim.admits(package, release):
            yield claim.then["torch"]


def _binds_to_torch(facts: Facts, one: LinkedModule) -> bool:
    """Whether a module of its package needs torch's libraries; Triton's and Ray's do not care which torch is there."""
    extensions = facts.builds.extensions
    if one.problems or not isinstance(extensions, Known):
        return True
    libraries = [soname for extension in extensions.value if extension.package == one.package for soname in extension.needed]
    return any(soname.startswith(TORCH) for soname in libraries)


def _concerned(one: LinkedModule, name: str) -> bool:
    """Whether a problem of the module is about a library of that distribution."""
    stem = name.removeprefix(CUDA_WHEELS).rpartition("-cu")[0] or name
    return any(stem.replace("-", "_") in (problem.of or problem.wants).lower() for problem in one.problems)


def _names(names: Names, name: str, via: str) -> Names:
    """What was read of a package that is now another one says nothing; the data may (see the rules)."""
    missing, pairs = names.missing, names.pairs
    if isinstance(missing, Known):
        missing = Known(tuple(one for one in missing.value if name not in {one.importer, one.exporter}), missing.via)
    if isinstance(pairs, Known):
        kept = tuple(one for one in pairs.value if name not in {one.importer, one.exporter})
        pairs = Known(kept, pairs.via if len(kept) == len(pairs.value) else via)
    return msgspec.structs.replace(names, missing=missing, pairs=pairs)


def without_folders(facts: Facts, folders: Collection[str], via: str) -> Facts:
    """LD_LIBRARY_PATH or LD_PRELOAD no longer lets in the libraries of these folders."""
    linking, copies = facts.linking, facts.linking.copies
    if not folders or not isinstance(copies, Known):
        return facts
    gone = {one.soname for one in copies.value if one.path.rpartition("/")[0] in folders}
    own = {one.soname for one in copies.value if one.path.rpartition("/")[0] not in folders}

    def healed(problem: LinkProblem) -> bool:
        where, _, name = (problem.of or "").rpartition("/")
        return where in folders if where else name in gone

    torch, modules = linking.torch, linking.modules
    if isinstance(torch, Known) and torch.value is not None and any(map(healed, torch.value.problems)):
        if gone <= own and all(map(healed, torch.value.problems)):
            torch = Known(msgspec.structs.replace(torch.value, problems=()), via)
        else:
            torch = Unknown(f"{via}: which library is found instead cannot be told")
    if isinstance(modules, Known) and any(healed(problem) for one in modules.value for problem in one.problems):
        modules = Known(
            tuple(
                msgspec.structs.replace(one, problems=(), problem_count=0)
                if one.problems and all(map(healed, one.problems))
                else one
                for one in modules.value
            ),
            via,
        )
    return msgspec.structs.replace(facts, linking=msgspec.structs.replace(linking, torch=torch, modules=modules))
