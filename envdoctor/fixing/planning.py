"""Facts and a report -> plans that mend them with the fewest changes, each proven twice. Asks the resolver and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from envdoctor.findings import Severity
from envdoctor.fixing.candidates import candidates, children
from envdoctor.fixing.commands import commands
from envdoctor.fixing.costs import Cost, cost, first, moves, size
from envdoctor.fixing.goals import PACKAGE_KINDS, Goal, closure, same
from envdoctor.fixing.ground import followers, ground, question
from envdoctor.fixing.objections import named, not_there
from envdoctor.fixing.proving import Judge, after
from envdoctor.plans import Repair
from envdoctor.resolver import Index, Unresolvable
from envdoctor.views import ENGINES, distributions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Finding, Report
    from envdoctor.fixing.asking import Resolver
    from envdoctor.fixing.ground import Ground
    from envdoctor.fixing.proving import Proof
    from envdoctor.matrix import Matrix
    from envdoctor.plans import Move
    from envdoctor.resolver import Pinned, Question

MAX_ASKED = 6
"""Goals that the resolver is asked about."""
LEADERS = {*ENGINES, "torch"}
MAX_STRICT = 2
"""Tries with all pinned that need not follow, each freeing what the resolver objected to."""
MAX_ROUNDS = 4
"""Times that a goal is narrowed by what the rules say of its resolution."""
PLANNING_S = 20.0
"""No further goal is begun after this; one that is being resolved is waited for."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked of a plan."""

    keep: dict[str, str] = {}
    """Exact versions by normalized name that must stay, or come."""
    index: Index = Index()
    several: bool = False
    """Other plans than the best are wanted too."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One plan with what it costs and what is open about it."""

    repair: Repair
    cost: Cost
    untold: tuple[str, ...]
    """What cannot be told before it is applied."""
    warnings: tuple[Finding, ...]
    """That it would newly bring."""
    aside: dict[str, str]
    """What was left untouched without asking the index, and why."""
    backend: str | None
    supposed: dict[str, str]
    """The plan as suppositions."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A goal that came to nothing: what the rules still find, or what the resolver says."""

    goal: Goal
    findings: tuple[Finding, ...] = ()
    says: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of planning."""

    plans: tuple[Planned, ...]
    """The best first."""
    wanted: tuple[Diagnosis, ...]
    """The causes that a change of packages may mend."""
    others: tuple[Diagnosis, ...]
    """The causes that no plan mends: each has remedies of its own."""
    failed: tuple[Failed, ...]
    resolved_s: float
    questions: int
    seconds: float


def plan(facts: Facts, matrix: Matrix, report: Report, wish: Wish, resolver: Resolver) -> Outcome:
    """The plans for what a report found.

    Raises:
        NotObserved: what is installed, or the interpreter, is not known.
        UserError: the resolver cannot answer.
    """
    return _Planning(facts, matrix, report, wish, resolver).done()


def mendable(one: Diagnosis) -> bool:
    """Whether another version of a package could mend it."""
    return any(change.kind in PACKAGE_KINDS and not (change.torch_backend and not change.install) for change in one.root.changes)


def wanted(report: Report) -> tuple[Diagnosis, ...]:
    """The causes that plans are made for: the errors that packages may mend; where there is none, the warnings."""
    able = [one for one in report.diagnoses if mendable(one)]
    errors = tuple(one for one in able if one.root.severity is Severity.ERROR)
    if errors or any(one.root.severity is Severity.ERROR for one in report.diagnoses):
        return errors
    return tuple(one for one in able if one.root.severity is Severity.WARNING)


class _Planning:
    def __init__(self, facts: Facts, matrix: Matrix, report: Report, wish: Wish, resolver: Resolver) -> None:
        self.facts, self.matrix, self.report, self.wish, self.resolver = facts, matrix, report, wish, resolver
        self.started = time.monotonic()
        self.judge = Judge(facts, matrix, report.verdicts, report.diagnoses)
        self.wanted = wanted(report)
        self.failed: list[Failed] = []
        self.absent: dict[str, str] = {}

    def done(self) -> Outcome:
        present = distributions(self.facts)
        come = {name: v for name, v in self.wish.keep.items() if name not in present or not same(present[name].version, v)}
        base = Goal(install={name: f"=={v}" for name, v in come.items()}, why=dict.fromkeys(come, "you asked for it (--keep)"))
        plans = self._plans(base) if self.wanted or come else []
        plans.sort(key=lambda one: one.cost)
        best = plans[:1] if not self.wish.several else plans
        mended = {id(one) for one in best[0].repair.mends} if best else set()
        return Outcome(
            plans=tuple(best),
            wanted=self.wanted,
            others=tuple(one for one in self.report.diagnoses if id(one) not in mended),
            failed=tuple(self.failed),
            resolved_s=self.resolver.seconds,
            questions=self.resolver.questions,
            seconds=time.monotonic() - self.started,
        )

    def _plans(self, base: Goal) -> list[Planned]:
        found: dict[tuple[tuple[str, str], ...], Planned] = {}
        asked = 0
        for least, goal in candidates(self.judge, self.matrix, base, self.wanted, self.wish.keep):
            enough = bool(found) and not self.wish.several and least >= min((one.cost.heads, one.cost.distance) for one in found.values())
            if enough or asked >= MAX_ASKED or time.monotonic() - self.started > PLANNING_S:
                break
            asked += 1
            made = self._planned(goal)
            if made is not None:
                found.setdefault(tuple(sorted(made.supposed.items())), made)
        return list(found.values())

    def _planned(self, goal: Goal) -> Planned | None:
        """The goal resolved, judged on what was really resolved, and narrowed where the rules object."""
        for _ in range(MAX_ROUNDS):
            resolved = self._resolved(goal)
            if resolved is None:
                return None
            at, asked, answer = resolved
            found = moves(self.facts, self.matrix, at, goal, answer)
            proof = self.judge.of(after(found), self.wanted)
            if proof is not None and proof.clean:
                return self._confirmed(goal, at, asked, answer, found, proof)
            narrower = None if proof is None else next(children(goal, proof, self.wish.keep, self.facts), None)
            if narrower is None:
                self.failed.append(Failed(goal=goal, findings=() if proof is None else (*proof.remaining, *proof.new_errors)))
                return None
            goal = narrower
        return None

    def _resolved(self, goal: Goal) -> tuple[Ground, Question, dict[str, Pinned]] | None:
        """Pinned to what is installed but for what must follow; freed where the resolver objects; at last only preferred."""
        moving = {*goal.install, *self.wish.keep}
        closed = closure(goal, self.facts, self.matrix)
        free = set(followers(self.facts, goal, closed))
        says = ""
        # where the engine or torch moves so much follows that pinning the rest only costs time
        for strict in (*(True,) * (0 if set(closed) & LEADERS else MAX_STRICT), False):
            at = ground(self.facts, moving, self.absent)
            asked = question(at, goal, self.wish.keep, free, strict=strict, index=self.wish.index)
            try:
                return at, asked, self.resolver.ask(asked)
            except Unresolvable as none:
                says = none.says
            self.absent |= {name: "its release is not on the index, or has no wheel there" for name in (not_there(says) & set(at.pinned)) - moving}
            free |= {name for name in at.pinned if named(name, says)}
        self.failed.append(Failed(goal=goal, says=says))
        return None

    def _confirmed(  # noqa: PLR0913, PLR0917 - all that a plan is made of
        self,
        goal: Goal,
        at: Ground,
        asked: Question,
        answer: Mapping[str, Pinned],
        found: tuple[Move, ...],
        proof: Proof,
    ) -> Planned | None:
        coming = [answer[one.name] for one in found if one.after is not None]
        files = self.resolver.confirmed(asked, coming)
        if files is None:
            return self._planned(goal)
        found = tuple(
            msgspec.structs.replace(one, download_bytes=size(files[one.name], at.python, at.platform)) if one.name in files else one for one in found
        )
        repair = Repair(
            moves=found,
            pins=tuple(first(files[one.name], at.python, at.platform) for one in coming if one.name in files),
            mends=proof.mended,
            leaves=tuple(one for one in self.report.diagnoses if one not in proof.mended),
            commands=commands(self.facts, found, goal.backend),
            resolved_s=self.resolver.seconds,
        )
        return Planned(
            repair=repair,
            cost=cost(found, self.facts, self.matrix, proof),
            untold=proof.untold,
            warnings=proof.new_warnings,
            aside=dict(at.aside),
            backend=goal.backend,
            supposed=after(found),
        )
