"""Waivers: in force they take a problem out and are told, past their date they fail."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from envdoctor.config import Config, Ignore
from envdoctor.preflight.outcome import Tier, Waived
from envdoctor.preflight.waivers import expired, sorted_out, until_of
from tests.preflight.made import bad_dockerfile, drifted

TODAY = dt.date(2026, 11, 26)


def config(**more: Any) -> Config:
    values = {"code": "DRIFT-EXTRA", "reason": "we need it", "until": None, "package": None}
    return Config(path="/repo/pyproject.toml", ignore=(Ignore(**{**values, **more}),))


def test_a_waiver_takes_out_what_it_names_and_keeps_its_reason_and_date() -> None:
    problems = drifted().problems
    kept, waived = sorted_out(problems, config(until=TODAY), TODAY)
    assert [one.code for one in kept] == ["DRIFT-VERSION", "DRIFT-MISSING"]
    assert [(one.problem.code, one.reason, one.until) for one in waived] == [("DRIFT-EXTRA", "we need it", "2026-11-26")]


@pytest.mark.parametrize(("package", "count"), [("deepspeed", 1), ("DeepSpeed", 1), ("ray", 0), (None, 1)])
def test_a_waiver_for_one_package_is_for_that_one_only(package: str | None, count: int) -> None:
    assert len(sorted_out(drifted().problems, config(package=package), TODAY)[1]) == count


def test_a_waiver_past_its_date_waives_nothing() -> None:
    past = config(until=TODAY - dt.timedelta(days=1))
    kept, waived = sorted_out(drifted().problems, past, TODAY)
    assert (len(kept), waived) == (3, ())


def test_a_waiver_past_its_date_is_a_problem_of_the_tier_that_judges_it_with_its_reason() -> None:
    past = config(code="ED602", until=dt.date(2026, 10, 1))
    assert expired(past, TODAY, "pyproject.toml", (), Tier.CHECK) == ()
    (gone,) = expired(past, TODAY, "pyproject.toml", (), Tier.LINT)
    assert gone.title == "The waiver of ED602 expired on 2026-10-01"
    assert gone.counts
    assert "not found any more" in gone.why
    assert gone.says == "Delete it."
    assert ("reason that was given", "we need it", "pyproject.toml") in [msgspec.structs.astuple(one) for one in gone.evidence]
    (needed,) = expired(past, TODAY, "pyproject.toml", bad_dockerfile().problems, Tier.LINT)
    assert "still found" in needed.why
    assert "renew" in needed.says


def test_of_drift_it_is_not_claimed_that_a_waiver_is_needed_no_more() -> None:
    (one,) = expired(config(until=dt.date(2026, 10, 1), package="deepspeed"), TODAY, "pyproject.toml", (), Tier.CHECK)
    assert "for deepspeed" in one.title
    assert "shows when it is deleted" in one.why


def test_the_last_day_still_counts_and_the_date_of_a_code_is_told() -> None:
    assert expired(config(until=TODAY), TODAY, "x", (), Tier.CHECK) == ()
    assert until_of("DRIFT-EXTRA", config(until=TODAY), TODAY) == "2026-11-26"
    assert until_of("DRIFT-EXTRA", config(), TODAY) is None


def test_of_two_waivers_of_a_code_the_one_in_force_is_told_and_the_old_one_is_said_to_be_covered() -> None:
    old = Ignore(code="ED203", reason="old", until=dt.date(2020, 1, 1))
    for until, told in ((dt.date(2027, 1, 1), "2027-01-01"), (None, None)):
        two = Config(path="/repo/pyproject.toml", ignore=(old, Ignore(code="ED203", reason="renewed", until=until)))
        assert until_of("ED203", two, TODAY) == told
        covered = (Waived(problem=drifted().problems[0], reason="renewed", until=told),)
        covered = (msgspec.structs.replace(covered[0], problem=msgspec.structs.replace(covered[0].problem, code="ED203")),)
        (one,) = expired(two, TODAY, "pyproject.toml", (), Tier.CHECK, covered)
        assert "Another waiver of the same code is in force" in one.why
        assert one.says == "Delete it."
