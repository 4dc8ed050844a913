"""CUDA libraries of another installation come before the ones torch brought.

## What it checks
For each CUDA library that a wheel brings (libcudart, libcublas, libcudnn, libnccl, libnvJitLink): whether LD_PRELOAD or
LD_LIBRARY_PATH offers a copy of the same SONAME and another version before it. How bad that is depends on the library.
Torch's own libraries look into the wheels first, so a toolkit on LD_LIBRARY_PATH is mostly harmless. What breaks is
libnvJitLink before torch 2.6, which loads its own copy beforehand (both measured), and by many reports cuDNN and NCCL.
A newer copy is an info, since within one SONAME newer serves older, except for cuDNN, whose parts must be of one version.

## Why it breaks
An older copy lacks functions: "undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12", "undefined
symbol: ncclCommRegister", "cuDNN version incompatibility: PyTorch was compiled against ... but found runtime version".

## What to do
Take the folder out of LD_LIBRARY_PATH (or the file out of LD_PRELOAD); torch's wheels need neither.

## Sources
- https://github.com/pytorch/pytorch/issues/134929
- https://github.com/infiniflow/ragflow/issues/4466
- https://github.com/pytorch/pytorch/issues/80637
- https://github.com/pytorch/pytorch/issues/119932
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.views import library_path_without, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts, Library
    from envdoctor.matrix import Matrix

CODE = "ED305"
CAUSE = "ld-library-path-shadow"
JOINT = Joint.CUDA
QUESTION = "Does torch get its own CUDA libraries?"
EXPLAINED_BY = ()

VARIABLES = ("LD_PRELOAD", "LD_LIBRARY_PATH")
CAUSES = {"libcudnn": "cudnn-shadow", "libnccl": "nccl-version-mismatch"}
PRELOADS_NVJITLINK = Version("2.6")
"""From this torch on ``import torch`` loads its own libnvJitLink before the loader can choose another (measured)."""
SYMPTOMS = {
    "libnvJitLink": '"undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12" when torch is imported.',
    "libcudnn": '"cuDNN version incompatibility: PyTorch was compiled against one version but found another at runtime".',
    "libnccl": '"undefined symbol: ncclCommRegister" when torch is imported, or errors in multi-GPU communication.',
}
OTHER = "A library of another version may lack functions that torch calls, or compute with other kernels than were tested."
SOURCES = {
    "libnvJitLink": "https://github.com/pytorch/pytorch/issues/134929",
    "libcudnn": "https://github.com/pytorch/pytorch/issues/80637",
    "libnccl": "https://github.com/pytorch/pytorch/issues/119932",
}
ORDER = tuple(Severity)
WORST_FIRST = ("libnvJitLink", "libcudnn", "libnccl", "libcublas", "libcudart")


class Shadow(NamedTuple):
    """A foreign copy that comes before the wheel's."""

    foreign: Library
    own: Library
    severity: Severity


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """One finding for each foreign folder, headed by the library that breaks most."""
    folders: dict[str, list[Shadow]] = {}
    for one in shadows(facts):
        folders.setdefault(one.foreign.path.rpartition("/")[0], []).append(one)
    for folder, found in folders.items():
        found.sort(key=lambda one: (ORDER.index(one.severity), WORST_FIRST.index(one.foreign.stem)))
        worst, own = found[0].foreign, found[0].own
        yield Finding(
            code=CODE,
            title=f"{worst.origin} puts {worst.soname} {worst.version or 'of unknown version'} before torch's {own.version}",
            severity=found[0].severity,
            layer=Layer.LINKED,
            cause=CAUSES.get(worst.stem, CAUSE),
            subjects=("torch", f"__{worst.stem.lower()}"),
            why=SYMPTOMS.get(worst.stem, OTHER),
            evidence=tuple(line for one in found for line in evidence(one)),
            sources=(Source(SOURCES.get(worst.stem, SOURCES["libnvJitLink"]), "2026-11-22"),),
            changes=tuple(ways_out(facts, folder, worst)),
        )


def shadows(facts: Facts) -> Iterator[Shadow]:
    """Copies from LD_PRELOAD or LD_LIBRARY_PATH before a wheel's copy of the same SONAME but another version."""
    own: dict[str, Library] = {}
    libraries = need(facts.cuda.libraries)
    for one in libraries:
        if one.origin == "wheel":
            own.setdefault(one.soname, one)
    met = set()
    for one in libraries:
        if one.origin == "wheel":
            met.add(one.soname)
        elif one.origin in VARIABLES and one.soname in own and one.soname not in met and one.version != own[one.soname].version:
            yield Shadow(one, own[one.soname], severity(facts, one, own[one.soname]))


def severity(facts: Facts, foreign: Library, own: Library) -> Severity:
    """By the order of versions, the library, and the way it is offered; see the page above."""
    theirs, ours = parsed(foreign.version or ""), parsed(own.version or "")
    if theirs is None or ours is None:
        return Severity.WARNING
    if theirs >= ours:
        return Severity.WARNING if foreign.stem == "libcudnn" else Severity.INFO
    if foreign.origin == "LD_PRELOAD":
        return Severity.ERROR
    if foreign.stem == "libnvJitLink":
        torch = need(facts.builds.torch)
        release = parsed(torch.version) if torch is not None else None
        return Severity.WARNING if release is None or release >= PRELOADS_NVJITLINK else Severity.ERROR
    return Severity.ERROR if foreign.stem in CAUSES else Severity.WARNING


def evidence(one: Shadow) -> Iterator[Evidence]:
    """Both copies."""
    yield Evidence("found first", f"{one.foreign.path} ({one.foreign.version or 'version not known'})", one.foreign.origin)
    yield Evidence("torch's own", f"{one.own.path} ({one.own.version or 'version not known'})", "the wheel")


def ways_out(facts: Facts, folder: str, worst: Library) -> Iterator[Change]:
    """The variable without the foreign folder, or without the preloaded file."""
    if worst.origin == "LD_LIBRARY_PATH":
        without = library_path_without(facts, {folder})
        if without:
            yield Change(kind=Kind.SET_ENV, says=f"Take {folder} out of LD_LIBRARY_PATH.", env=without)
    elif isinstance(facts.environ, Known):
        entries = facts.environ.value.get("LD_PRELOAD", "").replace(":", " ").split()
        left = " ".join(entry for entry in entries if entry.rpartition("/")[0] != folder)
        yield Change(kind=Kind.SET_ENV, says=f"Take {worst.path} out of LD_PRELOAD.", env={"LD_PRELOAD": left or None})
