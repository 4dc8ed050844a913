"""The metrics of a preflight, read by the parser of Prometheus' own Python client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from envdoctor.preflight.outcome import State, Tier
from envdoctor.render.preflight.prometheus import MOST_SERIES
from tests.preflight.made import MADE, drifted, hostile, out_of_time, passed, waived, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, drawn, golden, renamed

if TYPE_CHECKING:
    from envdoctor.preflight.outcome import Preflight

    Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(page: str) -> Samples:
    """Name without the prefix and labels -> value; each only once, in a family with a type and a help text, without a time."""
    found: Samples = {}
    for family in text_string_to_metric_families(page):
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        for one in family.samples:
            assert one.timestamp is None
            key = (one.name.removeprefix("envdoctor_preflight_"), tuple(sorted(one.labels.items())))
            assert key not in found
            found[key] = one.value
    return found


def of(found: Preflight) -> Samples:
    return samples(drawn("prometheus", found))


@pytest.mark.parametrize("case", CASES)
def test_the_metrics_are_their_golden_file_and_the_preflight_s(case: str) -> None:
    found = MADE[case]()
    read = samples(golden("prometheus", case, "prom"))
    assert read["passed", ()] == (found.verdict.value == "passed")
    assert sum(value for (name, _), value in read.items() if name == "problems") == len(found.counted())
    assert read["timestamp_seconds", ()] == 1795703592  # 2026-11-26T14:33:12Z
    states = {dict(labels)["tier"]: dict(labels)["state"] for (name, labels), _ in read.items() if name == "tier_state"}
    assert states == {one.tier.value: one.state.value.replace(" ", "-") for one in found.tiers}


def test_a_tier_has_a_time_only_if_it_was_begun() -> None:
    timed = {dict(labels)["tier"] for name, labels in of(out_of_time()) if name == "tier_seconds"}
    assert timed == {one.tier.value for one in out_of_time().tiers if one.state in {State.PASSED, State.UNTOLD}}
    assert of(passed())["tier_seconds", (("tier", "files"),)] == 6.3


def test_problems_are_counted_by_code_and_what_is_waived_apart() -> None:
    found = drifted()
    twice = changed(found, problems=(*found.problems, renamed(1, found.problems[0])))
    assert of(twice)["problems", (("code", "DRIFT-VERSION"), ("severity", "error"), ("tier", "drift"))] == 2
    assert of(waived())["waived", ()] == 1


def test_a_code_is_escaped_whatever_is_in_it() -> None:
    for raw in ('a"b', "a\\", "a\\n", 'x"} 1\nenvdoctor_preflight_passed 1\n#', BLUNT):
        one = msgspec.structs.replace(wrong_torch().problems[0], code=raw)
        read = of(changed(wrong_torch(), problems=(one,)))
        assert read["passed", ()] == 0
        (code,) = [dict(labels)["code"] for name, labels in read if name == "problems"]
        if raw.isprintable():
            assert code == raw
    assert of(hostile())["problems", (("code", "ED301"), ("severity", "error"), ("tier", "check"))] == 1


def test_a_date_that_is_none_is_left_out() -> None:
    assert ("timestamp_seconds", ()) not in of(changed(passed(), began="\nyesterday"))


def test_a_flood_of_codes_makes_no_flood_of_series() -> None:
    one = wrong_torch().problems[0]
    many = tuple(renamed(number, one, code=f"X{number}") for number in range(3000))
    read = {labels: value for (name, labels), value in of(changed(wrong_torch(), problems=many)).items() if name == "problems"}
    assert len(read) == MOST_SERIES + 1
    assert sum(read.values()) == 3000
    assert read[("code", "other"), ("severity", "error"), ("tier", Tier.CHECK.value)] == 3000 - MOST_SERIES
