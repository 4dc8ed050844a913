"""The nvidia-* wheels are not the ones that torch was built with.

## What it checks
The exact versions of NVIDIA's library wheels (nvidia-nccl-cu12, nvidia-cudnn-cu12, ...) that the installed torch pins in its
metadata, against the installed ones; and whether NCCL is installed twice, for two CUDA majors.

## Why it breaks
torch is compiled against exactly these versions. An older NCCL gives "undefined symbol: ncclCommRegister" when torch is imported,
an older cuDNN "cuDNN version incompatibility". The wheels of NCCL for two CUDA majors write the same file,
nvidia/nccl/lib/libnccl.so.2: the one that was installed last wins, whatever the metadata of the other says.

## What to do
Install the versions that torch pins; uninstall the NCCL of the other CUDA major and install the right one again.

## Sources
- https://github.com/pytorch/pytorch/issues/186591
- https://github.com/rwth-i6/returnn/issues/1802
- https://github.com/vllm-project/vllm/issues/4195
- https://github.com/pytorch/pytorch/issues/169092
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.claims import admits, specifier
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import metadata_source, said, wish
from envdoctor.requirements import requirements
from envdoctor.views import distributions, installed, metadata_path, normalized, parsed, requirements_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from envdoctor.facts import Distribution, Facts
    from envdoctor.matrix import Matrix
    from envdoctor.requirements import Edge

CODE = "ED304"
CAUSE = "nccl-version-mismatch"
JOINT = Joint.TORCH
QUESTION = "Are the NVIDIA library wheels the ones that torch was built with?"
EXPLAINED_BY = ("ED201", "ED205")

SHARED = {
    "nccl": "nvidia/nccl/lib/libnccl.so.2",
    "cudnn": "nvidia/cudnn/lib/libcudnn.so.9",
    "cusparselt": "nvidia/cusparselt/lib/libcusparseLt.so.0",
}
"""Library -> the file that its wheels of every CUDA major bring, as read in the wheels' listings."""
SAME_FILE = Source("https://github.com/pytorch/pytorch/issues/186591", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:  # noqa: ARG001 - every rule is asked alike
    """Compare torch's pins of nvidia-* wheels with what is installed, then look for a second NCCL."""
    torch = installed(facts, "torch")
    if torch is None and facts.report is None:
        return  # a report shows a part of a list, so that torch is not in it says nothing
    present = distributions(facts)
    edges = requirements(facts).edges
    pins = [edge for edge in edges if torch is not None and edge.requirer is torch and edge.name.startswith("nvidia-")]
    broken = []
    for edge in pins:
        one = present.get(edge.name)
        version = parsed(one.version) if one is not None else None
        if one is not None and version is None:
            yield Doubt(QUESTION, f"the version of {one.name}, {one.version!r}, is not a PEP 440 version")
        elif version is not None and edge.specifier and not admits(edge.specifier, version):
            broken.append((edge, version))
    if torch is not None and broken:
        yield mismatch(facts, torch, broken)
    for library, file in SHARED.items():
        copies = [present[name] for name in sorted(present) if re.fullmatch(rf"nvidia-{library}-cu\d+", name)]
        if len(copies) > 1:
            yield twice(facts, torch, file, copies, {edge.name for edge in pins})


def older(edge: Edge, version: Version) -> bool:
    """Below what torch pins: symbols can be missing. Above, it mostly works."""
    bounds = [parsed(clause.version.removesuffix(".*")) for clause in specifier(edge.specifier)]  # "===" takes any text
    return any(version < bound for bound in bounds if bound is not None)


def mismatch(facts: Facts, torch: Distribution, broken: list[tuple[Edge, Version]]) -> Finding:
    """One finding for all wheels that differ, the older ones first."""
    present = distributions(facts)
    broken.sort(key=lambda pair: (not older(*pair), pair[0].name))
    error = older(*broken[0])
    names = [edge.name for edge, _ in broken]
    first = broken[0][0]
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    if any("nccl" in name for name in names):
        cause = CAUSE
    elif any("cudnn" in name for name in names):
        cause = "cudnn-shadow"
    else:
        cause = "package-pin-conflict"
    install = {edge.name: edge.specifier for edge, _ in broken}
    return Finding(
        code=CODE,
        title=f"{said(torch)} is built with {wish(first)}, but {present[first.name].version} is installed{more}",
        severity=Severity.ERROR if error else Severity.WARNING,
        layer=Layer.DECLARED,
        cause=cause,
        subjects=(*names, "torch"),
        why='An older library lacks what torch calls: "undefined symbol: ncclCommRegister", "cuDNN version incompatibility".'
        if error
        else "torch was not built or tested with these newer libraries; mostly they work.",
        evidence=(
            *(Evidence(f"{said(torch)} requires", wish(edge), requirements_path(torch)) for edge, _ in broken),
            *(Evidence(f"installed {name}", present[name].version, metadata_path(present[name])) for name in names),
        ),
        sources=(metadata_source(facts, (said(torch),)),),
        changes=(
            Change(
                kind=Kind.INSTALL,
                says=f"Install what {said(torch)} pins: {', '.join(map(''.join, install.items()))}.",
                install=install,
            ),
        ),
    )


def twice(facts: Facts, torch: Distribution | None, file: str, copies: list[Distribution], pinned: set[str]) -> Finding:
    """Wheels of one library for two CUDA majors, which write one file."""
    right = [one for one in copies if normalized(one.name) in pinned]
    wrong = [one for one in copies if one not in right]
    others = {edge.name for edge in requirements(facts).edges if edge.requirer is not torch}
    changes: tuple[Change, ...] = ()
    if len(right) == 1 and not others & {normalized(one.name) for one in wrong}:
        listed = " and ".join(map(said, wrong))
        changes = (
            Change(
                kind=Kind.UNINSTALL,
                says=f"Uninstall {listed}, then install {said(right[0])} again: the removal takes the shared file along.",
                remove=tuple(one.name for one in wrong),
                install={right[0].name: f"=={right[0].version}" if parsed(right[0].version) else ""},
            ),
        )
    return Finding(
        code=CODE,
        title=f"{' and '.join(map(said, copies))} write the same file {file}",
        severity=Severity.ERROR if len({one.version for one in copies}) > 1 else Severity.WARNING,
        layer=Layer.DECLARED,
        cause="mixed-cuda-majors",
        subjects=(*(normalized(one.name) for one in wrong or copies), "torch"),
        why='Only the one that was installed last is on disk: importing torch can fail ("undefined symbol: ncclCommResume").',
        evidence=tuple(Evidence(f"wheel that brings {file}", said(one), metadata_path(one)) for one in copies),
        sources=(SAME_FILE,),
        changes=changes,
    )
