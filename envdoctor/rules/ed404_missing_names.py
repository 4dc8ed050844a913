"""A package takes a Python name from another one that the installed release does not define.

## What it checks
Every name that trainers take from vLLM, transformers, accelerate and PEFT, and vLLM from transformers, xgrammar, outlines and
compressed-tensors: imported names and modules, attributes that are patched, keyword arguments of constructors. Both sides are
read as text (`ast`); nothing is imported. Re-exports, lazy modules, guards, version checks and TYPE_CHECKING are followed.
Releases that are only supposed are judged by the data, which was made of their wheels in the same way. Read on request (`--names
vllm:torch`): pairs in which one pins exactly what is installed of the other, and the files of vLLM's single models.

## Why it breaks
Python packages have no linker: a name that a new release dropped is missed only when the line runs. At module level the import
fails ("ImportError: cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params'"); inside a function the feature fails
when it is called, perhaps hours into a run; a guarded import turns the feature off without a word.

## What to do
Install a release of the one that still has the name, or of the other that no longer takes it.

## Sources
- https://docs.python.org/3/reference/import.html
- https://github.com/huggingface/trl/issues/4617
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.causes import of_pairs
from envdoctor.facts import Known, Unknown
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.lifetimes import LEAVES, lifetime
from envdoctor.pins import said
from envdoctor.taken import fits
from envdoctor.takings import import_names, in_data, planned, unread
from envdoctor.views import distributions, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts
    from envdoctor.linkage import NameUse
    from envdoctor.matrix import Matrix

CODE = "ED404"
CAUSE = "missing-name"
JOINT = Joint.TRAINER
QUESTION = "Does every package define the names that others take from it?"
EXPLAINED_BY = ("ED401", "ED402", "ED201", "ED204", "ED205", "ED206", "ED208")

SOURCE = Source("https://docs.python.org/3/reference/import.html", "2026-11-25")
SEVERITY = {"module": Severity.ERROR, "function": Severity.WARNING, "guarded": Severity.INFO}
SHOWN = 8


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """One finding for each pair of packages, as grave as its gravest use."""
    uses: dict[tuple[str, str], list[NameUse]] = {}
    leaf, pairs = facts.names.missing, facts.names.pairs
    for use in leaf.value if isinstance(leaf, Known) else ():
        uses.setdefault((use.importer, use.exporter), []).append(use)
    read = {(one.importer, one.exporter) for one in pairs.value} if isinstance(pairs, Known) else set()
    for pair in unread(facts, read):
        found = planned(facts, matrix, *pair)
        if found is not None:
            uses.setdefault(pair, []).extend(found)
        elif isinstance(leaf, Unknown):
            yield Doubt(QUESTION, leaf.why)
    present = distributions(facts)
    for (importer, exporter), missed in uses.items():
        if missed and importer in present and exporter in present:
            yield finding(facts, matrix, (present[importer], present[exporter]), missed)


def finding(facts: Facts, matrix: Matrix, pair: tuple[Distribution, Distribution], uses: list[NameUse]) -> Finding:
    """The finding; the gravest use is its headline."""
    uses.sort(key=lambda one: (tuple(Severity).index(severity(one)), tuple(SEVERITY).index(one.place), one.file, one.line))
    first, (ours, theirs) = uses[0], pair
    different = len({(one.module, one.name) for one in uses if severity(one) is severity(first)})
    more = f" (and {different - 1} more)" if different > 1 else ""
    return Finding(
        code=CODE,
        title=f"{said(ours)} takes {spoken(first)}, which {said(theirs)} does not have{more}",
        severity=severity(first),
        layer=Layer.LINKED,
        cause=cause_of(matrix, first, theirs),
        subjects=(first.exporter, first.importer),
        why=why(first, ours, theirs),
        evidence=tuple(Evidence(where(one), spoken(one), since(matrix, one, theirs.version)) for one in uses[:SHOWN]),
        sources=(SOURCE,),
        changes=tuple(changes(facts, matrix, pair, first)),
    )


def cause_of(matrix: Matrix, use: NameUse, theirs: Distribution) -> str:
    """The slug: by the pair, and by whether the name is gone or has yet to come."""
    life = lifetime(matrix, in_data(use.exporter), theirs.version, use.module, use.name) if parsed(theirs.version) else None
    side = "too-old" if life is not None and life.gone is None and life.again is not None else "too-new"
    if use.exporter == "numpy" and side == "too-new":
        return "numpy2-abi"
    return of_pairs({(use.importer, use.exporter): side}) or CAUSE


def severity(use: NameUse) -> Severity:
    """By when the line runs; what only one of many models, or an adapter for another release, needs is information."""
    return Severity.INFO if use.file.startswith(LEAVES) else SEVERITY[use.place]


def spoken(use: NameUse) -> str:
    """What is taken: "GuidedDecodingParams of vllm.sampling_params"."""
    return f"{use.name} of {use.module}" if use.name else f"the module {use.module}"


def where(use: NameUse) -> str:
    """The line of code, and when it runs."""
    runs = {"module": "runs on import", "function": f"runs in {use.scope or 'a function'}", "guarded": "guarded"}
    return f"{use.file}:{use.line} ({runs[use.place]})"


def since(matrix: Matrix, use: NameUse, version: str) -> str:
    """Since when it is gone, or from when on it will be there, where the data knows."""
    if parsed(version) is None:
        return "source text of both packages"
    life = lifetime(matrix, in_data(use.exporter), version, use.module, use.name)
    if life.gone is not None:
        return f"gone since {use.exporter} {life.gone}, last in {life.last}"
    if life.again is not None:
        return f"not there before {use.exporter} {life.again}"
    return "source text of both packages"


def why(use: NameUse, ours: Distribution, theirs: Distribution) -> str:
    """What happens, by the place of the gravest use."""
    error = f"cannot import name '{use.name}' from '{use.module}'" if use.name.isidentifier() else f"no {spoken(use)}"
    if not use.name:
        error = f"No module named '{use.module}'"
    if use.file.startswith(LEAVES):
        return f'Only {use.file} fails to load, where something asks for it: "{error}".'
    if use.place == "module":
        return f'Importing {use.file.removesuffix(".py").replace("/", ".")} fails: "{error}".'
    if use.place == "function":
        return f'It fails when {use.scope or "that code"} is called: "{error}"; imports and everything else work.'
    return f"The code expects that and goes on without: what needs it in {ours.name} is off under {said(theirs)}."


def changes(facts: Facts, matrix: Matrix, pair: tuple[Distribution, Distribution], use: NameUse) -> Iterator[Change]:
    """The nearest releases of either that go with the other, where an import fails or a feature breaks."""
    ours, theirs = pair
    names = in_data(use.importer), in_data(use.exporter)
    if use.place == "guarded" or parsed(ours.version) is None or parsed(theirs.version) is None:
        return
    versions = {names[0]: ours.version, names[1]: theirs.version}
    for fit in fits(matrix, *names, versions, import_names(facts)):
        name, other = (use.exporter, ours) if fit.package == names[1] else (use.importer, theirs)
        says = f"Install {name}=={fit.version}, the nearest release that goes with {said(other)}."
        yield Change(kind=Kind.INSTALL, says=says, install={name: f"=={fit.version}"})
