"""torch, torchvision, torchaudio or xFormers are not of one family.

## What it checks
The torch release that each torchvision, torchaudio and xFormers release was made for, from collected data; and whether their
CUDA tags ("+cu121", in their version.py also where the metadata has none) equal torch's. A CUDA build over a torch without
CUDA is ED308's finding.

## Why it breaks
These packages are compiled against one torch build. With another: "operator torchvision::nms does not exist" (which also
stops every transformers model), "undefined symbol" in libtorchaudio.so, "Detected that PyTorch and torchvision were compiled
with different CUDA major versions".

## What to do
Install the release that belongs to the installed torch, from the place torch came from.

## Sources
- https://github.com/pytorch/vision#installation
- https://github.com/pytorch/pytorch/issues/122494
- https://github.com/pytorch/audio/pull/4226
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.claims import DecisionKind, decide
from envdoctor.facts import Known, Unknown
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import fitting, said
from envdoctor.views import built_from_source, installed, metadata_path, normalized, parsed, version_leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.claims import Claim
    from envdoctor.facts import Distribution, Facts, TorchBuild
    from envdoctor.matrix import Matrix

CODE = "ED302"
CAUSE = "torchvision-torch-mismatch"
JOINT = Joint.TORCH
QUESTION = "Do torchvision, torchaudio and xFormers belong to the installed torch?"
EXPLAINED_BY = ("ED201", "ED301")

FAMILY = {
    "torchvision": "torchvision-torch-mismatch",
    "torchaudio": "torchvision-torch-mismatch",
    "xformers": "xformers-torch-mismatch",
}
"""Companion -> cause when it does not fit."""
ERRORS = {
    "torchvision": '"operator torchvision::nms does not exist", which also stops the models of transformers',
    "torchaudio": '"Could not load this library" or "undefined symbol"',
    "xformers": '"xFormers can\'t load C++/CUDA extensions"',
}
LOADS = "Its compiled modules load all the same: the loader finds every symbol. Whether they compute the same, nobody has tried."
NMS = Source("https://github.com/pytorch/pytorch/issues/122494", "2026-11-22")
_TAG = re.compile(r"cu(\d+)(\d)")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Judge each companion by the strongest evidence there is; one finding for each."""
    torch = installed(facts, "torch")
    leaf = facts.builds.torch
    build, via = (leaf.value, leaf.via) if isinstance(leaf, Known) else (None, "")
    for name in FAMILY:
        one = installed(facts, name)
        if one is None or torch is None:
            continue
        if built_from_source(parsed(torch.version)):
            yield Doubt(
                QUESTION, f"{said(torch)} was built from source before its release: what belongs to it is not in the data"
            )
            return
        claim, doubt = broken_claim(facts, matrix, name)
        found = None if claim is None else of_other_release(facts, matrix, one, torch, claim)
        if found is None and build is not None and build.cuda is not None:
            found = of_other_cuda(name, one, build_of(facts, name, one), build, via)
        if found is not None:
            yield found
        elif doubt is not None:
            yield doubt
        elif isinstance(leaf, Unknown):
            yield Doubt(QUESTION, leaf.why)


def broken_claim(facts: Facts, matrix: Matrix, name: str) -> tuple[Claim | None, Doubt | None]:
    """The claim on this release that torch breaks; else why it cannot be told."""
    doubt = None
    leaves = {package: version_leaf(facts, package) for package in (name, "torch")}
    for claim in matrix.claims(name, "torch-family"):
        decision = decide(claim, leaves.__getitem__)
        if decision.kind is DecisionKind.BROKEN:
            return claim, None
        if decision.kind is DecisionKind.CANNOT_TELL:
            doubt = Doubt(QUESTION, decision.why)
    return None, doubt


def build_of(facts: Facts, name: str, one: Distribution) -> tuple[str, str]:
    """The version that a companion was built as, and where that stands: wheels of PyPI have their CUDA tag in a file only."""
    leaf = facts.builds.built_as
    told = leaf.value.get(name) if isinstance(leaf, Known) and "+" not in one.version else None
    return (one.version, metadata_path(one)) if told is None else (told, f"{one.location}/{name}/version.py")


def of_other_cuda(name: str, one: Distribution, built: tuple[str, str], torch: TorchBuild, via: str) -> Finding | None:
    """Other CUDA tags. torchvision refuses another major only; torchaudio refused every other version until late 2026."""
    version, cuda = parsed(built[0]), torch.cuda
    tag = _TAG.fullmatch(version.local or "") if version is not None else None
    if version is None or tag is None or cuda is None or ".".join(tag.groups()) == cuda:
        return None
    spec = f"=={version.public}+{tag_of(cuda)}"
    refused = tag.group(1) != cuda.split(".", maxsplit=1)[0] or name == "torchaudio"
    return finding(
        name,
        f"{said(one)} is built for CUDA {'.'.join(tag.groups())}, torch {torch.version} for CUDA {cuda}",
        (
            Evidence(f"CUDA tag of {name}", *built),
            Evidence("CUDA that torch was built with", cuda, via),
        ),
        (
            Change(
                kind=Kind.INSTALL,
                says=f"Install {name}{spec}, from PyTorch's own index.",
                install={name: spec},
                torch_backend=tag_of(cuda),
            ),
        ),
        severity=Severity.ERROR if refused else Severity.WARNING,
        source=Source("https://github.com/pytorch/audio/pull/4226", "2026-11-22"),
    )


def tag_of(cuda: str) -> str:
    """Give "cu124" for "12.4"."""
    return f"cu{cuda.replace('.', '')}"


def of_other_release(facts: Facts, matrix: Matrix, one: Distribution, torch: Distribution, claim: Claim) -> Finding:
    """A release made for another torch release, by the data."""
    name, wanted = normalized(one.name), claim.then["torch"]
    changes = [Change(kind=Kind.INSTALL, says=f"Install torch{wanted}, as {said(one)} needs.", install={"torch": wanted})]
    fits = fitting(facts, matrix, name, ("torch",))
    if fits is not None:
        says = f"Install {name}{fits}, which was made for the installed torch."
        changes.insert(0, Change(kind=Kind.INSTALL, says=says, install={name: fits}))
    loads = links(facts, name)
    return finding(
        name,
        f"{said(one)} was made for torch{wanted}, but {said(torch)} is installed",
        (
            Evidence(f"installed {name}", one.version, metadata_path(one)),
            Evidence("installed torch", torch.version, metadata_path(torch)),
            Evidence(f"torch that {said(one)} was made for", wanted, claim.source),
            *([Evidence("its modules under the installed torch", "all load", loads)] if loads else []),
        ),
        tuple(changes),
        # what is declared does not overrule what the bytes show
        severity=Severity.WARNING if loads else Severity.ERROR,
        layer=Layer.DECLARED,
        source=Source(claim.source, claim.read),
        why=LOADS if loads else "",
    )


def links(facts: Facts, name: str) -> str:
    """Where it was read that all modules of a package load with the installed torch; empty if they do not, or nobody knows."""
    modules = facts.linking.modules
    own = [one for one in modules.value if one.package == name and not one.optional] if isinstance(modules, Known) else []
    fine = own and not any(one.problems or one.undecided for one in own)
    return modules.via if fine and isinstance(modules, Known) else ""


def finding(
    name: str,
    title: str,
    evidence: tuple[Evidence, ...],
    changes: tuple[Change, ...],
    *,
    severity: Severity = Severity.ERROR,
    layer: Layer = Layer.LINKED,
    source: Source = NMS,
    why: str = "",
) -> Finding:
    """What the three checks have in common."""
    return Finding(
        code=CODE,
        title=title,
        severity=severity,
        layer=layer,
        cause=FAMILY[name],
        subjects=(name, "torch"),
        why=why or f"Its compiled part does not load: {ERRORS[name]}.",
        evidence=evidence,
        sources=(source,),
        changes=changes,
    )
