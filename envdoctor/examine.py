"""The whole way from Facts to a Report: check, diagnose, prescribe. Pure but for the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from envdoctor.check import check
from envdoctor.diagnose import diagnose
from envdoctor.findings import Outcome, Report, Severity
from envdoctor.prescribe import prescribe
from envdoctor.rules import REGISTRY, code_of, load
from envdoctor.suppose import supposing

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked of a check, from the command line and the configuration together."""

    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ignores: dict[str, str] = {}
    suppose: dict[str, str] = {}


def codes() -> tuple[str, ...]:
    """Every rule's code."""
    return tuple(code_of(name) for name in REGISTRY)


def explained_by(code: str) -> tuple[str, ...]:
    """The codes that a rule says explain it."""
    return load(next(name for name in REGISTRY if code_of(name) == code)).EXPLAINED_BY


def examine(facts: Facts, matrix: Matrix, wishes: Wishes, started: float, *, remedies: bool = True) -> tuple[Facts, Report]:
    """Judge the (supposed) facts. Gives the facts that were judged and the report.

    Args:
        facts: as probed.
        matrix: the compatibility data.
        wishes: what to judge, and as if.
        started: time.monotonic() when the command began; the report's seconds count from there.
        remedies: prescribe them; proving each one takes longer than the check.

    Raises:
        UserError: a supposition that makes no sense.
    """
    judged = supposing(facts, wishes.suppose, matrix)
    verdicts = check(judged, matrix, select=wishes.select, skip=wishes.skip, ignores=wishes.ignores)
    diagnoses = diagnose(verdicts, explained_by)
    if remedies:
        diagnoses = prescribe(diagnoses, judged, matrix, verdicts)
    return judged, Report(diagnoses=diagnoses, verdicts=verdicts, supposed=wishes.suppose, seconds=time.monotonic() - started)


def exit_code(report: Report, *, fail_on: Severity, strict: bool) -> int:
    """0 healthy, 1 problems of at least that severity, 3 something could not be told (strict), 4 a rule crashed."""
    severities = tuple(Severity)
    limit = severities.index(fail_on)
    if any(severities.index(one.root.severity) <= limit for one in report.diagnoses):
        return 1
    outcomes = {verdict.outcome for verdict in report.verdicts}
    if Outcome.CRASH in outcomes:
        return 4
    doubts = any(verdict.doubts for verdict in report.verdicts)
    return 3 if strict and doubts else 0
