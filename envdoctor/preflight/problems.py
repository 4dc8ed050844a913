"""What each tier says, as problems of one form: reports of the rules, Dockerfiles, departures from a lock, a smoke. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from envdoctor.departures import What
from envdoctor.findings import Evidence, Joint, Layer, Safety, Severity
from envdoctor.preflight.outcome import Place, Problem, Symptom, Tier
from envdoctor.proving.proof import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.departures import Departure
    from envdoctor.dockerfiles.linting import Linted
    from envdoctor.dockerfiles.sheet import LineFinding
    from envdoctor.findings import Diagnosis, Finding, Remedy
    from envdoctor.proving.proof import Proof
    from envdoctor.realign import Step

FINGERPRINT_DIGITS = 32
JOINTS = {What.PYTHON: Joint.PYTHON, What.DRIVER: Joint.DRIVER, What.GPU: Joint.DRIVER, What.GLIBC: Joint.MACHINE}
"""Where in the stack a departure belongs; packages belong to the layer of Python's packages."""
MEANS = {
    What.PYTHON: "The locked wheels are for another Python; an installer takes others, or builds from source.",
    What.VERSION: "What was judged, and what a smoke proved, was the locked version.",
    What.BUILD: "The version is the locked one, the file is not: it may be for another CUDA or CPU.",
    What.MISSING: "What imports it fails.",
    What.EXTRA: "Nothing says what it changes: it may shadow or pull down what is locked.",
    What.FILES: "The package is not what its release was: nothing that was proven of it holds.",
    What.DRIVER: "The locked CUDA does not start on it.",
    What.GPU: "The locked wheels were judged for another GPU.",
    What.GLIBC: "The locked wheels need a newer C library and do not load.",
}
WAYS = {
    What.VERSION: "{name} is {found}, and the lock says {locked}",
    What.BUILD: "{name} {found} is another build than the locked {locked}",
    What.MISSING: "{name} {locked} is in the lock and not installed",
    What.EXTRA: "{name} {found} is installed and not in the lock",
}


def fingerprint(*parts: str) -> str:
    """A stable name for a problem, from what stays the same while it is the same."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:FINGERPRINT_DIGITS]


def distinct(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems with fingerprints that are all different: the second of the same name gets one of its own."""
    seen: dict[str, int] = {}
    found = []
    for one in problems:
        count = seen[one.fingerprint] = seen.get(one.fingerprint, 0) + 1
        again = one.fingerprint if count == 1 else fingerprint(one.fingerprint, str(count))
        found.append(msgspec.structs.replace(one, fingerprint=again))
    return tuple(found)


def of_diagnosis(one: Diagnosis, joint: Joint | None, tier: Tier) -> Problem:
    """A root cause that the rules found, with the first of its remedies."""
    remedy = next(iter(one.remedies), None)
    return _of_finding(
        one.root,
        joint,
        tier,
        says=f"{remedy.says}{unproven(remedy)}" if remedy else "",
        commands=remedy.commands if remedy else (),
        symptoms=tuple(Symptom(symptom.code, symptom.title) for symptom in one.symptoms),
    )


def unproven(remedy: Remedy) -> str:
    """What is said of a remedy that the rules could not be tried on."""
    return "" if remedy.proven or remedy.safety is Safety.MANUAL else " (Not proven on the supposed facts.)"


def of_waived(root: Finding, joint: Joint | None, tier: Tier) -> Problem:
    """A finding that is waived: nothing was prescribed for it."""
    return _of_finding(root, joint, tier)


def _of_finding(
    root: Finding,
    joint: Joint | None,
    tier: Tier,
    *,
    says: str = "",
    commands: tuple[tuple[str, ...], ...] = (),
    symptoms: tuple[Symptom, ...] = (),
) -> Problem:
    return Problem(
        tier=tier,
        code=root.code,
        title=root.title,
        why=root.why,
        severity=root.severity,
        layer=root.layer,
        joint=joint,
        cause=root.cause,
        subjects=root.subjects,
        evidence=root.evidence,
        sources=root.sources,
        says=says or f"`envdoctor explain {root.code}` says what can be done.",
        commands=commands,
        symptoms=symptoms,
        fingerprint=fingerprint(root.code, root.cause, *root.subjects),
        counts=True,
    )


def of_line(found: LineFinding, path: str) -> Problem:
    """A finding on a line of the Dockerfile at that path."""
    made = _of_finding(found, None, Tier.LINT, says=found.advice)
    # lines move when others are added; what stands in them is what stays
    stays = [one.value for one in found.evidence] or [found.title]
    return msgspec.structs.replace(
        made,
        write=found.write,
        places=(Place(path, found.line),),
        fingerprint=fingerprint(found.code, path, *stays),
    )


def of_dockerfile(linted: Linted, path: str) -> Iterator[Problem]:
    """All findings of one Dockerfile that no comment of it ignores."""
    for found in linted.findings:
        yield of_line(found, path)


def of_departure(one: Departure, todo: tuple[Step, ...], tier: Tier) -> Problem:
    """One thing that is not as locked, with what brings all of it back."""
    kind = one.what.value
    way = WAYS.get(one.what, "{name} is {found}, and the lock says {locked}")
    said = way.format(name=one.name, found=one.found or "not here", locked=one.locked or "nothing")
    title = f"{one.name}: {one.says}" if one.what is What.FILES and one.says else said
    extra = f" ({one.says})" if one.says and one.what is not What.FILES else ""
    values = [Evidence("in the lock", one.locked or "nothing", "the lock"), Evidence("found", one.found or "nothing", one.via)]
    return Problem(
        tier=tier,
        code=f"DRIFT-{kind.upper()}",
        title=title + extra,
        why=MEANS[one.what],
        severity=Severity.ERROR,
        layer=Layer.DECLARED if one.what in {What.VERSION, What.MISSING, What.EXTRA} else Layer.LINKED,
        joint=JOINTS.get(one.what, Joint.PYTHON),
        cause=f"drift-{kind}",
        subjects=(one.name,),
        evidence=tuple(values),
        says=" ".join(dict.fromkeys(step.says for step in todo)),
        commands=tuple(argv for step in todo for argv in step.commands),
        fingerprint=fingerprint("DRIFT", kind, one.name, one.locked or "", one.found or "", one.says),
        counts=True,
    )


def of_smoke(proof: Proof) -> Problem | None:
    """Why the smoke is no proof; None where it is one."""
    if proof.passed:
        return None
    broken = [one for one in proof.invariants if one.state is not State.HELD and (one.required or one.state is State.BROKEN)]
    cause = proof.cause
    rule = cause.code if cause is not None else None
    key = broken[0].key if broken else (cause.signature if cause is not None and cause.signature else "failed")
    how = "" if proof.failure is None else f"{proof.failure.how} (while it was in: {proof.failure.phase})"
    return Problem(
        tier=Tier.SMOKE,
        code=rule or f"SMOKE-{key}",
        title=f"GRPO does not train here: {cause.title}" if cause is not None else "GRPO does not train here",
        why=cause.why if cause is not None else how,
        severity=Severity.ERROR,
        layer=Layer.TRAINED,
        joint=Joint.TRAINER,
        cause=f"smoke-{key}" if rule is None else f"smoke-{rule.lower()}",
        subjects=(proof.engine,),
        evidence=cause.evidence if cause is not None else (Evidence("how it ended", how, "the run"),),
        sources=cause.sources if cause is not None else (),
        says=cause.says if cause is not None else "",
        commands=cause.commands if cause is not None else (),
        symptoms=tuple(Symptom(f"SMOKE-{one.key}", f"{one.title}: {one.value or one.why}") for one in broken),
        fingerprint=fingerprint("SMOKE", rule or key, proof.engine),
        counts=True,
    )
