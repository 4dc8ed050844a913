"""Causes over symptoms: Verdicts -> Diagnoses, the root cause first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.findings import Diagnosis, Joint, Layer, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envdoctor.findings import Finding, Verdict

SEVERITIES = tuple(Severity)
JOINTS = tuple(Joint)
LAYERS = tuple(Layer)


def diagnose(verdicts: Iterable[Verdict], explained_by: Callable[[str], tuple[str, ...]]) -> tuple[Diagnosis, ...]:
    """Fold findings under the finding that explains them.

    A finding is a symptom of another when the other's code is among its rule's ``EXPLAINED_BY`` and the two share a
    subject. A symptom of a symptom belongs to the root, and the root counts as grave as its gravest symptom. Order: errors
    first, then what a stronger layer of truth says, then what has most symptoms, then what lies lowest in the stack.
    """
    kept = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    joint = {verdict.code: verdict.joint for verdict in kept}
    findings = [finding for verdict in kept for finding in verdict.findings]
    parent = [_cause_of(finding, findings, explained_by(finding.code)) for finding in findings]
    symptoms: dict[int, list[Finding]] = {index: [] for index, cause in enumerate(parent) if cause is None}
    for index, finding in enumerate(findings):
        if parent[index] is not None:
            symptoms[_root(index, parent)].append(finding)
    diagnoses = [Diagnosis(root=_graver(findings[index], below), symptoms=tuple(below)) for index, below in symptoms.items()]
    diagnoses.sort(
        key=lambda one: (
            SEVERITIES.index(one.root.severity),
            -LAYERS.index(one.root.layer),
            -len(one.symptoms),
            JOINTS.index(joint[one.root.code]),
            one.root.code,
        )
    )
    return tuple(diagnoses)


def _graver(root: Finding, below: list[Finding]) -> Finding:
    """The root, as grave as its gravest symptom: what metadata only warned of, bytes may prove."""
    worst = min((one.severity for one in (root, *below)), key=SEVERITIES.index)
    return root if worst is root.severity else msgspec.structs.replace(root, severity=worst)


def _cause_of(finding: Finding, findings: list[Finding], codes: tuple[str, ...]) -> int | None:
    """Index of the finding that explains this one, in the order in which its rule names the codes."""
    for code in codes:
        for index, other in enumerate(findings):
            if other.code == code and other is not finding and set(other.subjects) & set(finding.subjects):
                return index
    return None


def _root(index: int, parent: list[int | None]) -> int:
    """Follow causes upwards; codes are acyclic by test, so this ends."""
    above = parent[index]
    while above is not None:
        index, above = above, parent[above]
    return index
