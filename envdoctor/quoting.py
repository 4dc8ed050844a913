"""What the known error texts of a pasted report come to: one cause each, the one behind the failure first. Pure.

The reader of the text has put its quotes in order by what the lines around them say; here the facts of the report are added:
where a text does not say whose compiled part fails, what is installed decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.causes import FAMILIES, of_package
from envdoctor.facts import NotObserved
from envdoctor.findings import Severity
from envdoctor.signatures import CAUSE, Recognised, signatures
from envdoctor.views import distributions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.facts import Facts
    from envdoctor.pasted import Quote
    from envdoctor.signatures import Signature

EXCEPTION, PLAIN, WARNED = 0, 1, 2
"""What a line is: the end of a traceback, any other, a warning or less."""
_EXCEPTION = re.compile(
    r"^[\s>│|:.\]\[)(*E-]{0,24}(?:[A-Za-z_][\w]{0,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Interrupt|Mismatch|Impossible|Conflict)\b"
)
_MILD = re.compile(r"\b(?:DEBUG|INFO|WARN|WARNING|HINT|NOTE)\b|\b[A-Z][A-Za-z]{2,40}Warning\b|\bhint:")
OF_THE_DUMP = frozenset({"no-gpu-host", "libcuda-not-found"})
"""Causes that every program tells on a machine without a GPU, where perhaps only the report was made."""
EXPLAINED_BY = {
    "trl-too-old": frozenset({"python-version-unsupported"}),
    "transformers-too-old": frozenset({"python-version-unsupported"}),
    "nccl-version-mismatch": frozenset({"mixed-cuda-majors"}),
    "cudnn-shadow": frozenset({"mixed-cuda-majors"}),
}
"""A cause -> causes that explain it.

An old Python keeps a package at a release that lacks what is imported; of wheels of two CUDA majors that write the same file the
one that was installed last is loaded."""
UNNAMED = frozenset({"symbol", "symbol_not_said"})
"""Judges of texts that need not say whose compiled part fails."""
MOST_LIKELY = "flash-attn-abi"
"""What these judges say where nothing tells more: no other extension is so often built apart from its torch."""
COMPILED = ("flash-attn", "sgl-kernel", "transformer-engine", "transformer-engine-torch", "xformers", "vllm", "torchvision")
"""Packages whose compiled part is bound to one torch, those first that are most often installed apart from it."""


class Told(NamedTuple):
    """A known error text and what it is evidence of."""

    quote: Quote
    signature: Signature
    cause: str
    severity: Severity
    guessed: bool
    """The text leaves open whose compiled part fails: the cause is the likeliest of what is installed."""


def role(text: str) -> int:
    """Whether a line ends a traceback (EXCEPTION), warns or less (WARNED), or is any other (PLAIN)."""
    if _MILD.search(text[:200]):
        return WARNED
    return EXCEPTION if _EXCEPTION.match(text) else PLAIN


def told(facts: Facts) -> tuple[Told, ...]:
    """The texts that name a cause, one for each cause, as they lead; nothing for a target that is no report."""
    report = facts.report
    if report is None:
        return ()
    known = {one.id: one for one in signatures()}
    elsewhere = no_fault(facts) is not None
    found: dict[str, Told] = {}
    for quote in ordered(report.quotes):
        signature = known.get(quote.signature)
        if quote.cause is None or signature is None:
            continue
        warned = role(quote.text) == WARNED
        if warned and elsewhere and quote.depth < CAUSE:
            continue  # what failed is known to be something else
        guessed = signature.judge in UNNAMED and not quote.values.get("package") and quote.cause == MOST_LIKELY
        cause = _by_packages(quote.cause, facts) if guessed else quote.cause
        mild = warned and (elsewhere or quote.depth < CAUSE)
        first = found.get(cause)
        if first is None:
            found[cause] = Told(quote, signature, cause, Severity.WARNING if mild else Severity.ERROR, guessed)
        elif not first.quote.values and quote.values and quote.depth == first.quote.depth:
            found[cause] = first._replace(quote=quote, signature=signature)  # it says more: of which GPU, which version
    return tuple(found.values())


def no_fault(facts: Facts) -> Quote | None:
    """The error that ended the run, where it is known and no fault of the environment (memory, a model's name ...)."""
    quotes = facts.report.quotes if facts.report is not None else ()
    surest = [one for one in quotes if one.depth == CAUSE and role(one.text) != WARNED]
    named = [one for one in quotes if one.cause is not None and role(one.text) != WARNED]
    return None if named else next(iter(surest), None)


def ordered(quotes: Sequence[Quote]) -> list[Quote]:
    """The quotes as they lead: of one family those that name their package first, and what explains another before it."""
    named = {family for family in FAMILIES for one in quotes if one.cause in family and one.values.get("package")}
    causes = {one.cause for one in quotes}

    def behind(one: Quote) -> bool:
        family = next((family for family in FAMILIES if one.cause in family), None)
        if one.cause in OF_THE_DUMP and causes - OF_THE_DUMP - {None}:
            return True  # a dump that was made without a GPU says nothing of what failed elsewhere
        unnamed = family in named and not one.values.get("package")
        return unnamed or bool(causes & EXPLAINED_BY.get(one.cause or "", frozenset()))

    return sorted(quotes, key=behind)


def _by_packages(cause: str, facts: Facts) -> str:
    """Of causes that differ by the package alone that of the package which is installed."""
    try:
        present = distributions(facts)
    except NotObserved:
        return cause
    candidates = [name for name in COMPILED if name in present]
    if cause not in FAMILIES[0] or not candidates or any(of_package(name) == cause for name in candidates):
        return cause
    return of_package(candidates[0])


class Untold(NamedTuple):
    """A known error text that names no cause, where no other does."""

    text: Recognised
    elsewhere: bool
    """It is the cause itself, and no fault of the environment."""


def untold(facts: Facts) -> Untold | None:
    """The error text of a report that is known and names no cause, where no error text in it does."""
    report = facts.report
    if report is None or any(one.severity is Severity.ERROR for one in told(facts)):
        return None
    known = {one.id: one for one in signatures()}
    for quote in report.quotes:
        signature = known.get(quote.signature)
        if quote.cause is None and signature is not None and role(quote.text) != WARNED:
            return Untold(Recognised(signature, quote.values, quote.text, quote.line), quote.depth == CAUSE)
    return None
