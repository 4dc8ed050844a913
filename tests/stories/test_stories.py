"""Every story ends in its root cause, and in nothing else."""

from __future__ import annotations

import time

import pytest

from envdoctor.examine import Wishes, examine
from envdoctor.findings import Outcome, Report, Severity
from tests.factory import MATRIX
from tests.stories.stories import STORIES, Story


def report_of(story: Story) -> Report:
    return examine(story.facts, MATRIX, Wishes(), time.monotonic())[1]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_ends_in_its_root_cause(story: Story) -> None:
    report = report_of(story)
    errors = [one for one in report.diagnoses if one.root.severity is Severity.ERROR]
    assert tuple(one.root.code for one in errors) == story.roots
    assert not [verdict.crash for verdict in report.verdicts if verdict.outcome is Outcome.CRASH]
    if story.cause is None:
        return
    first = errors[0]
    assert first.root.cause == story.cause
    assert tuple(symptom.code for symptom in first.symptoms) == story.symptoms
    assert any(remedy.proven for remedy in first.remedies) == story.proven
    assert first.root.sources
    assert first.root.evidence


def test_what_nobody_observed_is_said_and_never_passed_over() -> None:
    story = next(one for one in STORIES if one.name == "nothing-can-be-told")
    doubts = {verdict.code for verdict in report_of(story).verdicts if verdict.doubts}
    assert {"ED101", "ED102", "ED107", "ED201", "ED301", "ED401", "ED402", "ED501"} <= doubts
