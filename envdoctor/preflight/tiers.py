"""The tiers that run nothing of the target: Dockerfiles, the rules, the lock. Each adds what it finds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from envdoctor import session
from envdoctor.dockerfiles import REGISTRY, code_of
from envdoctor.dockerfiles.linting import STDIN, lint, read
from envdoctor.drift import drift
from envdoctor.errors import UserError
from envdoctor.facts import Unknown
from envdoctor.findings import Outcome
from envdoctor.preflight.going import Stand
from envdoctor.preflight.outcome import Crash, Problem, Question, Tier, Waived
from envdoctor.preflight.problems import of_departure, of_diagnosis, of_dockerfile, of_line, of_waived
from envdoctor.preflight.requires import lacking, of_profile
from envdoctor.preflight.waivers import until_of
from envdoctor.realign import steps
from envdoctor.sources import interpreter
from envdoctor.sources import lock as locked
from envdoctor.suppose import supposing
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.drift import Drift
    from envdoctor.facts import Facts
    from envdoctor.findings import Report
    from envdoctor.preflight.going import Going

NAMES = ("Dockerfile", "Containerfile")
MOST_DOCKERFILES = 50
CODE = "DRIFT"
"""Of open questions about it."""


def lint_tier(going: Going) -> Stand:
    """The Dockerfiles that were named, or lie in the working folder. Raises UserError: one that was named cannot be read."""
    named = going.asked.dockerfiles
    if STDIN in named:
        raise UserError(
            "--dockerfile takes a file, not standard input", "A Dockerfile on standard input is judged by: envdoctor lint -"
        )
    found: list[Problem] = []
    codes = [code_of(name) for name in REGISTRY]
    judged = 0
    here = list(dict.fromkeys(named)) or dockerfiles(session.here())
    if not named and len(here) > MOST_DOCKERFILES:
        going.notes.append(f"of {len(here)} Dockerfiles here the first {MOST_DOCKERFILES} were judged; --dockerfile names others")
        why = f"of {len(here)} the first {MOST_DOCKERFILES} were judged"
        going.questions.append(Question(Tier.LINT, "LINT", "Is every Dockerfile here right?", why))
        here = here[:MOST_DOCKERFILES]
    for path in here:
        try:
            name, data = read(path)
            one = lint(name, data, None, going.plan.matrix, codes)
        except UserError as wrong:
            if named:
                raise
            going.notes.append(session.shown(f"{wrong.what}, so it was not judged"))
            going.questions.append(Question(Tier.LINT, "LINT", "Is every Dockerfile here right?", session.shown(wrong.what)))
            continue
        judged += 1
        place = going.repository.shown(os.path.abspath(name))
        found += of_dockerfile(one, place)
        going.waived += [Waived(problem=of_line(line, place), reason=reason, until=None) for line, reason in one.ignored]
        going.questions += [Question(Tier.LINT, code, doubt.question, doubt.why) for code, doubt in one.doubts]
        going.crashes += [Crash(Tier.LINT, code, said) for code, said in one.crashes]
    going.add(Tier.LINT, found, lapse=True)
    left = f" of {len(here)}" if judged < len(here) else ""
    return Stand(
        f"{judged}{left} {'Dockerfile' if len(here) == 1 else 'Dockerfiles'}, {plural(len(codes), 'rule')}"
        if here
        else "no Dockerfile here"
    )


def dockerfiles(folder: str) -> list[str]:
    """Names of the Dockerfiles that lie in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []  # a folder that cannot be read holds none that we could judge
    found = [name for name in names if name.startswith(("Dockerfile.", "Containerfile.")) or name in NAMES]
    found += [name for name in names if name.endswith((".Dockerfile", ".dockerfile")) and name not in found]
    # a pipe or a link that leads nowhere is told; a folder of that name holds something else
    return [name for name in found if not os.path.isdir(os.path.join(folder, name))]


def check_tier(going: Going) -> Stand:
    """The rules on the target, and what is required of it. Raises UserError: there is no such target."""
    with session.start(going.asked.target) as pending:
        session.preload()
        try:
            facts = session.facts_of(pending, going.plan.matrix)
        except UserError as wrong:
            if pending.running is None:
                raise  # a file that was named cannot be read
            interpreter.stop(pending.running.child)
            return Stand("not read", untold=f"{wrong.what}. {wrong.hint}")
        if pending.running is not None and pending.spec.scheme == "venv" and facts.target.broken is None:
            going.interpreter = os.path.abspath(pending.running.interpreter)
    going.probed = session.pasteable(facts, pending)
    report = judged(going, Tier.CHECK)
    # the GPU of a profile is supposed for the rules; that one is here is for nobody to suppose but who asks for it
    here = supposing(going.probed, going.plan.wishes.suppose, going.plan.matrix)
    added = list(lacking(going.asked.required, here))
    going.questions += [one for one in added if isinstance(one, Question)]
    problems = [one for one in added if isinstance(one, Problem)]
    problems += of_profile(going.plan.profile, here, going.plan.matrix)
    going.add(Tier.CHECK, [*problems, *of_report(going, report, Tier.CHECK)], lapse=True)
    count = plural(len(report.verdicts), "rule")
    lacks = [one for one in added if isinstance(one, Question)]
    if lacks:
        return Stand(count, untold=f"{lacks[0].question} {lacks[0].why}")
    return Stand(count)


def judged(going: Going, tier: Tier) -> Report:
    """The rules on what is known now."""
    assert going.probed is not None  # noqa: S101 - the check tier has read them
    going.facts, report, notes = session.judge(going.probed, going.plan, 0.0)
    going.verdicts = report.verdicts
    expired = frozenset(session.lapsed(going.config, going.today))  # they are problems here
    going.notes += [note for note in notes if note not in expired and note not in going.notes]
    known = {(one.code, one.question) for one in going.questions}
    for verdict in report.verdicts:
        going.questions += [
            Question(tier, verdict.code, doubt.question, doubt.why)
            for doubt in verdict.doubts
            if (verdict.code, doubt.question) not in known
        ]
        if verdict.crash is not None and verdict.code not in {one.code for one in going.crashes}:
            going.crashes.append(Crash(tier, verdict.code, verdict.crash))
    return report


def of_report(going: Going, report: Report, tier: Tier) -> Iterable[Problem]:
    """What the rules found, without what an earlier tier has told; what is ignored is taken as waived."""
    joints = {one.code: one.joint for one in report.verdicts}
    told = {one.fingerprint for one in going.problems} | {one.problem.fingerprint for one in going.waived}
    for verdict in report.verdicts:
        if verdict.outcome is not Outcome.IGNORED:
            continue
        for finding in verdict.findings:
            problem = of_waived(finding, verdict.joint, tier)
            if problem.fingerprint not in told:
                until = until_of(verdict.code, going.config, going.today)
                going.waived.append(Waived(problem=problem, reason=verdict.ignored_because or "", until=until))
    made = (of_diagnosis(one, joints[one.root.code], tier) for one in report.diagnoses)
    return [one for one in made if one.fingerprint not in told]


def drift_tier(going: Going) -> Stand:
    """Versions against the lock. Raises UserError: there is no such lock."""
    if going.probed is None:
        return Stand("not compared", untold="the environment could not be read")
    found = add_drift(going, Tier.DRIFT, going.probed)
    records = going.probed.records
    # that no file was compared is an open question only where none will be
    later = records.why if isinstance(records, Unknown) and not going.asked.static else None
    going.questions += [Question(Tier.DRIFT, CODE, one.question, one.why) for one in found.untold if one.why != later]
    return Stand(f"{found.as_locked} of {plural(found.locked, 'package')} as locked")


def files_tier(going: Going) -> Stand:
    """Every installed file against its hash."""
    going.say(Tier.FILES, "hashing what is installed")
    with session.start(going.asked.target, records=True) as pending:
        facts = session.pasteable(session.facts_of(pending, going.plan.matrix), pending)
    if isinstance(facts.records, Unknown):
        return Stand("no file was compared", untold=facts.records.why)
    found = add_drift(going, Tier.FILES, facts)
    asked = {(one.question, one.why) for one in going.questions}
    going.questions += [
        Question(Tier.FILES, CODE, one.question, one.why) for one in found.untold if (one.question, one.why) not in asked
    ]
    proven = f", {found.proven} proven to be the locked build" if found.proven else ""
    sizes = f", {plural(found.by_size_only, 'large file')} by size only" if found.by_size_only else ""
    return Stand(f"{plural(found.locked, 'package')} compared file by file{proven}{sizes}")


def add_drift(going: Going, tier: Tier, facts: Facts) -> Drift:
    """Take how the facts depart from the lock, but for what was told already, with what brings all of it back."""
    spec = going.asked.lock or ""
    sought = locked.read(spec)
    facts = supposing(facts, session.supposed(facts, going.plan)[0].suppose, going.plan.matrix)
    found = drift(sought, facts)
    told = {one.fingerprint for one in going.problems} | {one.problem.fingerprint for one in going.waived}
    mine = tuple(one for one in found.departures if of_departure(one, (), tier).fingerprint not in told)
    requirements = session.shown(locked.requirements_of(sought, spec))
    todo = steps(msgspec.structs.replace(found, departures=mine), sought, facts, requirements)
    going.add(tier, [of_departure(one, todo, tier) for one in mine])
    return found
