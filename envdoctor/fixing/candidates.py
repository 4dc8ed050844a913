"""Goals worth asking the resolver about: what rules propose, combined, and the stacks of the data. Pure but for the clock."""

from __future__ import annotations

import heapq
import time
from itertools import count, islice
from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved
from envdoctor.fixing.goals import HEADS, Estimate, Goal, closure, estimate, extended
from envdoctor.stacks import ENGINE, TRAINERS, Asked, table
from envdoctor.views import distributions, driver_version, gpus, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Finding
    from envdoctor.fixing.limits import Limits
    from envdoctor.fixing.proving import Judge
    from envdoctor.matrix import Matrix
    from envdoctor.rows import GpuProduct
    from envdoctor.stacks import Table

MAX_GOALS = 100
"""Goals that are judged on supposed facts in one search."""
MAX_STACKS = 6
MAX_FINDINGS = 4
"""Findings of one goal whose changes are tried next."""
SEARCH_S = 1.5


def candidates(
    judge: Judge, matrix: Matrix, limits: Limits, base: Goal, wanted: tuple[Diagnosis, ...], kept: Mapping[str, str]
) -> list[tuple[Estimate, Goal]]:
    """Goals after which the rules find nothing of what was wanted, with the least number of changes; the cheapest first.

    Args:
        judge: of the target.
        matrix: the compatibility data.
        limits: what the data bounds and metadata does not.
        base: what must be so in any case.
        wanted: the causes to mend.
        kept: exact versions that must stay or come.
    """
    search = _Search(judge.facts, matrix, limits, kept)
    for goal in _first_goals(judge.facts, matrix, base, wanted, kept):
        search.push(goal)
    found: list[tuple[Estimate, Goal]] = []
    until = time.monotonic() + SEARCH_S
    for least, goal, supposed in islice(search.cheapest(), MAX_GOALS):
        proof = judge.of(supposed, wanted, quick=True)
        if time.monotonic() > until:
            break
        if proof is None:
            continue
        objections = (*proof.remaining, *(one for one in proof.new_errors if not _left_to_resolver(one, goal)))
        if not objections:
            found.append((least, goal))
        for next_goal in children(goal, objections, kept, judge.facts):
            search.push(next_goal)
    return found


class _Search:
    """The goals that wait, the cheapest first, each once."""

    def __init__(self, facts: Facts, matrix: Matrix, limits: Limits, kept: Mapping[str, str]) -> None:
        self.facts, self.matrix, self.limits, self.kept = facts, matrix, limits, kept
        self._number = count()
        self._seen: set[object] = set()
        self._heap: list[tuple[Estimate, int, Goal, dict[str, str]]] = []

    def push(self, goal: Goal) -> None:
        """Let it wait, within the bounds that hold for it; what breaks them beyond mending is dropped."""
        if goal.key in self._seen:
            return
        self._seen.add(goal.key)
        supposed = closure(goal, self.facts, self.matrix)
        broken = self.limits.broken(supposed)
        if broken:
            within = self.limits.within(goal, broken, self.kept)
            if within is not None and within.key != goal.key:
                self.push(within)
        else:
            heapq.heappush(self._heap, (estimate(supposed, self.facts, self.matrix), next(self._number), goal, supposed))

    def cheapest(self) -> Iterator[tuple[Estimate, Goal, dict[str, str]]]:
        """What waits, in order; more may be pushed meanwhile."""
        while self._heap:
            least, _, goal, supposed = heapq.heappop(self._heap)
            yield least, goal, supposed


def _first_goals(
    facts: Facts, matrix: Matrix, base: Goal, wanted: tuple[Diagnosis, ...], kept: Mapping[str, str]
) -> Iterator[Goal]:
    if base.install or base.remove or not wanted:
        yield base
    for one in wanted:
        yield from extended(base, one.root, kept, facts)
    yield from stack_goals(facts, matrix, base, kept)


def _left_to_resolver(finding: Finding, goal: Goal) -> bool:
    """Whether it blames a package that merely follows: the resolver will choose another release, which is judged then."""
    blamed = next(iter(finding.subjects), "__")
    return not blamed.startswith("__") and blamed not in HEADS and blamed not in goal.install


def children(goal: Goal, findings: tuple[Finding, ...], kept: Mapping[str, str], facts: Facts) -> Iterator[Goal]:
    """The goal with what would mend what it leaves or newly breaks, one change more each."""
    for finding in findings[:MAX_FINDINGS]:
        yield from extended(goal, finding, kept, facts)


def machine(facts: Facts, matrix: Matrix) -> Asked:
    """What stacks must fit on this machine; what is not known of it excludes nothing."""
    driver = driver_version(facts)
    libc, python = facts.host.libc, facts.python
    glibc = libc.value.version if isinstance(libc, Known) and libc.value.name == "glibc" else None
    return Asked(
        gpu=_product(facts, matrix),
        driver=driver.value if isinstance(driver, Known) and parsed(driver.value or "") else None,
        python=python.value.version if isinstance(python, Known) and parsed(python.value.version) else None,
        glibc=glibc if parsed(glibc or "") else None,
    )


def _product(facts: Facts, matrix: Matrix) -> GpuProduct | None:
    """A product with the compute capability of the first GPU: that is all that stacks depend on."""
    try:
        known = [gpu.compute_capability.value for gpu in gpus(facts) if isinstance(gpu.compute_capability, Known)]
    except NotObserved:
        return None
    return next((row for row in matrix.gpu_products() if known and row.compute_capability == known[0]), None)


def stacks(facts: Facts, matrix: Matrix, kept: Mapping[str, str]) -> Table:
    """The stacks of the data that fit this machine, its trainer, and what is kept."""
    present = distributions(facts)
    asked = machine(facts, matrix)
    packages = {name: f"=={kept[name]}" for name in (ENGINE, "torch", "transformers", *TRAINERS) if name in kept}
    trainer = next((name for name in TRAINERS if name in present), None)
    if trainer is not None:
        packages.setdefault(trainer, "")
    return table(matrix, Asked(gpu=asked.gpu, driver=asked.driver, python=asked.python, glibc=asked.glibc, packages=packages))


def stack_goals(facts: Facts, matrix: Matrix, base: Goal, kept: Mapping[str, str]) -> list[Goal]:
    """The stacks as goals, those that change least first; the engine alone where what is installed might go with it."""
    try:
        present = distributions(facts)
    except NotObserved:
        return []
    if ENGINE not in present:
        return []
    goals: list[tuple[Estimate, int, Goal]] = []
    for stack in stacks(facts, matrix, kept).stacks:
        names = (ENGINE, *(name for name in (*TRAINERS, "transformers") if name in present))
        for some in ((ENGINE,), names):
            install = {name: f"=={stack.versions[name]}" for name in some if name in stack.versions}
            if all(kept.get(name, spec[2:]) == spec[2:] for name, spec in install.items()):
                why = dict.fromkeys(install, f"vllm {stack.versions[ENGINE]} is of a stack that goes with this machine")
                merged = Goal(
                    install={**install, **base.install}, remove=base.remove, why={**why, **base.why}, backend=base.backend
                )
                goals.append((estimate(closure(merged, facts, matrix), facts, matrix), len(goals), merged))
    return [goal for _, _, goal in sorted(goals, key=lambda one: one[:2])[:MAX_STACKS]]
