"""Whether an image is what its lock says and whether it would run, seen from outside the build."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from envdoctor import session
from envdoctor.drift import drift
from envdoctor.examine import Wishes, examine
from envdoctor.findings import Severity
from envdoctor.suppose import supposing
from envdoctor.wording import plural

if TYPE_CHECKING:
    from envdoctor.drift import Drift
    from envdoctor.facts import Facts
    from envdoctor.findings import Report
    from envdoctor.locks.document import Lock
    from envdoctor.matrix import Matrix

ENVIRONMENT = "/opt/venv"


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What an image looks like from outside."""

    facts: Facts
    report: Report
    drift: Drift

    @property
    def errors(self) -> int:
        """Root causes that stop a run."""
        return sum(one.root.severity is Severity.ERROR for one in self.report.diagnoses)

    @property
    def warnings(self) -> int:
        """Root causes that can cost one."""
        return sum(one.root.severity is Severity.WARNING for one in self.report.diagnoses)

    @property
    def right(self) -> bool:
        """Nothing would stop it, and it is what its lock says, package by package."""
        return not self.errors and not self.drift.departures and self.drift.as_locked == self.drift.locked

    @property
    def says(self) -> str:
        """In one line."""
        found = self.drift
        if found.departures:
            first = found.departures[0]
            return (
                f"{plural(len(found.departures), 'departure')} from the lock, first of {first.name}: {first.says or first.found}"
            )
        if found.as_locked != found.locked:
            why = found.untold[0].why if found.untold else "they were not seen"
            return f"only {found.as_locked} of {plural(found.locked, 'package')} of the lock were found in it: {why}"
        if self.errors:
            worst = next(one.root for one in self.report.diagnoses if one.root.severity is Severity.ERROR)
            return f"{worst.code} {worst.title}"
        proven = f"{found.proven} of {found.locked} packages are the locked builds, untouched"
        open_one = f"; open: {found.untold[0].question}" if found.proven < found.locked and found.untold else ""
        return f"{plural(self.errors, 'error')}, {plural(self.warnings, 'warning')}; no drift: {proven}{open_one}"


def machine_of(lock: Lock) -> dict[str, str]:
    """The machine that a lock assumes, in the terms of --suppose."""
    return {"gpu": lock.gpu or "none", "driver": (lock.driver_floor if lock.gpu else None) or "none"}


def outside(reference: str, lock: Lock, matrix: Matrix) -> Outside:
    """Judge an image of the engine on the machine that its lock assumes, and compare it with the lock, files too.

    Raises:
        UserError: it cannot be started or read.
    """
    started = time.monotonic()
    with session.start(f"image:{reference}::{ENVIRONMENT}", records=True) as pending:
        facts = session.pasteable(session.facts_of(pending, matrix), pending)
    machine = machine_of(lock)
    judged, report = examine(facts, matrix, Wishes(suppose=machine), started)
    return Outside(facts=judged, report=report, drift=drift(lock, supposing(facts, machine, matrix)))
