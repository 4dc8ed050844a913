"""Many nodes as JSON; envdoctor/data/schema/nodes-1.json is the schema, generated from these records."""

from __future__ import annotations

import msgspec

from envdoctor.nodes.lists import Written  # noqa: TC001 - msgspec reads it
from envdoctor.nodes.outcome import Outcome, State
from envdoctor.wording import harmless

SCHEMA_VERSION = 1
MAX_TEXT = 2000
"""Characters of a text that came from a node."""
MAX_DIFFERENCES = 1000


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node of the list; each is there once."""

    node: str
    state: State
    code: str
    """Of what failed it: a rule's, REQUIRE-..., SKEW, NO-ANSWER; "" where it passed."""
    why: str
    more: tuple[str, ...]
    seconds: float
    open_questions: int


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One root cause and the nodes that have it."""

    code: str
    title: str
    why: str
    severity: str
    cause: str
    subjects: tuple[str, ...]
    fails: bool
    """Whether it fails its nodes: it is grave enough."""
    says: str
    commands: tuple[tuple[str, ...], ...]
    """Argument lists to run on the nodes."""
    symptoms: tuple[str, ...]
    fingerprint: str
    nodes: tuple[str, ...]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A value and the nodes that have it."""

    value: str
    nodes: tuple[str, ...]


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not the same on all nodes; the most common value first."""

    kind: str
    """trait, package or variable."""
    name: str
    matters: bool
    why: str
    source: str
    read: str
    """ISO date on which the source was read."""
    majority: bool
    """Whether more than half of the nodes that tell it have the first value."""
    values: tuple[Value, ...]
    untold: tuple[str, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be told, and on which nodes."""

    code: str
    question: str
    why: str
    nodes: tuple[str, ...]


class Crashed(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of envdoctor's that crashed: a bug of its own."""

    code: str
    said: str


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where the names were written, one a line."""

    failing: str
    passing: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The whole look at many nodes."""

    schema_version: int
    target: str
    program: str
    """Of the command prefix: "ssh"; its options are not told."""
    began: str
    seconds: float
    parallel: int
    deadline_s: float
    counts: dict[str, int]
    """State -> nodes; the sum is the length of ``nodes``."""
    distinct: int
    """How many different sets of facts were judged."""
    nodes: tuple[Node, ...]
    causes: tuple[Cause, ...]
    differences: tuple[Differs, ...]
    differences_left_out: int
    questions: tuple[Question, ...]
    crashes: tuple[Crashed, ...]
    notes: tuple[str, ...]
    files: Files | None


def render(outcome: Outcome, written: Written | None) -> str:
    """Indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(document(outcome, written)), indent=2).decode() + "\n"


def document(outcome: Outcome, written: Written | None) -> Document:
    """The records of an outcome."""
    kept = outcome.skew.differences[:MAX_DIFFERENCES]
    return Document(
        schema_version=SCHEMA_VERSION,
        target=outcome.target,
        program=outcome.program,
        began=outcome.began,
        seconds=round(outcome.seconds, 3),
        parallel=outcome.parallel,
        deadline_s=outcome.deadline_s,
        counts={state.value: len(outcome.of(state)) for state in State},
        distinct=outcome.distinct,
        nodes=tuple(
            Node(
                node=one.node,
                state=one.state,
                code=one.code,
                why=_cut(one.why),
                more=tuple(map(_cut, one.more[:MAX_DIFFERENCES])),
                seconds=one.seconds,
                open_questions=one.open_questions,
            )
            for one in outcome.results
        ),
        causes=_causes(outcome),
        differences=tuple(
            Differs(
                kind=one.aspect.kind.value,
                name=_cut(one.aspect.name),
                matters=one.reason.matters,
                why=one.reason.why,
                source=one.reason.source.where,
                read=one.reason.source.read,
                majority=one.majority,
                values=tuple(Value(value=_cut(held.value), nodes=held.nodes) for held in one.held),
                untold=one.untold,
            )
            for one in kept
        ),
        differences_left_out=len(outcome.skew.differences) - len(kept),
        questions=_questions(outcome),
        crashes=tuple(Crashed(code=one.code, said=_cut(one.said)) for one in outcome.crashes),
        notes=outcome.notes,
        files=None if written is None else Files(failing=written.failing, passing=written.passing),
    )


def _causes(outcome: Outcome) -> tuple[Cause, ...]:
    return tuple(
        Cause(
            code=found.problem.code,
            title=_cut(found.problem.title),
            why=_cut(found.problem.why),
            severity=found.problem.severity.value,
            cause=found.problem.cause,
            subjects=tuple(map(_cut, found.problem.subjects)),
            fails=found.problem.counts,
            says=_cut(found.problem.says),
            commands=tuple(tuple(map(_cut, argv)) for argv in found.problem.commands),
            symptoms=tuple(_cut(f"{one.code} {one.title}") for one in found.problem.symptoms),
            fingerprint=found.problem.fingerprint,
            nodes=found.nodes,
        )
        for found in outcome.found
    )


def _questions(outcome: Outcome) -> tuple[Question, ...]:
    asked = [
        Question(code=one.question.code, question=_cut(one.question.question), why=_cut(one.question.why), nodes=one.nodes)
        for one in outcome.doubted
    ]
    apart = [
        Question(code="SKEW", question=f"Is {one.name} the same here?", why=_cut(one.why), nodes=one.nodes)
        for one in outcome.skew.untold
    ]
    return tuple(asked + apart)


def _cut(text: str) -> str:
    """A text of a node's, bounded and without control characters."""
    return harmless(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}... ({len(text)} characters)")
