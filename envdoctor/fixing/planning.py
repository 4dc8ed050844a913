"""Facts and a report -> plans that mend them with the fewest changes, each proven twice. Asks the resolver and nothing else."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from envdoctor.findings import Severity
from envdoctor.fixing.candidates import candidates, children
from envdoctor.fixing.commands import commands
from envdoctor.fixing.costs import Cost, cost, first, moves, size
from envdoctor.fixing.goals import HEADS, PACKAGE_KINDS, Goal, closure, same
from envdoctor.fixing.ground import followers, ground, question
from envdoctor.fixing.limits import Limits
from envdoctor.fixing.objections import named, not_there
from envdoctor.fixing.proving import Judge, after
from envdoctor.plans import Repair
from envdoctor.prescribe import prescribe
from envdoctor.resolver import Index, Unresolvable
from envdoctor.views import distributions

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Finding, Report
    from envdoctor.fixing.asking import Resolver
    from envdoctor.fixing.ground import Ground
    from envdoctor.fixing.proving import Proof
    from envdoctor.locks.document import Bound
    from envdoctor.matrix import Matrix
    from envdoctor.plans import Move
    from envdoctor.resolver import Pinned, Question

MAX_ASKED = 6
"""Goals that the resolver is asked about."""
MAX_STRICT = 1
"""Tries with all pinned that need not follow, each freeing what the resolver objected to."""
MAX_LOOSE = 3
"""Tries with what is installed only preferred, each leaving aside what the index does not have."""
MAX_MILDER = 2
"""Further changes that are weighed to spare a warning."""
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


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of planning."""

    plans: tuple[Planned, ...]
    """The best first."""
    wanted: tuple[Diagnosis, ...]
    """The causes that a change of packages may mend."""
    others: tuple[Diagnosis, ...]
    """The causes that no plan mends: each has remedies of its own."""
    asked: bool
    """Whether --keep asks for versions that are not installed."""
    failed: tuple[Failed, ...]
    resolved_s: float
    questions: int
    seconds: float


def plan(facts: Facts, matrix: Matrix, report: Report, wish: Wish, resolver: Resolver) -> Answer:
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


def treated(answer: Answer, facts: Facts, matrix: Matrix, report: Report) -> Answer:
    """The answer with remedies: of what no plan mends all, of what a plan mends what others could do instead (a newer driver)."""
    others = prescribe(answer.others, facts, matrix, report.verdicts)
    mended = {id(one): one for made in answer.plans for one in made.repair.mends}
    bare = [msgspec.structs.replace(one, root=_without_packages(one.root)) for one in mended.values()]
    known = {
        key: msgspec.structs.replace(one, remedies=new.remedies)
        for (key, one), new in zip(mended.items(), prescribe(bare, facts, matrix, report.verdicts), strict=True)
    }
    plans = tuple(
        msgspec.structs.replace(
            made,
            repair=msgspec.structs.replace(made.repair, mends=tuple(known[id(one)] for one in made.repair.mends), leaves=others),
        )
        for made in answer.plans
    )
    return msgspec.structs.replace(answer, others=others, plans=plans)


def _without_packages(root: Finding) -> Finding:
    return msgspec.structs.replace(root, changes=tuple(one for one in root.changes if one.kind not in PACKAGE_KINDS))


class _Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A goal as it was resolved and judged."""

    goal: Goal
    at: Ground
    asked: Question
    answer: dict[str, Pinned]
    moves: tuple[Move, ...]
    proof: Proof
    open_ends: tuple[Bound, ...]
    """Ranges that metadata leaves open, the data closes, and this breaks."""


def _warns(one: _Proven) -> int:
    return len(one.proof.new_warnings)


class _Planning:
    def __init__(self, facts: Facts, matrix: Matrix, report: Report, wish: Wish, resolver: Resolver) -> None:
        self.facts, self.matrix, self.report, self.wish, self.resolver = facts, matrix, report, wish, resolver
        self.started = time.monotonic()
        self.judge = Judge(facts, matrix, report.verdicts, report.diagnoses)
        self.wanted = wanted(report)
        self.failed: list[Failed] = []
        self.limits = Limits(facts, matrix, wish.keep)
        self.absent: dict[str, str] = {}

    def done(self) -> Answer:
        present = distributions(self.facts)
        come = {name: v for name, v in self.wish.keep.items() if name not in present or not same(present[name].version, v)}
        base = Goal(install={name: f"=={v}" for name, v in come.items()}, why=dict.fromkeys(come, "you asked for it (--keep)"))
        plans = self._plans(base) if self.wanted or come else []
        plans.sort(key=lambda one: one.cost)
        best = plans[:1] if not self.wish.several else plans
        mended = {id(one) for one in best[0].repair.mends} if best else set()
        return Answer(
            plans=tuple(best),
            wanted=self.wanted,
            others=tuple(one for one in self.report.diagnoses if id(one) not in mended),
            asked=bool(come),
            failed=tuple(self.failed),
            resolved_s=self.resolver.seconds,
            questions=self.resolver.questions,
            seconds=time.monotonic() - self.started,
        )

    def _plans(self, base: Goal) -> list[Planned]:
        found: dict[tuple[tuple[str, str], ...], Planned] = {}
        hopeful = candidates(self.judge, self.matrix, self.limits, base, self.wanted, self.wish.keep)
        for least, goal in hopeful[:MAX_ASKED]:
            best = min(((one.cost.heads, one.cost.distance) for one in found.values()), default=None)
            if (best is not None and least >= best and not self.wish.several) or self._late():
                break
            made = self._planned(goal)
            if made is not None:
                found.setdefault(tuple(sorted(made.supposed.items())), made)
        return list(found.values())

    def _late(self) -> bool:
        return time.monotonic() - self.started > PLANNING_S

    def _planned(self, goal: Goal) -> Planned | None:
        """The goal resolved, judged on what was really resolved, and narrowed where the rules object."""
        proven: _Proven | None = None
        for _ in range(MAX_ROUNDS):
            tried = self._tried(goal)
            if tried is None:
                break
            if tried.open_ends and proven is None:
                narrower = self.limits.within(goal, tried.open_ends, self.wish.keep)
            elif tried.proof.clean and not tried.open_ends:
                proven = tried if proven is None or _warns(tried) < _warns(proven) else proven
                narrower = None if proven is not tried else self._milder(tried)
            elif proven is not None:
                break  # what would mend a warning breaks something: the warning stays
            else:
                objections = (*tried.proof.new_errors, *tried.proof.remaining)
                narrower = next(children(goal, objections, self.wish.keep, self.facts), None)
                if narrower is None:
                    self.failed.append(Failed(goal=goal, findings=objections))
            if narrower is None:
                break
            goal = narrower
        return None if proven is None else self._confirmed(proven)

    def _milder(self, tried: _Proven) -> Goal | None:
        """A goal that would bring fewer new warnings than one that is proven, if one more change does."""
        for goal in islice(children(tried.goal, tried.proof.new_warnings, self.wish.keep, self.facts), MAX_MILDER):
            proof = self.judge.of({**after(tried.moves), **closure(goal, self.facts, self.matrix)}, self.wanted)
            if proof is not None and proof.clean and len(proof.new_warnings) < _warns(tried):
                return goal
        return None

    def _tried(self, goal: Goal) -> _Proven | None:
        resolved = self._resolved(goal)
        if resolved is None:
            return None
        at, asked, answer = resolved
        found = moves(self.facts, self.matrix, at, goal, answer)
        proof = self.judge.of(after(found), self.wanted)
        if proof is None:
            return None
        open_ends = self.limits.broken(after(found))
        return _Proven(goal=goal, at=at, asked=asked, answer=answer, moves=found, proof=proof, open_ends=open_ends)

    def _resolved(self, goal: Goal) -> tuple[Ground, Question, dict[str, Pinned]] | None:
        """Pinned to what is installed but for what must follow; freed where the resolver objects; at last only preferred."""
        moving = {*goal.install, *self.wish.keep}
        closed = closure(goal, self.facts, self.matrix)
        free = set(followers(self.facts, goal, closed))
        says = ""
        # where a head moves so much follows that pinning the rest only costs time
        strict_for = 0 if set(closed) & HEADS else MAX_STRICT
        for number in range(strict_for + MAX_LOOSE):
            at = ground(self.facts, moving, self.absent)
            asked = question(at, goal, self.wish.keep, free, strict=number < strict_for, index=self.wish.index)
            try:
                return at, asked, self.resolver.ask(asked)
            except Unresolvable as none:
                says = none.says
            lacking = (not_there(says) & set(at.pinned)) - moving - set(self.absent)
            self.absent |= dict.fromkeys(lacking, "its release is not on the index, or has no wheel there")
            free |= {name for name in at.pinned if named(name, says)}
            if number >= strict_for and not lacking:
                break
        self.failed.append(Failed(goal=goal, says=says))
        return None

    def _confirmed(self, made: _Proven) -> Planned | None:
        """The plan with the files that the index has now; None if they are not there after all."""
        coming = [made.answer[one.name] for one in made.moves if one.after is not None]
        files = self.resolver.confirmed(made.asked, coming)
        if files is None:
            return self._planned(made.goal)
        python, platform = made.at.python, made.at.platform
        found = tuple(
            msgspec.structs.replace(one, download_bytes=size(files[one.name], python, platform)) if one.name in files else one
            for one in made.moves
        )
        repair = Repair(
            moves=found,
            pins=tuple(first(files[one.name], python, platform) for one in coming if one.name in files),
            mends=made.proof.mended,
            leaves=tuple(one for one in self.report.diagnoses if one not in made.proof.mended),
            commands=commands(self.facts, found, made.goal.backend),
            resolved_s=self.resolver.seconds,
        )
        return Planned(
            repair=repair,
            cost=cost(found, self.facts, self.matrix, made.proof),
            untold=made.proof.untold,
            warnings=made.proof.new_warnings,
            aside=dict(made.at.aside),
            backend=made.goal.backend,
            supposed=after(found),
        )
