"""The first proof of a plan: the rules on the facts as they would be after it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.check import check
from envdoctor.errors import UserError
from envdoctor.findings import Outcome, Severity
from envdoctor.suppose import REMOVED, known_pins, supposing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Doubt, Finding, Verdict
    from envdoctor.matrix import Matrix
    from envdoctor.plans import Move

SLOW = {"ED404"}
"""Comparing thousands of names with every release that might fit takes half a second."""
Key = tuple[str, tuple[str, ...]]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say of the facts after a change."""

    remaining: tuple[Finding, ...]
    """Of the causes that were to be mended."""
    new_errors: tuple[Finding, ...]
    new_warnings: tuple[Finding, ...]
    untold: tuple[str, ...]
    """Questions that were answered before and are open afterwards, each with the reason."""
    mended: tuple[Diagnosis, ...]
    """Of all diagnoses, those whose root is gone for certain."""

    @property
    def clean(self) -> bool:
        """Whether nothing that was to be mended remains and no error is new."""
        return not self.remaining and not self.new_errors


def key(finding: Finding) -> Key:
    """What makes a finding the same one before and after a change."""
    return finding.code, finding.subjects[:1]


class Judge:
    """Judges suppositions on one target against what was found there before."""

    def __init__(self, facts: Facts, matrix: Matrix, before: tuple[Verdict, ...], diagnoses: tuple[Diagnosis, ...]) -> None:
        self.facts = facts
        self.matrix = matrix
        self.before = before
        self.diagnoses = diagnoses
        self._known = {key(one) for one in _findings(before) if one.severity is Severity.ERROR}
        self._warned = {key(one) for one in _findings(before)}
        self._doubted = {(verdict.code, doubt.question, doubt.why) for verdict in before for doubt in verdict.doubts}
        self._open = {verdict.code for verdict in before if verdict.doubts}

    def of(self, supposed: Mapping[str, str], wanted: Iterable[Diagnosis], *, quick: bool = False) -> Proof | None:
        """What the rules say after these suppositions; None if they cannot be supposed.

        ``quick`` leaves out the slow rules, which a search can do without; no plan is proven by it.
        """
        codes = [one.code for one in self.before if not (quick and one.code in SLOW)]
        try:
            after = supposing(self.facts, self.ordered(supposed), self.matrix)
            verdicts = check(after, self.matrix, select=codes)
        except UserError:
            return None
        findings = _findings(verdicts)
        now = {key(one) for one in findings}
        roots = {key(one.root) for one in wanted}
        doubts = [(verdict, doubt) for verdict in verdicts for doubt in verdict.doubts]
        return Proof(
            remaining=tuple(one for one in findings if key(one) in roots),
            new_errors=tuple(
                one
                for one in findings
                if one.severity is Severity.ERROR and key(one) not in self._known and key(one) not in roots
            ),
            new_warnings=tuple(one for one in findings if one.severity is Severity.WARNING and key(one) not in self._warned),
            untold=tuple(
                dict.fromkeys(self._untold(verdict, doubt) for verdict, doubt in doubts if self._is_new(verdict, doubt))
            ),
            mended=tuple(
                one
                for one in self.diagnoses
                if key(one.root) not in now
                and not any(verdict.code == one.root.code and self._is_new(verdict, doubt) for verdict, doubt in doubts)
            ),
        )

    def _is_new(self, verdict: Verdict, doubt: Doubt) -> bool:
        return verdict.code not in self._open and (verdict.code, doubt.question, doubt.why) not in self._doubted

    @staticmethod
    def _untold(verdict: Verdict, doubt: Doubt) -> str:
        return f"{verdict.code} {doubt.question} Not told: {doubt.why}"

    def ordered(self, supposed: Mapping[str, str]) -> dict[str, str]:
        """The suppositions with a package after those that it pins: they must be there for the pins to be judged."""

        def order(name: str) -> tuple[bool, int]:
            version = supposed[name]
            return version != REMOVED, 0 if version == REMOVED else len(known_pins(name, version, self.matrix))

        return {name: supposed[name] for name in sorted(supposed, key=order)}


def after(moves: Iterable[Move]) -> dict[str, str]:
    """The moves as suppositions."""
    return {one.name: one.after or REMOVED for one in moves}


def _findings(verdicts: tuple[Verdict, ...]) -> list[Finding]:
    return [one for verdict in verdicts if verdict.outcome in {Outcome.FAIL, Outcome.IGNORED} for one in verdict.findings]
