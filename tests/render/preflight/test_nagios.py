"""The plugin output of a preflight, read by the grammar of the Monitoring Plugins Development Guidelines (read 2026-11-26).

Text up to the first ``|``; behind it, separated by spaces, ``'label'=value[UOM];[warn];[crit];[min];[max]``.
"""

from __future__ import annotations

import re

import msgspec
import pytest

from envdoctor.findings import Evidence
from envdoctor.render.preflight.nagios import MAX_BYTES, STATUS, status
from tests.preflight.made import MADE, bad_dockerfile, hostile, out_of_time, passed, waived, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, crashed, drawn, flooded, golden

NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
RANGE = rf"(?:@?(?:(?:{NUMBER}|~)?:)?(?:{NUMBER})?)?"
DATUM = re.compile(
    rf"(?P<label>'(?:[^']|'')+'|[^ ='|]+)=(?P<value>{NUMBER})(?P<unit>s|us|ms|%|[KMGT]?B|c)?"
    rf"(?:;{RANGE})?(?:;(?P<crit>{RANGE}))?(?:;(?:{NUMBER})?)?(?:;(?:{NUMBER})?)?"
)


def read(page: str) -> tuple[str, dict[str, str], list[str]]:
    """Status line, performance data, lines of detail."""
    first, *details = page.splitlines()
    text, bar, data = first.partition("|")
    assert bar
    assert "|" not in data + "".join(details)
    found = {}
    for datum in data.split():
        match = DATUM.fullmatch(datum)
        assert match is not None, datum
        found[match["label"]] = match["value"] + (match["unit"] or "")
    return text.rstrip(), found, details


@pytest.mark.parametrize("case", CASES)
def test_the_output_is_its_golden_file_and_its_data_are_the_preflight_s(case: str) -> None:
    found = MADE[case]()
    text, data, details = read(golden("nagios", case, "txt"))
    assert text.startswith(f"ENVDOCTOR {STATUS[status(found)]} - ")
    assert data["time"] == f"{found.seconds:.3f}s"
    assert data["problems"] == str(len(found.counted()))
    assert [line.split(":")[0] for line in details[:6]] == ["lint", "check", "drift", "files", "deep", "smoke"]


def test_above_no_problem_the_threshold_alerts() -> None:
    assert " problems=1;;0;0 " in drawn("nagios", wrong_torch())


def test_the_status_is_nagios_s_own() -> None:
    assert [status(found) for found in (passed(), wrong_torch(), waived(), out_of_time(), crashed())] == [0, 2, 2, 3, 3]


def test_a_pass_that_warns_of_something_new_is_a_warning() -> None:
    warns = [one for one in bad_dockerfile().problems if not one.counts]
    assert status(changed(passed(), problems=tuple(warns))) == 1
    info = tuple(one for one in warns if one.severity.value == "info")
    assert status(changed(passed(), problems=info)) == 0
    known = tuple(msgspec.structs.replace(one, known=True) for one in warns)
    assert status(changed(passed(), problems=known)) == 0


def test_a_hostile_target_forges_no_data_and_no_markup() -> None:
    _, data, details = read(drawn("nagios", hostile()))
    assert data["problems"] == "1"
    assert not re.findall(r"<[a-z/!?]|[\x00-\x08\x0b-\x1f\u202e]", drawn("nagios", hostile()), re.IGNORECASE)
    assert any(line.startswith("ERROR ED301 ") for line in details)
    one = msgspec.structs.replace(wrong_torch().problems[0], title=BLUNT, evidence=(Evidence("|", "|", "|"),))
    assert "\\ud800" in read(drawn("nagios", changed(wrong_torch(), problems=(one,))))[0]


def test_a_flood_stays_below_what_nagios_reads() -> None:
    page = drawn("nagios", flooded(3000))
    assert MAX_BYTES - 400 < len(page.encode()) <= MAX_BYTES
