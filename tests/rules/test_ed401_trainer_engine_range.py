"""ED401: the trainer's range of engines. Versions are those of the reports and resolutions named in the tests."""

from __future__ import annotations

import pytest

from envdoctor.findings import Layer, Outcome, Severity
from tests.factory import SITE, blind, dist, drop, healthy, judged, put

RULE = "ed401_trainer_engine_range"


def test_trl_1_16_with_an_engine_inside_its_range_is_healthy() -> None:
    assert judged(RULE, put(healthy(), dist("trl", "1.16.0"), dist("vllm", "0.31.0")))[0] is Outcome.PASS


def test_trl_1_16_under_vllm_0_33_is_an_error_that_names_the_range_and_where_it_was_read() -> None:
    outcome, (finding,), _ = judged(RULE, put(healthy(), dist("trl", "1.16.0"), dist("vllm", "0.33.0")))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.layer is Layer.LINKED, "the range was read in its code"
    assert finding.cause == "trl-vllm-unsupported"
    assert finding.subjects == ("vllm", "trl")
    assert finding.title == "trl 1.16.0 supports vllm >=0.22.0,<=0.31.0, and vllm 0.33.0 is installed"
    assert [(one.value, one.via) for one in finding.evidence] == [
        ("0.33.0", f"{SITE}/vllm-0.33.0.dist-info"),
        ("1.16.0", f"{SITE}/trl-1.16.0.dist-info"),
        (">=0.22.0,<=0.31.0", finding.sources[0].where),
    ]
    source = finding.sources[0].where
    assert source.startswith(
        "METADATA (extra vllm) and trl/import_utils.py, line 107, of the wheel trl-1.16.0-py3-none-any.whl, sha256 "
    )
    assert [change.install for change in finding.changes] == [{"vllm": "==0.31.0"}]


def test_the_pair_of_trl_issue_3115_gets_the_pinned_engine_first_and_a_trainer_for_this_engine_second() -> None:
    _, (finding,), _ = judged(RULE, put(healthy(), dist("trl", "0.15.2"), dist("vllm", "0.8.0")))
    assert [change.install for change in finding.changes] == [{"vllm": "==0.7.2"}, {"trl": "==0.16.1"}]
    assert "model_executor" in finding.why


def test_the_pair_of_trl_issue_4617_says_the_import_error_that_its_user_saw() -> None:
    _, (finding,), _ = judged(RULE, put(healthy(), dist("trl", "0.25.0"), dist("vllm", "0.12.0")))
    assert finding.cause == "trl-vllm-unsupported"
    assert "cannot import name 'GuidedDecodingParams'" in finding.why
    assert finding.changes[0].install == {"vllm": "==0.10.2"}
    assert any("issues/4617" in source.where for source in finding.sources)


def test_no_trainer_is_offered_that_is_known_to_break_on_the_engine_although_its_range_is_open() -> None:
    # trl 0.23.1 says vllm>=0.10.0 and nothing more, and fails to import on 0.33
    _, (finding,), _ = judged(RULE, put(healthy(), dist("trl", "1.15.0"), dist("vllm", "0.33.0")))
    assert all("trl" not in change.install for change in finding.changes)


def test_an_engine_below_an_open_range_is_raised_to_the_release_the_trainer_was_written_for_not_to_the_newest() -> None:
    _, (finding,), _ = judged(RULE, put(healthy(), dist("trl", "0.21.0")))
    assert finding.changes[0].install == {"vllm": "==0.10.0"}


@pytest.mark.parametrize(("trainer", "version", "engine"), [("verl", "0.2", "0.7.3"), ("openrlhf", "0.9.0", "0.12.0")])
def test_verl_and_openrlhf_have_a_cause_of_their_own(trainer: str, version: str, engine: str) -> None:
    _, (finding,), _ = judged(RULE, put(healthy(), dist(trainer, version), dist("vllm", engine)))
    assert finding.cause == "rl-framework-vllm-unsupported"
    assert finding.subjects == ("vllm", trainer)


def test_a_trainer_without_an_engine_or_a_release_without_a_range_is_not_judged() -> None:
    assert judged(RULE, drop(put(healthy(), dist("trl", "1.16.0")), "vllm"))[0] is Outcome.PASS
    assert judged(RULE, put(healthy(), dist("trl", "0.14.0")))[0] is Outcome.PASS
    assert judged(RULE, put(healthy(), dist("trl", "99.0.0")))[0] is Outcome.PASS


def test_an_engine_whose_version_is_no_version_cannot_be_told_and_is_said_once() -> None:
    outcome, _, doubts = judged(RULE, put(healthy(), dist("trl", "1.16.0"), dist("vllm", "dev-branch")))
    assert outcome is Outcome.UNKNOWN
    assert [doubt.why for doubt in doubts] == ["the version of vllm, 'dev-branch', is not a PEP 440 version"]


def test_unreadable_site_packages_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN
