"""The trainer does not support this version of the inference engine.

## What it checks
The installed TRL, verl or OpenRLHF release against the vLLM releases it says it supports: its vllm extra (METADATA)
and, for TRL from 0.24 on, the range in trl/import_utils.py. The extra says nothing when vLLM was installed by itself.

## Why it breaks
The trainers reach into vLLM: they pass it new weights, drive its workers, build its sampling parameters. vLLM moves and
removes those names from release to release. TRL only warns ("TRL currently supports vLLM versions ..."), and then an
import fails ("cannot import name 'GuidedDecodingParams' from 'vllm.sampling_params'") or the first generation does.

## What to do
Install a vLLM release inside the trainer's range, or a trainer release whose range has your vLLM. Either moves torch too.

## Sources
- https://huggingface.co/docs/trl/vllm_integration
- https://github.com/huggingface/trl/issues/4617
- https://github.com/verl-project/verl/issues/513
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import DecisionKind, admits, bounds, decide, specifier
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Severity, Source
from envdoctor.pins import layer_of
from envdoctor.views import TRAINERS, distributions, metadata_path, version_leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.claims import Claim, Versions
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED401"
CAUSE = "trl-vllm-unsupported"
JOINT = Joint.TRAINER
QUESTION = "Does the trainer support this version of the inference engine?"
EXPLAINED_BY = ()

OTHER_CAUSE = "rl-framework-vllm-unsupported"
"""The cause when the trainer is not TRL."""


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:
    """Decide every claim about an installed trainer and an installed engine."""
    present = distributions(facts)
    versions = cache(partial(version_leaf, facts))
    doubts: set[Doubt] = set()
    for trainer in TRAINERS:
        broken: dict[str, Claim] = {}
        for claim in matrix.claims(trainer, "trainer-engine") if trainer in present else ():
            decision = decide(claim, versions)
            if decision.kind is DecisionKind.BROKEN:
                # of what metadata says and what code enforces, code tells what will happen
                said_before = broken.get(decision.name)
                broken[decision.name] = claim if said_before is None or claim.basis == "wheel-code" else said_before
            elif decision.kind is DecisionKind.CANNOT_TELL and all(name in present for name in claim.then):
                doubts.add(Doubt(QUESTION, decision.why))
        for engine, claim in broken.items():
            yield _finding(facts, matrix, claim, engine, versions)
    yield from doubts


def _finding(facts: Facts, matrix: Matrix, claim: Claim, engine: str, versions: Versions) -> Finding:
    present = distributions(facts)
    trainer = next(iter(claim.when))
    seen_before = [one for one in matrix.claims(trainer, "runtime") if decide(one, versions).kind is DecisionKind.BROKEN]
    errors = [one for one in seen_before if engine in one.then]
    ours, theirs, spec = present[trainer], present[engine], claim.then[engine]
    return Finding(
        code=CODE,
        title=f"{trainer} {ours.version} supports {engine} {spec}, and {engine} {theirs.version} is installed",
        severity=Severity(claim.severity),
        layer=layer_of(claim),
        cause=CAUSE if trainer == "trl" else OTHER_CAUSE,
        subjects=(engine, trainer),
        why=" ".join(one.says for one in (*errors, claim)),
        evidence=(
            Evidence(f"installed {engine}", theirs.version, metadata_path(theirs)),
            Evidence(f"installed {trainer}", ours.version, metadata_path(ours)),
            Evidence(f"{engine} that {trainer} {ours.version} supports", spec, claim.source),
        ),
        sources=tuple(Source(one.source, one.read) for one in (claim, *errors)),
        changes=tuple(_changes(matrix, trainer, engine, spec, Version(theirs.version))),
    )


def _changes(matrix: Matrix, trainer: str, engine: str, spec: str, installed: Version) -> Iterator[Change]:
    """Move the engine into the trainer's range; or move the trainer to its newest release that takes this engine."""
    closed = [Version(one.version) for one in specifier(spec) if one.operator in {"==", "<=", ">="}]
    known = bounds(matrix.claims(engine, "pins"), engine)
    fitting = sorted(version for version in {*closed, *known} if admits(spec, version))
    if fitting and ("<" in spec or "==" in spec):
        yield _install(engine, fitting[-1], f"the newest that this {trainer} supports")
    elif fitting:
        # a range without an upper end says nothing of engines that came long after the trainer
        yield _install(engine, fitting[0], f"which this {trainer} was written for")
    ranges = [claim for claim in matrix.claims(trainer, "trainer-engine") if admits(claim.then.get(engine, "<0"), installed)]
    refused = [claim for claim in matrix.claims(trainer, "runtime") if not admits(claim.then.get(engine, ""), installed)]
    trainers = [one for one in bounds(ranges, trainer) if not any(claim.admits(trainer, one) for claim in refused)]
    if trainers:
        yield _install(trainer, trainers[-1], f"which supports {engine} {installed}")


def _install(name: str, version: Version, reason: str) -> Change:
    return Change(kind=Kind.INSTALL, says=f"Install {name} {version}, {reason}.", install={name: f"=={version}"})
