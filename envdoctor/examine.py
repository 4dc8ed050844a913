"""The whole way from Facts to a Report: check, diagnose, prescribe. Pure but for the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from envdoctor.check import check
from envdoctor.diagnose import diagnose
from envdoctor.facts import Known
from envdoctor.findings import Outcome, Report, Severity
from envdoctor.prescribe import prescribe
from envdoctor.ranking import ranked
from envdoctor.rules import REGISTRY, code_of, load
from envdoctor.signatures import CAUSE
from envdoctor.suppose import REST, VARIABLE, supposing
from envdoctor.suppose_env import told_besides
from envdoctor.views import in_report

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix


TOO_LITTLE = "too little is in it to tell; what helps: the whole traceback, and `envdoctor facts --format issue` there"
"""Said of a pasted report."""
EMPTY = (
    "the text is empty: no line of it says anything. Errors go to standard error, which `>` alone does not catch: "
    "PROGRAM 2>&1 | tee report.txt"
)
"""Said of a report without a word."""


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
    packages = any(name not in REST and not name.startswith(VARIABLE) for name in wishes.suppose)
    facts = told_besides(facts, python="python" in wishes.suppose, packages=packages)
    judged = supposing(facts, wishes.suppose, matrix)
    verdicts = check(judged, matrix, select=wishes.select, skip=wishes.skip, ignores=wishes.ignores)
    diagnoses = diagnose(verdicts, explained_by)
    if remedies:
        diagnoses = prescribe(diagnoses, judged, matrix, verdicts)
    diagnoses = ranked(diagnoses, judged)
    asides = tuple(one for one in diagnoses if in_report(judged) and one.root.severity is Severity.INFO)
    return judged, Report(
        diagnoses=tuple(one for one in diagnoses if one not in asides),
        asides=asides,
        verdicts=verdicts,
        supposed=wishes.suppose,
        seconds=time.monotonic() - started,
    )


def too_little(facts: Facts) -> bool:
    """Whether a pasted report holds too little to tell anything.

    So it is where no error in it is known for what it is, and it names neither a driver, nor a GPU, nor two packages that could
    clash.
    """
    report = facts.report
    if report is None or any(one.cause or one.depth == CAUSE for one in report.quotes):
        return False
    present = facts.packages.distributions
    few = not isinstance(present, Known) or len(present.value) < 2  # noqa: PLR2004 - one alone clashes with nothing
    machine = (facts.driver.smi, facts.driver.kernel_module, facts.gpus.devices)
    return few and not any(isinstance(one, Known) for one in machine)


def exit_code(report: Report, *, fail_on: Severity, strict: bool, facts: Facts | None = None) -> int:
    """0 healthy, 1 problems of at least that severity, 3 something could not be told (strict), 4 a rule crashed.

    Of a pasted report (``facts``) much is never told; there 3 says that too little is in it to tell anything.
    """
    severities = tuple(Severity)
    limit = severities.index(fail_on)
    if any(severities.index(one.root.severity) <= limit for one in report.diagnoses):
        return 1
    outcomes = {verdict.outcome for verdict in report.verdicts}
    if Outcome.CRASH in outcomes:
        return 4
    doubts = any(verdict.doubts for verdict in report.verdicts)
    if facts is not None and in_report(facts):
        doubts = too_little(facts)
    return 3 if strict and doubts else 0
