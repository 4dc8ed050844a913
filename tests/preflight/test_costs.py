"""What stopping early spared: the tiers behind a failure, by the times of the baseline or by measured ones."""

from __future__ import annotations

from envdoctor.preflight.baseline import Baseline, OldTier
from envdoctor.preflight.costs import LAST, MEASURED, MEASURED_S, cost
from envdoctor.preflight.outcome import State, Tier, TierResult
from tests.preflight.made import DOLLARS, out_of_time, passed, wrong_torch

BASE = Baseline(
    schema_version=1,
    began="2026-11-25T08:00:00Z",
    problems=(),
    tiers=(OldTier(tier="deep", state="passed", seconds=18.5), OldTier(tier="smoke", state="failed", seconds=3.0)),
    packages=None,
    traits=None,
)


def test_the_tiers_behind_a_failure_are_spared_with_the_times_of_the_baseline_where_they_passed_in_it() -> None:
    found = cost(wrong_torch().tiers, 0.65, DOLLARS, BASE)
    assert [one.tier for one in found.spared] == [Tier.DRIFT, Tier.FILES, Tier.DEEP, Tier.SMOKE]
    by = {one.tier: (one.seconds, one.via) for one in found.spared}
    assert by[Tier.DEEP] == (18.5, LAST)
    assert by[Tier.SMOKE] == (MEASURED_S[Tier.SMOKE], MEASURED)
    assert (found.price, found.spent_s) == (DOLLARS, 0.65)


def test_nothing_is_spared_where_nothing_failed_or_only_the_time_ran_out() -> None:
    assert cost(passed().tiers, 1.0, DOLLARS, None).spared == ()
    assert cost(out_of_time().tiers, 1.0, None, BASE).spared == ()


def test_what_was_not_asked_for_is_not_spared() -> None:
    tiers = (
        TierResult(tier=Tier.CHECK, state=State.FAILED, seconds=0.1, said=""),
        TierResult(tier=Tier.DEEP, state=State.NOT_ASKED, seconds=0.0, said=""),
    )
    assert cost(tiers, 0.1, None, None).spared == ()
