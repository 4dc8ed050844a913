"""A compiled module cannot be loaded: built for another torch, CUDA, Python or C library.

## What it checks
Each compiled module of the GPU stack (vLLM, torchvision, xFormers, flash-attn, ...; any package with `--deep-link`) is
put through the dynamic loader's work on the files alone, as an import after `import torch` would: every library it needs is
searched where ld.so searches, every symbol and version is looked up in what torch has mapped. Nothing is loaded or run.

## Why it breaks
A module binds to the exact C++ interface it was compiled against; another torch release changes it, and metadata does not always
say so. Several packages hide the failure: torchvision says "operator torchvision::nms does not exist", xFormers and vLLM print
a warning and fail later ("'_OpNamespace' '_C' object has no attribute"). The symbol that is named here is the real cause.

## What to do
Install the release that the module was built for, or a build of the package for what is installed.

## Sources
- https://man7.org/linux/man-pages/man8/ld.so.8.html
- https://docs.python.org/3/extending/building.html
- https://github.com/pytorch/pytorch/issues/122494
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.causes import MODULE, of_module
from envdoctor.facts import need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.links import by_provider, intruder, lacks, named, packages, pins_on, shortened, subject_of, wanted, without
from envdoctor.pins import combined, fitting, said, satisfiable
from envdoctor.predictions import name_of, refuted
from envdoctor.requirements import in_stack
from envdoctor.views import installed, parsed
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.linkage import LinkProblem
    from envdoctor.links import Lack
    from envdoctor.matrix import Matrix

CODE = "ED310"
CAUSE = MODULE
JOINT = Joint.ENGINE
QUESTION = "Can every compiled module of the stack be loaded?"
EXPLAINED_BY = ("ED308", "ED302", "ED201", "ED303", "ED301", "ED202", "ED501", "ED204", "ED208", "ED203", "ED304", "ED309")

SOURCE = Source("https://man7.org/linux/man-pages/man8/ld.so.8.html", "2026-11-25")
SHOWN = 6
HIDDEN = {
    "torchvision": '"RuntimeError: operator torchvision::nms does not exist", and every model of transformers that imports it',
    "torchaudio": '"OSError: Could not load this library" or "undefined symbol" when torchaudio is imported',
    "xformers": 'a mere warning "xFormers can\'t load C++/CUDA extensions"; its attention then fails when it is called',
    "vllm": "a mere warning \"Failed to import from vllm._C\", then \"'_OpNamespace' '_C' object has no attribute ...\"",
    "flash-attn": '"ImportError: ... undefined symbol" from every model that asks for flash_attention_2',
    "bitsandbytes": "\"CUDA Setup failed\" or \"'NoneType' object has no attribute 'cget_managed_ptr'\"",
}
"""Package -> what its user sees instead of the loader's words."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """One finding for each provider that lacks something, with all modules that miss it."""
    for one in need(facts.linking.modules):
        if one.undecided is not None:
            yield Doubt(QUESTION, f"{one.path}: {one.undecided}", (one.package,))
    loaded = refuted(facts)  # what was really loaded has the last word
    for whom, found in by_provider([one for one in lacks(facts) if name_of(one.module) not in loaded]).items():
        # what a broken pin explains and what nothing explains are two findings: the first is a symptom, the second a root
        pinned = [one for one in found if list(pins_on(facts, (one.module.package,), whom))]
        for some in (pinned, [one for one in found if one not in pinned]):
            if some:
                yield finding(facts, matrix, whom, some)


def finding(facts: Facts, matrix: Matrix, whom: str, found: list[Lack]) -> Finding:
    """The finding; its first problem is the headline, one line of evidence a module."""
    names = packages(found)
    first = found[0].problem
    count = f"{plural(len(found), 'module')} of {spoken(facts, names)}" if len(found) > 1 else found[0].module.path
    found_first = intruder(facts, first)
    subject = (whom,) if whom.startswith(("nvidia-", "__")) or (":" not in whom and installed(facts, whom) is None) else ()
    if found_first is not None:
        subject = (*subject, subject_of(found_first))
    if whom.startswith("nvidia-") and torch_without_cuda(facts) is not None:
        subject = (*subject, "torch")  # it brings no CUDA libraries: the same cause as ED308's
    return Finding(
        code=CODE,
        title=f"{count} cannot be loaded: {wanted(first)} {missing_from(facts, found[0])}",
        severity=Severity.ERROR if any(grave(one) for one in found) else Severity.WARNING,
        layer=Layer.LINKED,
        cause=of_module(first.kind, first.wants, names[0], shadowed=found_first is not None),
        subjects=(*names, *subject),
        why=f"{'; '.join(symptoms(found))}.",
        evidence=(
            *(Evidence(f"{one.module.path} asks for", one.problem.wants, one.problem.message) for one in found[:SHOWN]),
            *([Evidence("further modules", str(len(found) - SHOWN), "the same provider")] if len(found) > SHOWN else []),
        ),
        sources=(SOURCE,),
        changes=tuple(changes(facts, matrix, whom, names, first)),
    )


def torch_without_cuda(facts: Facts) -> str | None:
    """The version of the installed torch if it is a build for the CPU. Raises NotObserved."""
    build = need(facts.builds.torch)
    return build.version if build is not None and build.cuda is None and build.hip is None else None


def spoken(facts: Facts, names: tuple[str, ...]) -> str:
    """The packages with their versions, the first two by name."""
    told = [said(one) if (one := installed(facts, name)) is not None else name for name in names]
    return ", ".join(told[:2]) + (f" and {len(told) - 2} more" if len(told) > 2 else "")  # noqa: PLR2004


def missing_from(facts: Facts, one: Lack) -> str:
    """Where it is not."""
    if one.problem.kind in {"missing-library", "preload"}:
        return "is not found"
    if one.problem.kind == "wrong-python":
        return f"is not there; it is built for {shortened(one.problem.wants)}"
    if one.problem.kind == "static-tls":
        return "are more than the loader keeps free"
    found = intruder(facts, one.problem)
    if found is not None:
        return f"is not in {found.path}, which {found.origin} puts in front"
    if one.problem.kind == "not-elf":
        return "is damaged"
    return f"is not in {named(facts, one.provider)}" if one.provider else "is nowhere to be found"


def grave(one: Lack) -> bool:
    """Whether a training run needs it: a package of the stack, and no tool beside it."""
    return in_stack(one.module.package) or one.module.package in HIDDEN


def symptoms(found: list[Lack]) -> Iterator[str]:
    """What the user sees, by package; the loader's own words for those that hide nothing."""
    names = packages(found)
    told = [name for name in names if name in HIDDEN and found[0].problem.kind != "not-elf"]
    yield from (f"{name}: {HIDDEN[name]}" for name in told[:2])
    if found[0].problem.kind == "not-elf":
        yield f"A file that is cut short can kill Python without a word (bus error): {found[0].problem.message}"
    elif not told:
        yield f'"ImportError: {found[0].problem.message}"'


def of_cuda(facts: Facts, whom: str, names: tuple[str, ...]) -> Iterator[Change]:
    """A library of CUDA is not there: the builds for the CPU over a torch without CUDA, else the wheel that brings it."""
    present = {name: one for name in names if (one := installed(facts, name)) is not None}
    builds = {name: version.public for name, one in present.items() if (version := parsed(one.version)) is not None}
    if torch_without_cuda(facts) is not None and builds:
        says = f"Install the builds of {' and '.join(builds)} for the CPU, from PyTorch's own index, as torch is one."
        install = {name: f"=={version}+cpu" for name, version in builds.items()}
        yield Change(kind=Kind.INSTALL, says=says, install=install, torch_backend="cpu")
        return
    yield Change(kind=Kind.INSTALL, says=f"Install {whom}, which brings that library.", install={whom: ""})


def again(facts: Facts, names: tuple[str, ...]) -> Iterator[Change]:
    """Damaged files: the same releases once more."""
    present = {name: one for name in names if (one := installed(facts, name)) is not None}
    whole = {name: f"=={one.version}" for name, one in present.items() if parsed(one.version) is not None}
    if whole:
        says = f"Reinstall {' and '.join(said(present[name]) for name in whole)}: files of theirs are damaged."
        yield Change(kind=Kind.UNINSTALL, says=says, remove=tuple(whole), install=whole)


def changes(facts: Facts, matrix: Matrix, whom: str, names: tuple[str, ...], first: LinkProblem) -> Iterator[Change]:
    """The provider's release that all of them ask for; else, for each, a release made for what is installed."""
    found_first = intruder(facts, first)
    env = without(facts, found_first) if found_first is not None else {}
    if found_first is not None and env:
        says = f"Take {found_first.path} out of {found_first.origin.split()[0]}."
        yield Change(kind=Kind.SET_ENV, says=says, env=env)
        return
    if first.kind == "not-elf":
        yield from again(facts, names)
        return
    if whom.startswith("nvidia-") and ":" not in whom:
        yield from of_cuda(facts, whom, names)
        return
    ranges = list(dict.fromkeys(pins_on(facts, names, whom)))
    if ranges and satisfiable(ranges) and installed(facts, whom) is not None:
        spec = combined(ranges)
        yield Change(kind=Kind.INSTALL, says=f"Install {whom}{spec}, for which they were built.", install={whom: spec})
    fits = {name: fit for name in names if (fit := fitting(facts, matrix, name, (whom,))) is not None}
    if fits and len(fits) == len(names):
        listed = ", ".join(f"{name}{spec}" for name, spec in fits.items())
        yield Change(kind=Kind.INSTALL, says=f"Install {listed}, made for the installed {whom}.", install=fits)
    if not ranges and not fits:
        listed = " ".join(names)
        yield Change(
            kind=Kind.SYSTEM,
            says=f"Install a build of {listed} for {named(facts, whom) if ':' not in whom else 'this system'}; where there is "
            "none, build it from source against what is installed (its install page says how; hours for large ones).",
        )
