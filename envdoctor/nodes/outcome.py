"""What a look at many nodes came to. Types only."""

from __future__ import annotations

import enum

import msgspec

from envdoctor.nodes.skew import Skew  # noqa: TC001 - msgspec reads them, here and below
from envdoctor.preflight.outcome import Crash, Problem, Question  # noqa: TC001


class State(enum.Enum):
    """How a node ended. Each node of the list ends in exactly one way."""

    PASSED = "passed"
    FAILED = "failed"
    """Something on it is broken, whatever the others are."""
    SKEWED = "skewed"
    """It would do alone, and stands apart from the others where that matters."""
    SILENT = "no answer"
    """It was not reached, did not answer in time, or answered something else than the probe's document."""


class NodeResult(msgspec.Struct, frozen=True, kw_only=True):
    """One node."""

    node: str
    state: State
    code: str
    """Of what failed it: a rule's ("ED102"), REQUIRE-GPU, SKEW, NO-ANSWER; "" where it passed."""
    why: str
    """The root cause in one sentence; "" where it passed."""
    more: tuple[str, ...] = ()
    """Further reasons, gravest first."""
    seconds: float
    """Until its answer was there, or it was given up."""
    open_questions: int = 0
    """What could not be told of it."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One root cause and the nodes that have it."""

    problem: Problem
    nodes: tuple[str, ...]


class Doubted(msgspec.Struct, frozen=True, kw_only=True):
    """One question that could not be answered, and on which nodes."""

    question: Question
    nodes: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The whole look: what every renderer gets."""

    target: str
    """What was started on the nodes: "python3", "~/venv/bin/python3"."""
    program: str
    """The prefix's own program: "ssh"."""
    began: str
    """ISO date and time, UTC."""
    seconds: float
    parallel: int
    deadline_s: float
    results: tuple[NodeResult, ...]
    """One for every node, in the order of the list."""
    found: tuple[Found, ...]
    """Those that fail a node first, each time the one with the most nodes first."""
    doubted: tuple[Doubted, ...]
    crashes: tuple[Crash, ...]
    """Rules of ours that crashed, which is a bug of envdoctor."""
    skew: Skew
    distinct: int
    """How many different sets of facts were judged."""
    notes: tuple[str, ...]

    def of(self, *states: State) -> tuple[str, ...]:
        """The names of the nodes that ended so, in the order of the list."""
        return tuple(one.node for one in self.results if one.state in states)

    def exit_code(self, *, strict: bool) -> int:
        """0 all pass, 1 any does not, 4 a rule of ours crashed, 3 something could not be told (strict)."""
        if self.of(State.FAILED, State.SKEWED, State.SILENT):
            return 1
        if self.crashes:
            return 4
        return 3 if strict and (self.doubted or self.skew.untold) else 0
