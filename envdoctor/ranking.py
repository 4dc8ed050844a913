"""Which of several causes leads in a pasted report: the one behind the failure that was pasted. Pure.

An error text says what failed, versions say what must fail; where both name the same thing they are one diagnosis, the rule's,
with the line of the report as further evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.causes import FAMILIES
from envdoctor.findings import Layer, Severity, Standing
from envdoctor.quoting import EXCEPTION, EXPLAINED_BY, WARNED, no_fault, role, told
from envdoctor.signatures import SYMPTOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis
    from envdoctor.pasted import Quote
    from envdoctor.quoting import Told

REPORTED = "ED801"
MANY_CAUSES = frozenset({"ED201", "ED203", "ED304", "ED309", "ED310", "ED402", "ED404", "ED706"})
"""Rules that find faults between any packages: that one of them found something does not make it what a text is about."""
OF_CAUSE = {
    "transformers": "transformers",
    "trl": "trl",
    "numpy2": "numpy",
    "flashinfer": "flashinfer-python",
    "pynvml": "pynvml",
}
"""How a slug begins -> the package that it is about."""


def ranked(diagnoses: Sequence[Diagnosis], facts: Facts) -> tuple[Diagnosis, ...]:
    """The diagnoses of a report, the one behind its failure first; those of other targets as they are."""
    report = facts.report
    if report is None:
        return tuple(diagnoses)
    said = {one.root.cause: one for one in diagnoses if one.root.code == REPORTED}
    judged = [one for one in diagnoses if one.root.code != REPORTED]
    failure = no_fault(facts)
    leading: list[Diagnosis] = []
    warned: list[Diagnosis] = []
    for quoted in told(facts):
        own = said.pop(quoted.cause, None)
        if own is None:
            continue  # its rule was skipped, or its finding is a symptom of another
        same = _same(quoted, judged)
        if same is not None:
            judged.remove(same)
        one = own if same is None else _one(own, same, quoted)
        (leading if one.root.severity is Severity.ERROR else warned).append(_placed(one, quoted, both=same is not None))
    eased: list[Diagnosis] = []
    if failure is not None:
        # what only tables and metadata say is no error of a report whose failure is known to be something else
        eased = [_severe(one, Severity.WARNING) for one in judged if _declared(one)]
        judged = [*(one for one in judged if not _declared(one)), *eased]
    errors = [one for one in judged if one.root.severity is Severity.ERROR]
    # what can cost a run and shows in no error of the report is worth knowing, and is not what the report is about
    others = [one if one in eased else _severe(one, Severity.INFO) for one in judged if one.root.severity is not Severity.ERROR]
    alone = _by_versions(report.quotes, failure, after=bool(leading))
    placed = [
        *leading,
        *(_standing(one, alone) for one in errors),
        *warned,
        *(_standing(one, alone) for one in others),
    ]
    return tuple(
        _standing(one, _why(one), beside=number > 0 or failure is not None) if one.standing else one
        for number, one in enumerate(placed)
    )


def _same(quoted: Told, judged: Sequence[Diagnosis]) -> Diagnosis | None:
    """What a rule found that is the same as what the text says.

    The same cause, else what explains that cause, else the rule that its signature names;
    where the text alone cannot tell, a cause of the same family.
    """
    package = quoted.quote.values.get("package")
    by_cause = [one for one in judged if one.root.cause == quoted.cause]
    by_cause.sort(key=lambda one: package is not None and package not in one.root.subjects)
    if by_cause:
        return by_cause[0]
    behind = EXPLAINED_BY.get(quoted.cause, frozenset())
    about = quoted.cause.partition("-")[0]
    for one in judged:
        if one.root.cause in behind and any(about in subject for subject in one.root.subjects):
            return one
    errors = [one for one in judged if one.root.severity is Severity.ERROR]
    family = next((one for one in FAMILIES if quoted.cause in one), frozenset({quoted.cause}))
    open_ = quoted.guessed or quoted.quote.depth <= SYMPTOM
    if open_:
        return next((one for one in errors if one.root.cause in family), None)
    by_rule = [one for one in errors if one.root.code in quoted.signature.rules and _about_it(one, quoted, family)]
    return min(by_rule, key=lambda one: quoted.signature.rules.index(one.root.code), default=None)


def _about_it(one: Diagnosis, quoted: Told, family: frozenset[str]) -> bool:
    """Whether a rule that a text names has found what the text is about, and not another fault."""
    package = quoted.quote.values.get("package") or OF_CAUSE.get(quoted.cause.partition("-")[0])
    if one.root.code in MANY_CAUSES:
        return package in one.root.subjects and not any(one.root.cause in other for other in FAMILIES if other != family)
    return True


def _one(own: Diagnosis, judged: Diagnosis, quoted: Told) -> Diagnosis:
    """Both as one: the rule's words, the report's line as evidence; the cause is the text's where it is sure of it."""
    explained = judged.root.cause in EXPLAINED_BY.get(quoted.cause, frozenset())
    sure = quoted.quote.depth > SYMPTOM and not quoted.guessed and not explained
    grave = Severity.ERROR in {own.root.severity, judged.root.severity}
    root = msgspec.structs.replace(
        judged.root,
        cause=quoted.cause if sure else judged.root.cause,
        evidence=(*own.root.evidence, *judged.root.evidence),
        severity=Severity.ERROR if grave else judged.root.severity,
    )
    return msgspec.structs.replace(judged, root=root, remedies=judged.remedies or own.remedies)


def _declared(one: Diagnosis) -> bool:
    return one.root.layer is Layer.DECLARED and one.root.severity is Severity.ERROR


def _severe(one: Diagnosis, severity: Severity) -> Diagnosis:
    return msgspec.structs.replace(one, root=msgspec.structs.replace(one.root, severity=severity))


def _standing(one: Diagnosis, why: str, *, beside: bool = False) -> Diagnosis:
    return msgspec.structs.replace(one, standing=Standing(beside=beside, why=why))


def _why(one: Diagnosis) -> str:
    return one.standing.why if one.standing is not None else ""


def _placed(one: Diagnosis, quoted: Told, *, both: bool) -> Diagnosis:
    """With the sentence that says why it stands where it does."""
    line = f"line {quoted.quote.line}"
    kind = role(quoted.quote.text)
    if kind == WARNED:
        parts = [f"{line} warns of it"]
    elif kind == EXCEPTION:
        parts = [f"{line} names it, and that is an error that ends a run"]
    else:
        parts = [f"{line} names it"]
    if quoted.quote.depth <= SYMPTOM:
        parts.append("that text can have other causes too")
    if quoted.guessed:
        parts.append("whose compiled part fails is not said there, so what is installed decides")
    if both:
        parts.append(f"rule {one.root.code} finds it by the versions and facts in the report")
    text = "; ".join(parts)
    return _standing(one, f"{text[0].upper()}{text[1:]}.")


def _by_versions(quotes: Sequence[Quote], failure: Quote | None, *, after: bool) -> str:
    """Why something stands where it does that no text names."""
    alone = "By the versions and facts in the report alone"
    if failure is not None:
        return f"{alone}: what failed (line {failure.line}) is no fault of the environment."
    if after:
        return f"{alone}: what failed is told before it."
    if not quotes:
        return f"{alone}: no known error text is in it."
    return f"{alone}: the error in line {quotes[0].line} does not name its cause."
