"""`import torch` fails in the dynamic loader.

## What it checks
The loader's work in `import torch` is done on the files alone: which libraries torch opens first, where ld.so finds what they
need (run paths, LD_LIBRARY_PATH, its cache), and whether every symbol and version they ask for is there. Nothing is loaded.

## Why it breaks
A CUDA library is missing, or another version of it is found first. Python then says "ImportError: libcudnn.so.9: cannot open
shared object file" or "undefined symbol: ncclCommRegister", and every tool that imports torch to diagnose the machine dies too.

## What to do
Install the NVIDIA library wheels that this torch pins; take foreign folders off LD_LIBRARY_PATH; if nothing helps, reinstall
torch with its dependencies.

## Sources
- https://man7.org/linux/man-pages/man8/ld.so.8.html
- https://github.com/pytorch/pytorch/issues/134929
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.causes import MODULE, of_module
from envdoctor.facts import need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.links import PYTHON, intruder, named, provider, subject_of, wanted, without
from envdoctor.predictions import refuted
from envdoctor.requirements import requirements
from envdoctor.views import distributions, installed, normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.linkage import LinkProblem
    from envdoctor.matrix import Matrix

CODE = "ED309"
CAUSE = "torch-does-not-load"
JOINT = Joint.TORCH
QUESTION = "Does the loader find everything that torch needs?"
EXPLAINED_BY = ("ED305", "ED304", "ED203", "ED201", "ED204", "ED501", "ED202")

SOURCE = Source("https://man7.org/linux/man-pages/man8/ld.so.8.html", "2026-11-25")
MAX_SHOWN = 3


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - every rule is asked alike
    """One finding with the first problem, as the loader would report it."""
    torch = need(facts.linking.torch)
    if torch is not None and torch.problems and "torch" not in refuted(facts):  # an import that was made has the last word
        # the same library may be missed once in what torch opens first and once in its extension
        first: dict[tuple[str, str], LinkProblem] = {}
        for one in torch.problems:
            first.setdefault((one.file, one.wants), one)
        yield finding(facts, tuple(first.values()))


def finding(facts: Facts, problems: tuple[LinkProblem, ...]) -> Finding:
    """The finding; who should have provided what is lacking is its second subject."""
    first = problems[0]
    whom = provider(facts, first)
    there, one = installed(facts, "torch"), intruder(facts, first)
    torch = f"torch {there.version}" if there is not None else "torch"
    return Finding(
        code=CODE,
        title=f"{torch} cannot be imported: {wanted(first)} {lacking(facts, first, whom)}",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=cause_of(first, shadowed=one is not None),
        subjects=(
            "torch",
            *([whom] if whom else []),
            *([subject_of(one)] if one is not None else []),
        ),
        why=why(first),
        evidence=(
            *(
                Evidence(f"{problem.file} asks for", problem.wants, problem.of or problem.file)
                for problem in problems[:MAX_SHOWN]
            ),
            *([Evidence(f"{one.soname} that is found first", one.path, one.origin)] if one is not None else []),
            Evidence("what the loader will say", first.message, "simulated on the files; nothing was loaded"),
        ),
        sources=(SOURCE,),
        changes=tuple(changes(facts, first, whom)),
    )


def cause_of(problem: LinkProblem, *, shadowed: bool) -> str:
    """The slug: by the symbol, version or library that is lacking."""
    cause = of_module(problem.kind, problem.wants, "torch", shadowed=shadowed)
    return CAUSE if cause == MODULE else cause


def lacking(facts: Facts, problem: LinkProblem, whom: str) -> str:
    """How it is lacking: not there at all, or not in what is there."""
    one = intruder(facts, problem)
    if one is not None:
        return f"is not in {one.path}, which {one.origin} puts in front"
    if problem.kind in {"missing-library", "preload"}:
        return "is not found"
    if problem.kind == "not-elf":
        return "is damaged"
    if whom and whom != PYTHON and problem.of is not None:
        return f"is not in {problem.of.rpartition('/')[2]} of {named(facts, whom)}"
    return "is nowhere to be found"


def why(problem: LinkProblem) -> str:
    """What the user sees; Python itself may be killed by a damaged library."""
    if problem.kind == "not-elf":
        return f"A library that is cut short can kill Python without a word (bus error): {problem.message}."
    return f'"ImportError: {problem.message}" when torch is imported, and so from everything that imports it.'


def changes(facts: Facts, problem: LinkProblem, whom: str) -> Iterator[Change]:
    """Out of the variable that puts another library in front; else what torch pins; else torch again, from where it came."""
    one = intruder(facts, problem)
    env = without(facts, one) if one is not None else {}
    if one is not None and env:
        says = f"Take {one.path} out of {one.origin.split()[0]}, so that torch finds its own library."
        yield Change(kind=Kind.SET_ENV, says=says, env=env)
        return
    pins = {edge.name: edge.specifier for edge in requirements(facts).edges if normalized(edge.requirer.name) == "torch"}
    if whom in pins:
        says = f"Install {whom}{pins[whom]}, as torch asks."
        yield Change(kind=Kind.INSTALL, says=says, install={whom: pins[whom]})
    torch = distributions(facts).get("torch")
    version = parsed(torch.version) if torch is not None else None
    if torch is not None and version is not None:
        wheels = {name: spec for name, spec in pins.items() if name.startswith("nvidia-")}
        # a build with a tag (+cpu, +cu126) is on PyTorch's own index only
        backend = version.local if version.local == "cpu" or (version.local or "").startswith("cu") else None
        along = " together with the CUDA libraries that it pins" if wheels else ""
        yield Change(
            kind=Kind.INSTALL,
            says=f"Reinstall torch {torch.version}{along}.",
            install={"torch": f"=={torch.version}", **wheels},
            torch_backend=backend,
        )
