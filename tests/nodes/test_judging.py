"""From answers to results: equal facts judged once, root causes with their nodes, what is asked besides, what could not be told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor import rules
from envdoctor.examine import Wishes, examine
from envdoctor.facts import CacheDir, Facts, Known, Target, encode
from envdoctor.findings import Layer, Severity
from envdoctor.nodes.judging import By, Gathered, Judged, judge
from envdoctor.nodes.outcome import State
from envdoctor.nodes.quiet import LEFT_OUT, digest
from envdoctor.nodes.running import Answer
from envdoctor.preflight.outcome import Problem, Question, Tier
from envdoctor.preflight.problems import fingerprint
from envdoctor.views import elsewhere
from tests.factory import MATRIX, SITE, blind, dist, edit, healthy, put, with_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.findings import Report
    from envdoctor.matrix import Matrix

RULES = Path(rules.__file__).parent


def judged(*answers: Facts | str, by: By | None = None) -> Judged:
    """Nodes n0, n1, ...: facts that came, or why none did."""
    gathered = Gathered("python3")
    names = [f"n{number}" for number in range(len(answers))]
    for name, answer in zip(names, answers, strict=True):
        document = None if isinstance(answer, str) else encode(answer)
        gathered.add(Answer(name, document, answer if isinstance(answer, str) else "", 0.5))
    return judge(gathered, names, by or By(MATRIX, Wishes()))


def broken() -> Facts:
    """CUDA 13 torch on driver 550."""
    return with_torch(healthy(), "2.11.0+cu130", "13.0", ("sm_80", "sm_90"))


def noisy() -> Facts:
    """The same node a minute later."""
    facts = edit(healthy(), taken_at="2026-11-22T12:01:00Z", probe_seconds=0.4, target=Target(spec="x", chosen="y"))
    assert isinstance(facts.host.memory_bytes, Known)
    host = msgspec.structs.replace(
        facts.host,
        caches=Known((CacheDir(purpose="models", path="~/.cache", free_bytes=7, writable=True),), "statvfs"),
        memory_bytes=Known(facts.host.memory_bytes.value - 5_000_000, facts.host.memory_bytes.via),
    )
    assert isinstance(facts.gpus.devices, Known)
    devices = tuple(msgspec.structs.replace(one, memory_free_mib=Known(12, "NVML")) for one in facts.gpus.devices.value)
    return edit(facts, host=host, gpus__devices=Known(devices, facts.gpus.devices.via))


def test_what_differs_from_moment_to_moment_does_not_make_another_set_of_facts() -> None:
    assert digest(noisy()) == digest(healthy())
    assert digest(put(healthy(), dist("filelock", "9"))) != digest(healthy())


@pytest.mark.parametrize("field", LEFT_OUT)
def test_no_rule_reads_what_is_left_out(field: str) -> None:
    readers = [path.name for path in RULES.glob("ed*.py") if f".{field}" in path.read_text(encoding="utf-8")]
    if field == "target":  # how it was named, which is the same for all nodes of one look
        readers = []
    assert readers == []


def test_equal_facts_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counting(facts: Facts, matrix: Matrix, wishes: Wishes, started: float, *, remedies: bool) -> tuple[Facts, Report]:
        calls.append(facts)
        return examine(facts, matrix, wishes, started, remedies=remedies)

    monkeypatch.setattr("envdoctor.nodes.judging.examine", counting)
    outcome = judged(*([healthy(), noisy()] * 50), broken(), broken())
    assert outcome.distinct == len(calls) == 2
    assert len(outcome.results) == 102
    assert {one.state for one in outcome.results[:100]} == {State.PASSED}


def test_a_node_that_fails_names_its_root_cause_and_the_cause_its_nodes() -> None:
    outcome = judged(healthy(), broken(), healthy(), healthy(), broken())
    one = outcome.results[1]
    assert (one.state, one.code) == (State.FAILED, "ED102")
    assert "13.0" in one.why
    assert any(reason.startswith("torch 2.11.0 here") for reason in one.more), "and that it differs"
    cause = next(found for found in outcome.found if found.problem.code == "ED102")
    assert cause.nodes == ("n1", "n4")
    assert cause.problem.counts
    assert cause.problem.says


def test_a_node_that_only_stands_apart_is_skewed() -> None:
    outcome = judged(*[healthy()] * 3, put(healthy(), dist("transformers", "4.47.0")))
    assert [one.state for one in outcome.results] == [State.PASSED] * 3 + [State.SKEWED]
    assert outcome.results[3].why == "transformers 4.47.0 here, 4.47.1 on 3 of 4 nodes"
    assert outcome.results[3].code == "SKEW"


def test_a_silent_node_is_counted_by_nobody() -> None:
    outcome = judged(healthy(), "no answer in 30 s")
    assert [one.state for one in outcome.results] == [State.PASSED, State.SILENT]
    assert outcome.results[1].why == "no answer in 30 s"
    assert outcome.skew.differences == ()


def test_when_nobody_answers_each_has_its_reason_and_nothing_is_compared() -> None:
    outcome = judged("no answer in 30 s", "ssh did not reach it")
    assert {one.state for one in outcome.results} == {State.SILENT}
    assert outcome.distinct == 0
    assert outcome.found == ()


def test_nothing_is_supposed_of_a_node() -> None:
    wishes = Wishes(suppose={"driver": "580.65.06"})
    assert judged(broken(), by=By(MATRIX, wishes)).results[0].state is State.FAILED


def test_what_is_ignored_or_left_out_fails_no_node() -> None:
    wishes = Wishes(ignores={"ED102": "a reason"}, select=("ED102",))
    assert judged(broken(), by=By(MATRIX, wishes)).results[0].state is State.PASSED


def warned() -> Facts:
    """A damaged distribution outside the stack: a warning."""
    return put(healthy(), dist("filelock", "3.16.1", "nothing-like-this"))


def test_a_warning_is_told_and_fails_only_where_warnings_do() -> None:
    mild = judged(warned())
    assert mild.results[0].state is State.PASSED
    assert [one.problem.counts for one in mild.found] == [False]
    strict = judged(warned(), by=By(MATRIX, Wishes(), Severity.WARNING))
    assert strict.results[0].state is State.FAILED


def test_what_is_demanded_besides_fails_or_leaves_a_question() -> None:
    def demands(facts: Facts) -> Iterator[Problem | Question]:
        if isinstance(facts.gpus.devices, Known):
            yield Problem(
                tier=Tier.CHECK, code="REQUIRE-GPU", title="16 GPUs are required, and 1 answered", why="It was asked for.", severity=Severity.ERROR,
                layer=Layer.LINKED,
                joint=None, cause="require-gpu", subjects=("__gpu",), fingerprint=fingerprint("REQUIRE-GPU"), counts=True,
            )  # fmt: skip
        else:
            yield Question(Tier.CHECK, "REQUIRE-GPU", "Are 16 GPUs here?", facts.gpus.devices.why)

    outcome = judged(healthy(), blind(healthy(), "gpus__devices"), by=By(MATRIX, Wishes(), demands=demands))
    assert (outcome.results[0].state, outcome.results[0].code) == (State.FAILED, "REQUIRE-GPU")
    assert any(one.question.code == "REQUIRE-GPU" and one.nodes == ("n1",) for one in outcome.doubted)


def test_commands_of_a_node_never_delete_by_its_word() -> None:
    gathered = Gathered("~/venv/bin/python3")
    gathered.add(Answer("n1", encode(healthy()), "", 0.1))
    (group,) = gathered.groups(["n1"])
    assert elsewhere(group.facts)


def test_a_forged_document_as_large_as_is_let_in_is_judged_in_time() -> None:
    leaf = healthy().packages.distributions
    assert isinstance(leaf, Known)
    many = tuple(dist(f"nvidia-made-up-{number}", "1", f"made-up-{number}>=2", location=SITE) for number in range(20_000))
    forged = edit(healthy(), packages__distributions=Known(leaf.value + many, leaf.via))
    assert len(encode(forged)) > 7 << 20
    started = time.monotonic()
    outcome = judged(*[healthy()] * 3, forged)
    assert time.monotonic() - started < 30
    assert outcome.results[3].state is not State.PASSED
    assert [one.state for one in outcome.results[:3]] == [State.PASSED] * 3
