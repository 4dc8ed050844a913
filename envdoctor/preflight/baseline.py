"""An earlier preflight as the baseline: what it had found is known and fails nothing; what changed since is told.

The file is the JSON of ``--report json=FILE``, and hostile: it may come from another machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.facts import Known, NotObserved
from envdoctor.files import read_file
from envdoctor.leaf import decoded
from envdoctor.preflight.outcome import Move, Since, State, Symptom
from envdoctor.traits import traits, variables_of
from envdoctor.views import distributions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.preflight.outcome import Problem, TierResult

SCHEMA_VERSION = 1
"""Of the JSON of a preflight, which envdoctor/data/schema/preflight-1.json describes."""
MAX_BYTES = 16 * 1024 * 1024
MAX_MOVES = 500
HINT = "A baseline is written by: envdoctor preflight --report json=baseline.json"


class OldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Of a problem, what is compared."""

    tier: str
    code: str
    title: str
    fingerprint: str


class OldTier(msgspec.Struct, frozen=True, kw_only=True):
    """Of a tier, how long it took."""

    tier: str
    state: str
    seconds: float


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Of an earlier preflight, what this one is compared with."""

    schema_version: int
    began: str
    problems: tuple[OldProblem, ...]
    tiers: tuple[OldTier, ...]
    packages: dict[str, str] | None
    traits: dict[str, str | None] | None


def read(path: str) -> Baseline:
    """Read one.

    Raises:
        UserError: it cannot be read, or is none.
    """
    try:
        document = read_file(path, MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"the baseline {path} cannot be read: {error.strerror or error}", HINT) from error
    try:
        return decoded(document, Baseline, max_bytes=MAX_BYTES, schema_version=SCHEMA_VERSION)
    except ValueError as error:
        raise UserError(f"{path} is no baseline: {error}", HINT) from error


def marked(problems: Iterable[Problem], base: Baseline | None) -> tuple[Problem, ...]:
    """The problems, those that the baseline has marked as known and failing nothing."""
    old = frozenset(one.fingerprint for one in base.problems) if base else frozenset()
    return tuple(msgspec.structs.replace(one, known=True, counts=False) if one.fingerprint in old else one for one in problems)


def since(base: Baseline, problems: Iterable[Problem], tiers: Iterable[TierResult], facts: Facts | None) -> Since:
    """What changed.

    Args:
        base: the earlier one.
        problems: of this one, waived ones too: what is waived is not gone.
        tiers: of this one; what a tier found that was not run now is not gone either.
        facts: of this one; None where they were not read.
    """
    problems = tuple(problems)
    now = {one.fingerprint for one in problems}
    old = {one.fingerprint for one in base.problems}
    ran = {one.tier.value for one in tiers if one.state in {State.PASSED, State.FAILED}}
    untold = None
    moves: tuple[Move, ...] = ()
    if facts is None:
        untold = "the environment was not read this time"
    elif base.packages is None or base.traits is None:
        untold = "the environment was not read when the baseline was made"
    else:
        moves = tuple(_moves(base.packages, base.traits, facts))[:MAX_MOVES]
    return Since(
        taken_at=base.began,
        new=tuple(one.fingerprint for one in problems if one.fingerprint not in old),
        gone=tuple(Symptom(one.code, one.title) for one in base.problems if one.fingerprint not in now and one.tier in ran),
        moves=moves,
        untold=untold,
    )


def _moves(packages: Mapping[str, str], said: Mapping[str, str | None], facts: Facts) -> Iterator[Move]:
    here = packages_of(facts)
    if here is not None:
        for name in sorted(packages.keys() | here.keys()):
            if packages.get(name) != here.get(name):
                yield Move(what=name, before=packages.get(name), after=here.get(name))
    now = traits_of(facts)
    for name in [*now, *(name for name in said if name not in now)]:
        # what one side could not tell has not moved
        if name in now and name in said and now[name] != said[name]:
            yield Move(what=name, before=said[name], after=now[name])


def packages_of(facts: Facts) -> dict[str, str] | None:
    """Distribution -> version; None where they could not be read."""
    try:
        return {name: one.version for name, one in sorted(distributions(facts).items())}
    except NotObserved:
        return None


def traits_of(facts: Facts) -> dict[str, str | None]:
    """What is known of the machine, the interpreter, builds, limits and variables, in short texts."""
    told = traits(facts, sorted(variables_of(facts)))
    return {one.name: one.said.value for one in told if isinstance(one.said, Known)}
