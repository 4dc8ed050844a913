"""From answers to results: equal facts are judged once by the rules, then all are compared. Pure but for the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor import prescribe
from envdoctor.examine import Wishes, examine
from envdoctor.facts import BadDocument, Target, decode
from envdoctor.findings import Severity
from envdoctor.nodes.outcome import Doubted, Found, NodeResult, State
from envdoctor.nodes.quiet import digest
from envdoctor.nodes.skew import Group, Skew, compared
from envdoctor.preflight.outcome import Crash, Problem, Question, Tier
from envdoctor.preflight.problems import of_diagnosis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Verdict
    from envdoctor.matrix import Matrix
    from envdoctor.nodes.running import Answer

    Demands = Callable[[Facts], Iterable[Problem | Question]]
    """What a node must have besides what the rules ask (--require): what it lacks, and what could not be told."""

SKEWED, SILENT = "SKEW", "NO-ANSWER"


class By(NamedTuple):
    """What nodes are judged by."""

    matrix: Matrix
    wishes: Wishes
    """What is supposed in them does not count: a node is what it is."""
    fail_on: Severity = Severity.ERROR
    demands: Demands | None = None


class Gathered:
    """The answers so far; equal facts are kept once."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.silent: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.facts: dict[bytes, Facts] = {}
        self.nodes: dict[bytes, list[str]] = {}

    def add(self, answer: Answer) -> None:
        """Keep one answer."""
        self.seconds[answer.node] = answer.seconds
        if answer.document is None:
            self.silent[answer.node] = answer.why
            return
        try:
            facts = decode(answer.document)
        except BadDocument as bad:
            self.silent[answer.node] = f"it answered something else than the probe's document: {bad}"
            return
        facts = msgspec.structs.replace(facts, target=Target(spec=f"node:{self.target}", chosen="on a node"))
        key = digest(facts)
        self.facts.setdefault(key, facts)
        self.nodes.setdefault(key, []).append(answer.node)

    def groups(self, order: Sequence[str]) -> tuple[Group, ...]:
        """Nodes with equal facts; the largest group first, nodes in the order of the list."""
        rank = {node: number for number, node in enumerate(order)}
        found = [Group(tuple(sorted(self.nodes[key], key=rank.__getitem__)), facts) for key, facts in self.facts.items()]
        return tuple(sorted(found, key=lambda one: (-len(one.nodes), rank[one.nodes[0]])))


class Judged(NamedTuple):
    """All that was found."""

    results: tuple[NodeResult, ...]
    found: tuple[Found, ...]
    doubted: tuple[Doubted, ...]
    crashes: tuple[Crash, ...]
    skew: Skew
    distinct: int


class _Look(NamedTuple):
    """One group under the rules."""

    problems: tuple[Problem, ...]
    """Those that count first, gravest first."""
    questions: tuple[Question, ...]


class _Cause(NamedTuple):
    """A root cause where it was seen first: what is needed to look for remedies."""

    diagnosis: Diagnosis
    facts: Facts
    verdicts: tuple[Verdict, ...]


def judge(gathered: Gathered, order: Sequence[str], by: By) -> Judged:
    """Judge every node of the list.

    Args:
        gathered: an answer for each of them.
        order: the whole list.
        by: the data, and what was asked.

    Raises:
        UserError: data that the user named cannot be read.
    """
    groups = gathered.groups(order)
    looks: list[_Look] = []
    causes: dict[tuple[str, str], _Cause] = {}
    crashes: dict[str, Crash] = {}
    for group in groups:
        look, seen, crashed = _look(group.facts, by)
        looks.append(look)
        for key, cause in seen.items():
            causes.setdefault(key, cause)
        crashes |= crashed
    sound = [not any(one.counts for one in look.problems) for look in looks]
    skew = compared([group._replace(sound=one) for group, one in zip(groups, sound, strict=True)])
    results = _results(gathered, order, groups, looks, skew)
    doubted: dict[Question, list[str]] = {}
    for group, look in zip(groups, looks, strict=True):
        for question in look.questions:
            doubted.setdefault(question, []).extend(group.nodes)
    return Judged(
        results=results,
        found=_found(groups, looks, causes, by),
        doubted=tuple(Doubted(question=one, nodes=tuple(nodes)) for one, nodes in doubted.items()),
        crashes=tuple(crashes.values()),
        skew=skew,
        distinct=len(groups),
    )


def _key(problem: Problem) -> tuple[str, str]:
    """What makes problems of two nodes the same one: what it is and its values, not where they were read."""
    return problem.fingerprint, problem.title


def _look(facts: Facts, by: By) -> tuple[_Look, dict[tuple[str, str], _Cause], dict[str, Crash]]:
    wishes = msgspec.structs.replace(by.wishes, suppose={})
    facts, report = examine(facts, by.matrix, wishes, 0.0, remedies=False)
    joints = {one.code: one.joint for one in report.verdicts}
    causes: dict[tuple[str, str], _Cause] = {}
    problems = []
    for one in report.diagnoses:
        problems.append(_counted(of_diagnosis(one, joints[one.root.code], Tier.CHECK), by))
        causes.setdefault(_key(problems[-1]), _Cause(one, facts, report.verdicts))
    questions = [Question(Tier.CHECK, one.code, doubt.question, doubt.why) for one in report.verdicts for doubt in one.doubts]
    for said in () if by.demands is None else by.demands(facts):
        if isinstance(said, Question):
            questions.append(said)
        else:
            problems.insert(0, _counted(said, by))
    problems.sort(key=lambda one: (not one.counts, tuple(Severity).index(one.severity)))
    crashes = {one.code: Crash(Tier.CHECK, one.code, one.crash) for one in report.verdicts if one.crash is not None}
    return _Look(tuple(problems), tuple(dict.fromkeys(questions))), causes, crashes


def _counted(problem: Problem, by: By) -> Problem:
    severities = tuple(Severity)
    return msgspec.structs.replace(problem, counts=severities.index(problem.severity) <= severities.index(by.fail_on))


def _results(
    gathered: Gathered, order: Sequence[str], groups: Sequence[Group], looks: Sequence[_Look], skew: Skew
) -> tuple[NodeResult, ...]:
    look_of = {node: look for group, look in zip(groups, looks, strict=True) for node in group.nodes}
    apart: dict[str, list[str]] = {}
    for difference in skew.differences:
        if difference.reason.matters:
            for held in difference.apart:
                for node in held.nodes:
                    apart.setdefault(node, []).append(difference.words(held))
    return tuple(_result(node, gathered, look_of.get(node), apart.get(node, [])) for node in order)


def _result(node: str, gathered: Gathered, look: _Look | None, apart: list[str]) -> NodeResult:
    seconds = round(gathered.seconds[node], 3)
    if look is None:
        return NodeResult(node=node, state=State.SILENT, code=SILENT, why=gathered.silent[node], seconds=seconds)
    counted = [one for one in look.problems if one.counts]
    reasons = [*(one.title for one in counted), *apart]
    state = State.FAILED if counted else State.SKEWED if apart else State.PASSED
    return NodeResult(
        node=node,
        state=state,
        code=counted[0].code if counted else SKEWED if apart else "",
        why=reasons[0] if reasons else "",
        more=tuple(reasons[1:]),
        seconds=seconds,
        open_questions=len(look.questions),
    )


def _found(groups: Sequence[Group], looks: Sequence[_Look], causes: dict[tuple[str, str], _Cause], by: By) -> tuple[Found, ...]:
    nodes: dict[tuple[str, str], list[str]] = {}
    problems: dict[tuple[str, str], Problem] = {}
    for group, look in zip(groups, looks, strict=True):
        for key, problem in {_key(one): one for one in look.problems}.items():
            nodes.setdefault(key, []).extend(group.nodes)
            problems.setdefault(key, problem)
    severities = tuple(Severity)
    order = sorted(problems.items(), key=lambda one: (not one[1].counts, severities.index(one[1].severity), -len(nodes[one[0]])))
    found = []
    # gravest first, and of a hostile node's many causes only as many as one check may take to prove
    until = time.monotonic() + prescribe.PROOF_S
    for key, problem in order:
        cause = causes.get(key)
        mended = problem if cause is None or time.monotonic() > until else _mended(problem, cause, by)
        found.append(Found(problem=mended, nodes=tuple(nodes[key])))
    return tuple(found)


def _mended(problem: Problem, cause: _Cause, by: By) -> Problem:
    """The same with the first remedy that holds."""
    treated = prescribe.prescribe([cause.diagnosis], cause.facts, by.matrix, cause.verdicts)
    return _counted(of_diagnosis(treated[0], problem.joint, problem.tier), by)
