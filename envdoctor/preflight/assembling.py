"""What the tiers came to, put together: the order of the problems, the stack with its layers of truth, one verdict. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known
from envdoctor.findings import Joint, Layer, Outcome, Severity
from envdoctor.preflight.outcome import JointRow, State, Tier, Verdict
from envdoctor.stack import State as JointState
from envdoctor.stack import layers
from envdoctor.views import ENGINES, TRAINERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.facts import Facts
    from envdoctor.findings import Verdict as RuleVerdict
    from envdoctor.preflight.outcome import Crash, Problem, Question, TierResult
    from envdoctor.proving.proof import Proof

COMPUTED = frozenset({Joint.DRIVER, Joint.CUDA, Joint.TORCH})
"""What kernels that ran right are proof of, on a GPU."""
ENGINES_OF = {"vllm": {Joint.ENGINE}, "trl": {Joint.TRAINER}, "trl+vllm": {Joint.ENGINE, Joint.TRAINER}, "transformers": set()}
"""What a smoke by that engine went through, besides torch."""
IMPORTED = {
    Joint.TORCH: frozenset({"torch"}),
    Joint.ENGINE: frozenset(ENGINES),
    Joint.TRAINER: frozenset({*TRAINERS, "transformers"}),
}
"""Packages of which one that was imported for real is proof of its joint."""
LAYERS = tuple(Layer)


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Those that count first, then by tier, then the gravest first; what stands equal keeps its order."""
    tiers, severities = tuple(Tier), tuple(Severity)
    return tuple(sorted(problems, key=lambda one: (not one.counts, tiers.index(one.tier), severities.index(one.severity))))


def verdict(
    problems: Iterable[Problem],
    tiers: Iterable[TierResult],
    crashes: tuple[Crash, ...],
    questions: tuple[Question, ...],
    *,
    strict: bool,
) -> Verdict:
    """One verdict of it all. A tier that was asked for and could not answer is no pass: a gate does not open on silence."""
    if any(one.counts for one in problems):
        return Verdict.FAILED
    if crashes:
        return Verdict.CRASHED
    silent = any(one.state in {State.UNTOLD, State.NOT_RUN} for one in tiers)
    return Verdict.UNTOLD if silent or (strict and questions) else Verdict.PASSED


def stacked(
    facts: Facts, verdicts: Iterable[RuleVerdict], proof: Proof | None, problems: Iterable[Problem] = ()
) -> tuple[JointRow, ...]:
    """The stack, each joint with the strongest layer of truth that spoke of it.

    Args:
        facts: as judged.
        verdicts: of the rules.
        proof: of the smoke.
        problems: of all tiers: a joint at which one of them stops a run does not hold, whatever the rules say of it.
    """
    verdicts = tuple(verdicts)
    told = [one for one in problems if one.counts and one.severity is Severity.ERROR]
    rows = []
    for row in layers(facts, verdicts):
        spoke = [
            finding.layer for one in verdicts if one.code in row.codes and one.outcome is Outcome.FAIL for finding in one.findings
        ]
        truth = None
        if row.state in {JointState.BROKEN, JointState.WEAK}:
            truth = max(spoke, key=LAYERS.index, default=None)
        elif row.state is JointState.HOLDS:
            truth = _passed(row.joint, facts, proof)
        here = [one for one in told if one.joint is row.joint and one.code not in row.codes]
        if here:
            truth = max(
                (*([truth] if row.state is JointState.BROKEN and truth else []), *(one.layer for one in here)), key=LAYERS.index
            )
        codes = (*row.codes, *dict.fromkeys(one.code for one in here))
        rows.append(
            JointRow(name=row.name, found=row.found, state=JointState.BROKEN if here else row.state, truth=truth, codes=codes)
        )
    return tuple(rows)


def _passed(joint: Joint, facts: Facts, proof: Proof | None) -> Layer:
    """The strongest layer of truth that a joint without a finding has passed."""
    on_gpu = proof is not None and proof.measured is not None and proof.measured.asked.device.startswith("cuda")
    if proof is not None and proof.passed:
        gone_through = {Joint.PYTHON, Joint.TORCH, *ENGINES_OF.get(proof.engine, set()), *(COMPUTED if on_gpu else ())}
        if joint in gone_through:
            return Layer.TRAINED
    devices, imports = facts.live.devices, facts.live.imports
    if joint in COMPUTED and isinstance(devices, Known) and any(one.device.startswith("cuda") for one in devices.value):
        return Layer.LOADED
    loaded = {one.package for one in imports.value if one.state == "imported"} if isinstance(imports, Known) else set()
    if loaded & IMPORTED.get(joint, frozenset()):
        return Layer.LOADED
    return Layer.LINKED if isinstance(facts.linking.modules, Known) or joint in {Joint.MACHINE, Joint.DRIVER} else Layer.DECLARED
