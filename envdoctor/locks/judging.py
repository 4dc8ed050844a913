"""Whether what was resolved would work: the rules on the facts of the lock, and what the packages take from each other. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.check import check
from envdoctor.findings import Evidence, Finding, Kind, Outcome, Severity
from envdoctor.locks.document import Bound
from envdoctor.sources.lock import facts_of_lock
from envdoctor.taken import taken
from envdoctor.views import distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.findings import Verdict
    from envdoctor.locks.document import Lock
    from envdoctor.matrix import Matrix
    from envdoctor.taken import Taken

CLEAN = "clean"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The rules' answer about a lock."""

    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    lacks: tuple[Taken, ...]
    """Pairs of which one takes at import what the other does not have."""
    verdict: str
    """As it is written into the lock."""
    data_as_of: str | None

    def clean(self) -> bool:
        """Whether nothing known speaks against it."""
        return not self.errors and not self.lacks


def judged(lock: Lock, matrix: Matrix) -> Judged:
    """Judge a lock on the machine that it assumes. Raises UserError: the data does not know its GPU."""
    facts = facts_of_lock(lock, matrix)
    verdicts = check(facts, matrix)
    found = [one for verdict in verdicts if verdict.outcome is Outcome.FAIL for one in verdict.findings]
    matrix.consulted.clear()
    names = tuple(taken({name: one.version for name, one in distributions(facts).items()}, matrix))
    days = [day for day in (*(one.data_as_of for one in verdicts), matrix.as_of()) if day]
    warnings = tuple(one for one in found if one.severity is Severity.WARNING)
    return Judged(
        errors=tuple(one for one in found if one.severity is Severity.ERROR),
        warnings=warnings,
        lacks=tuple(one for one in names if one.breaks()),
        verdict=_verdict(verdicts, warnings),
        data_as_of=min(days, default=None),
    )


def _verdict(verdicts: tuple[Verdict, ...], warnings: tuple[Finding, ...]) -> str:
    """In words; of an environment that is nowhere installed some questions stay open."""
    open_questions = [one.code for one in verdicts if one.outcome in {Outcome.UNKNOWN, Outcome.CRASH}]
    said = f"{CLEAN} but for what cannot be told before it runs: {', '.join(open_questions)}" if open_questions else CLEAN
    if warnings:
        said += "; with warnings: " + "; ".join(f"{one.code} {one.title}" for one in warnings)
    return said


def mends(found: Judged, asked: frozenset[str]) -> Iterator[tuple[Bound, ...]]:
    """Ranges that would mend what was found, by the rules' own changes and by which releases have the names; best first.

    ``asked`` are the packages whose version stays, because the user named it.
    """
    for finding in found.errors:
        for change in finding.changes:
            if (
                change.kind is Kind.INSTALL
                and change.install
                and change.torch_backend is None
                and not set(change.install) & asked
            ):
                source = finding.sources[0].where if finding.sources else finding.code
                yield tuple(
                    Bound(package=name, specifier=spec, why=finding.title, source=source, basis=finding.layer.value)
                    for name, spec in change.install.items()
                    if spec
                )
    for pair in found.lacks:
        lack = next(one for one in pair.lacks if one.breaks())
        why = f"{pair.importer} takes {lack.use.module}.{lack.use.name}, which {pair.exporter} does not have"
        for fit in pair.fits:
            if fit.package not in asked:
                source = pair.sources[0].where if pair.sources else "the names of both packages' files"
                yield (Bound(package=fit.package, specifier=f"=={fit.version}", why=why, source=source, basis="wheel-code"),)


def contradiction(found: Judged) -> tuple[str, str]:
    """What speaks against the lock, with the two facts that contradict each other; and what to do."""
    if found.errors:
        finding = found.errors[0]
        facts = "; ".join(_fact(one) for one in finding.evidence[:3])
        ways = " ".join(one.says for one in finding.changes)
        more = f" ({len(found.errors) - 1} more)" if len(found.errors) > 1 else ""
        return f"{finding.code}: {finding.title}. {facts}{more}", ways or f"envdoctor explain {finding.code}"
    pair = found.lacks[0]
    lack = next(one for one in pair.lacks if one.breaks())
    what = f"{pair.importer} takes {lack.use.module}.{lack.use.name} ({lack.use.file}), and {pair.exporter} does not have it"
    ways = " or ".join(f"{one.package}=={one.version}" for one in pair.fits)
    return what, f"These go together: {ways}." if ways else "Ask for another release of one of them."


def _fact(one: Evidence) -> str:
    return f"{one.what}: {one.value} ({one.via})"
