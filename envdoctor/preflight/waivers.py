"""Waivers: what the configuration ignores, with reason and date; one past its date is a problem of its own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.findings import Evidence, Layer, Severity
from envdoctor.preflight.outcome import Problem, Tier, Waived
from envdoctor.preflight.problems import fingerprint
from envdoctor.views import normalized

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from envdoctor.config import Config, Ignore

EXPIRED = "WAIVER-EXPIRED"
OF_DOCKERFILES = "ED6"


def sorted_out(problems: Iterable[Problem], config: Config, today: dt.date) -> tuple[tuple[Problem, ...], tuple[Waived, ...]]:
    """The problems that count, and those that a waiver in force takes out."""
    kept, waived = [], []
    for one in problems:
        waiver = _for(one, config, today)
        if waiver is None:
            kept.append(one)
        else:
            until = None if waiver.until is None else waiver.until.isoformat()
            waived.append(Waived(problem=one, reason=waiver.reason, until=until))
    return tuple(kept), tuple(waived)


def _for(one: Problem, config: Config, today: dt.date) -> Ignore | None:
    for waiver in config.ignore:
        in_force = waiver.until is None or today <= waiver.until
        meant = waiver.package is None or normalized(waiver.package) in one.subjects
        if in_force and waiver.code == one.code and meant:
            return waiver
    return None


def until_of(code: str, config: Config, today: dt.date) -> str | None:
    """The day (ISO) until which a rule's code is waived by the waiver that is in force; None: for ever."""
    # of several the last one gives the reason (Config.in_force), so it gives the day too
    days = [one.until for one in config.ignore if one.code == code and (one.until is None or today <= one.until)]
    return days[-1].isoformat() if days and days[-1] is not None else None


def expired(
    config: Config, today: dt.date, where: str, found: Iterable[Problem], tier: Tier, waived: Iterable[Waived] = ()
) -> tuple[Problem, ...]:
    """The waivers whose date has passed, as problems of the tier that judges what they waived.

    Args:
        config: with all waivers.
        today: the date that counts.
        where: the configuration's path as it is shown.
        found: what this tier and the ones before it found, to say whether the waiver is still needed.
        tier: LINT for those of Dockerfiles, CHECK for all others.
        waived: what other waivers took out.
    """
    still = {one.code for one in found}
    covered = {one.problem.code for one in waived}
    return tuple(
        _problem(one, where, tier, needed=one.code in still, covered=one.code in covered)
        for one in config.expired(today)
        if one.code.startswith(OF_DOCKERFILES) == (tier is Tier.LINT)
    )


def _problem(one: Ignore, where: str, tier: Tier, *, needed: bool, covered: bool) -> Problem:
    drift = one.code.startswith("DRIFT-")
    now = (
        "Another waiver of the same code is in force."
        if covered
        else "What it waived is still found."
        if needed
        else "Whether it is still needed shows when it is deleted."
        if drift
        else "What it waived is not found any more."
    )
    says = "Mend what it waived, or renew the waiver with a later date and a reason that still holds." if needed else "Delete it."
    if drift and not needed:
        says = "Delete it, or renew it with a later date and a reason that still holds."
    for_package = f" for {one.package}" if one.package else ""
    return Problem(
        tier=tier,
        code=EXPIRED,
        title=f"The waiver of {one.code}{for_package} expired on {one.until}",
        why=f"A waiver past its date waives nothing. {now}",
        severity=Severity.ERROR,
        layer=Layer.DECLARED,
        joint=None,
        cause="waiver-expired",
        subjects=(one.code,),
        evidence=(
            Evidence("until", str(one.until), where),
            Evidence("reason that was given", one.reason, where),
        ),
        says=says,
        fingerprint=fingerprint(EXPIRED, one.code, one.package or "", str(one.until)),
        counts=True,
    )
