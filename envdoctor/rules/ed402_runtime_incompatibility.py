"""Two installed packages are known not to work together.

## What it checks
Pairs of versions that install without complaint and then fail: an old vLLM under transformers 5, a transformers that
refuses an old torch, peft or Liger from before transformers 5, the two halves of FlashInfer in different versions, a
Triton too old for the GPU. Each pair is a row of data with the error it gives and the place it is known from. What a
package's own requirement says is left to ED201, and a trainer's range of engines to ED401.

## Why it breaks
A package removed or changed a name that another one uses, and no requirement said so when that one was released: a
release cannot cap a version that does not exist yet. Installers see nothing wrong.

## What to do
Install the named package inside the named range. Where the other package has a release that copes, that is the second way.

## Sources
- https://github.com/vllm-project/vllm/pull/29686
- https://vllm.ai/releases
- https://github.com/huggingface/trl/pull/4820
- envdoctor/data/claims: each row carries its own source, which the finding shows
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import DecisionKind, admits, decide, specifier
from envdoctor.facts import Known
from envdoctor.findings import Change, Doubt, Finding, Joint, Kind, Severity, Source, seen
from envdoctor.pins import layer_of
from envdoctor.requirements import requirements
from envdoctor.views import ENGINES, distributions, installed, normalized, version_leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.claims import Claim, Versions
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED402"
CAUSE = "transformers-too-new"
JOINT = Joint.ENGINE
QUESTION = "Are there two packages that are known not to work together?"
EXPLAINED_BY = ("ED107",)

SEVERITIES = tuple(Severity)
LABELS = {"__sm": "compute capability", "__python": "Python"}
OPPOSITE = {"<": ">=", "<=": ">", ">=": "<", ">": "<="}


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Decide the claims of every installed package; what blames one package for one cause is one finding."""
    present = distributions(facts)
    versions = cache(partial(version_leaf, facts))
    broken: dict[tuple[str, str], list[Claim]] = {}
    doubts: set[Doubt] = set()
    for package in matrix.subjects():
        for claim in matrix.claims(package, "runtime") if installed(facts, package) is not None else ():
            decision = decide(claim, versions)
            if decision.kind is DecisionKind.BROKEN and not _said_elsewhere(facts, matrix, package, decision.name, versions):
                broken.setdefault((decision.name, claim.cause or CAUSE), []).append(claim)
            elif decision.kind is DecisionKind.CANNOT_TELL and _all_there([*claim.when, *claim.then], set(present)):
                doubts.add(Doubt(QUESTION, decision.why))
    for (blamed, cause), claims in broken.items():
        yield _finding(blamed, cause, strictest(claims, blamed), versions)
    yield from doubts


def _said_elsewhere(facts: Facts, matrix: Matrix, package: str, blamed: str, versions: Versions) -> bool:
    """The package's own requirement refuses that version too (ED201), or the trainer's range does (ED401)."""
    if any(
        decision.kind is DecisionKind.BROKEN and decision.name == blamed
        for decision in (decide(claim, versions) for claim in matrix.claims(package, "trainer-engine"))
    ):
        return True
    leaf = versions(blamed)
    edges = [edge for edge in requirements(facts).edges if edge.name == blamed and normalized(edge.requirer.name) == package]
    return isinstance(leaf, Known) and leaf.value is not None and not all(admits(edge.specifier, leaf.value) for edge in edges)


def _all_there(names: list[str], present: set[str]) -> bool:
    return all(name in present or name.startswith("__") for name in names)


def strictest(claims: list[Claim], blamed: str) -> list[Claim]:
    """Of several claims by one package only the narrowest. The worst comes first, then the narrowest, then an engine's."""

    def order(claim: Claim) -> tuple[int, Version, bool]:
        return SEVERITIES.index(Severity(claim.severity)), _reach(claim.then[blamed]), _other(claim) not in ENGINES

    kept: dict[str, Claim] = {}
    for claim in sorted(claims, key=order):
        kept.setdefault(_other(claim), claim)
    return list(kept.values())


def _other(claim: Claim) -> str:
    """The package that objects."""
    return next(iter(claim.when))


def _reach(spec: str) -> Version:
    """How far up a range goes; broken ranges that end lower ask for the bigger step back."""
    return min(Version(one.version.removesuffix(".*")) for one in specifier(spec))


def _finding(blamed: str, cause: str, claims: list[Claim], versions: Versions) -> Finding:
    worst = claims[0]
    names = [blamed, *map(_other, claims)]
    leaves = {name: leaf for name in names if isinstance(leaf := versions(name), Known)}
    have = f"the GPU has {leaves[blamed].value}" if blamed == "__sm" else f"{leaves[blamed].value} is installed"
    return Finding(
        code=CODE,
        title=f"{names[1]} {leaves[names[1]].value} needs {_label(blamed)} {worst.then[blamed]}; {have}",
        severity=Severity(worst.severity),
        layer=layer_of(worst),
        cause=cause,
        subjects=tuple("__gpu" if name == "__sm" else name for name in names[:2]),
        why=" ".join(claim.says for claim in claims),
        evidence=tuple(
            seen(f"{_label(name)} {'of the GPU' if name == '__sm' else 'installed'}", leaf) for name, leaf in leaves.items()
        ),
        sources=tuple(Source(claim.source, claim.read) for claim in claims),
        changes=tuple(_changes(blamed, claims)),
    )


def _changes(blamed: str, claims: list[Claim]) -> Iterator[Change]:
    """Move the blamed package into range; or, where one package alone objects, move that one out of the claim's reach."""
    if not blamed.startswith("__"):
        yield _install(blamed, _narrowed([claim.then[blamed] for claim in claims]))
    if len(claims) == 1:
        other = _other(claims[0])
        spec = claims[0].when[other]
        clauses = list(specifier(spec))
        if len(clauses) == 1 and clauses[0].operator in OPPOSITE:
            yield _install(other, f"{OPPOSITE[clauses[0].operator]}{clauses[0].version}")


def _narrowed(specs: list[str]) -> str:
    """The ranges joined; of plain upper bounds only the lowest is said."""
    uppers = [spec for spec in specs if spec.startswith("<") and "," not in spec]
    lowest = min(uppers, key=_reach, default=None)
    return ",".join(dict.fromkeys(spec for spec in specs if spec not in uppers or spec == lowest))


def _install(name: str, spec: str) -> Change:
    return Change(kind=Kind.INSTALL, says=f"Install {name} {spec}.", install={name: spec})


def _label(name: str) -> str:
    return LABELS.get(name, name)
