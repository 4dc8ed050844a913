"""Run the rules over facts: Facts -> Verdicts. A crash of a rule is a result, never a stack trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor import manual
from envdoctor.errors import UserError
from envdoctor.facts import NotObserved
from envdoctor.findings import Doubt, Finding, Outcome, Verdict
from envdoctor.loaded import Live
from envdoctor.rules import OF_REPORTS, OF_WHAT_RAN, REGISTRY, code_of, load
from envdoctor.views import in_report

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.rules import Rule


def judge(rule: Rule, facts: Facts, matrix: Matrix) -> Verdict:
    """One rule on one target."""
    findings: list[Finding] = []
    doubts: list[Doubt] = []
    crash = None
    matrix.consulted.clear()
    try:
        for said in rule.check(facts, matrix):
            if isinstance(said, Finding):
                findings.append(said)
            else:
                doubts.append(said)
    except NotObserved as lack:
        doubts.append(Doubt(rule.QUESTION, lack.why))
    except UserError:
        raise  # data that the user has named cannot be read: no rule can judge by it
    except Exception as error:  # noqa: BLE001 - a rule's bug must not take the others down
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        line = 0 if place is None else place.tb_lineno
        crash = f"{type(error).__name__}: {error} (at {rule.__name__}, line {line})"
    if findings:
        outcome = Outcome.FAIL
    elif crash is not None:
        outcome = Outcome.CRASH
    elif doubts:
        outcome = Outcome.UNKNOWN
    else:
        outcome = Outcome.PASS
    return Verdict(
        code=rule.CODE,
        title=manual.title(rule),
        joint=rule.JOINT,
        outcome=outcome,
        findings=tuple(findings),
        doubts=tuple(doubts),
        crash=crash,
        data_as_of=matrix.as_of(),
    )


def check(
    facts: Facts,
    matrix: Matrix,
    *,
    select: Collection[str] = (),
    skip: Collection[str] = (),
    ignores: Mapping[str, str] | None = None,
) -> tuple[Verdict, ...]:
    """Judge the facts by every rule, or by those whose code starts with one of ``select`` and none of ``skip``.

    ``ignores`` maps a code to the reason it is ignored: the rule still runs, its outcome becomes IGNORED. Where nothing was
    run, the rules of what ran are no questions of this check; whoever selects one by its code is told that it cannot tell.
    """
    verdicts = []
    named = tuple(one for one in select if one.startswith(OF_WHAT_RAN))
    for name in REGISTRY:
        code = code_of(name)
        if (select and not code.startswith(tuple(select))) or (skip and code.startswith(tuple(skip))):
            continue
        if code.startswith(OF_WHAT_RAN) and facts.live == Live() and not (named and code.startswith(named)):
            continue
        if code.startswith(OF_REPORTS) and not in_report(facts):
            continue
        verdict = judge(load(name), facts, matrix)
        reason = (ignores or {}).get(code)
        if reason is not None and verdict.outcome is Outcome.FAIL:
            verdict = msgspec.structs.replace(verdict, outcome=Outcome.IGNORED, ignored_because=reason)
        verdicts.append(verdict)
    return tuple(verdicts)
