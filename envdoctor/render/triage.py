"""What a maintainer posts under a report: the cause, the lines that show it, what mends it, the source; a table of many.

Everything that came from a report is escaped: it may hold markup, mentions and links of its author.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from envdoctor.findings import Severity
from envdoctor.render import shell
from envdoctor.render.preflight.markdown import code, fenced, text
from envdoctor.render.reported import BESIDE, HELPFUL, known_error, missing
from envdoctor.views import is_empty

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Report
    from envdoctor.render.reported import KnownError

MAX_EVIDENCE, MAX_MORE, MAX_NAMES = 4, 5, 6
ADDRESS = re.compile(r"https://[\w./#?=&%+-]{1,300}")
NONE, TOO_LITTLE = "healthy", "too-little"
"""In place of a cause: nothing is wrong that can be seen; nothing can be seen."""


class Triaged(NamedTuple):
    """One report, read and judged."""

    name: str
    facts: Facts
    report: Report
    little: bool = False
    """Whether too little is in it to tell anything."""

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """Those that are more than worth knowing."""
        return tuple(one for one in self.report.diagnoses if one.root.severity is not Severity.INFO)

    @property
    def cause(self) -> str:
        """Slug of the one that leads."""
        if self.diagnoses:
            return self.diagnoses[0].root.cause
        return TOO_LITTLE if self.little else NONE


class Unread(NamedTuple):
    """A report that could not be read."""

    name: str
    why: str


def answer(one: Triaged) -> str:
    """A ready-to-post answer in Markdown, ending in a newline."""
    return "\n\n".join(part for part in _answer(one) if part) + "\n"


def _answer(one: Triaged) -> Iterator[str]:
    known = known_error(one.facts)
    if known is not None and (known.leads or not one.diagnoses):
        yield f"**{text(known.head)}: {text(known.title)}**"
        yield text(known.why)
        yield f"- line {known.line}: {code(known.quote)}"
        yield f"What to do: {text(known.says)}"
    if not one.diagnoses:
        yield from _nothing_found(one, known)
        return
    first, *others = one.diagnoses
    if first.standing is not None and first.standing.beside:
        others = list(one.diagnoses)
    else:
        yield from _leading(first)
    if others:
        told = (f"- {text(other.root.title)} (`{other.root.cause}`){_lines(other)}" for other in others[:MAX_MORE])
        yield "\n".join((BESIDE, "", *told))
    if known is not None and not known.leads:
        yield f"{text(known.head)} (line {known.line}): {text(known.says)}"
    yield from _asked(missing(one.facts, first.root.cause), "To be sure, please add:")


def _leading(first: Diagnosis) -> Iterator[str]:
    """The diagnosis that is answered."""
    yield f"**{text(first.root.title)}** (cause: `{first.root.cause}`)"
    yield text(first.root.why)
    yield "\n".join(("How this is known:", "", *_evidence(first)))
    yield from _remedy(first)
    told = [f"{_linked(source.where)} (read {text(source.read)})" for source in first.root.sources[:2]]
    if len(told) == 1:
        yield f"Source: {told[0]}"
    elif told:
        yield "\n".join(("Sources:", "", *(f"- {source}" for source in told)))  # lines that follow each other are one paragraph


def _nothing_found(one: Triaged, known: KnownError | None) -> Iterator[str]:
    """Where no fault is seen: too little is there, or what there is goes together."""
    if one.cause == TOO_LITTLE:
        if known is None:
            yield "This report is empty." if is_empty(one.facts) else "There is too little in this report to tell what is wrong."
        please = "Please" if known is None else "To tell more, please"  # what is known of it was told
        yield f"{please} add the whole traceback, and what this prints on the machine:\n\n{fenced([HELPFUL], 'sh')}"
        return
    if known is None:
        yield "Nothing in this report shows a fault of the environment: what it names goes together."
        yield "If it fails all the same, please add the whole traceback."
    if known is None or not known.leads:
        yield from _asked(missing(one.facts, None), "It does not say, and it would help to know:")


def _asked(lacking: Sequence[str], head: str) -> Iterator[str]:
    if lacking:
        yield "\n".join((head, "", *(f"- {text(what)}" for what in lacking)))


def _lines(one: Diagnosis) -> str:
    """Where in the report it is seen, of what is told in one line."""
    vias = dict.fromkeys(seen.via for seen in one.root.evidence if seen.via.startswith("line "))
    return f", {text('; '.join(list(vias)[:MAX_EVIDENCE]))}" if vias else ""


def _linked(where: str) -> str:
    """A source as a link where it is nothing but an address: it is ours, not the report's."""
    return f"<{where}>" if ADDRESS.fullmatch(where) else text(where)


def _evidence(one: Diagnosis) -> Iterator[str]:
    shown = one.root.evidence[:MAX_EVIDENCE]
    for seen in shown:
        yield f"- {text(seen.what)}: {code(seen.value)} ({text(seen.via)})"
    if len(one.root.evidence) > len(shown):
        yield f"- and {len(one.root.evidence) - len(shown)} more"


def _remedy(one: Diagnosis) -> Iterator[str]:
    remedy = next(iter(one.remedies), None)
    change = next(iter(one.root.changes), None)
    says = remedy.says if remedy is not None else change.says if change is not None else ""
    commands = remedy.commands if remedy is not None else change.argv if change is not None else ()
    if says:
        yield f"What to do: {text(says)}"
    commands = tuple(argv for argv in commands if argv[:1] != ("envdoctor",))  # it is not there where the report was made
    if commands:
        yield fenced([shell(argv) for argv in commands], "sh")


def table(many: Sequence[Triaged], unread: Sequence[Unread] = ()) -> str:
    """Causes and counts with their reports, the most frequent first; then each report with its cause; then what was not read."""
    counts = Counter(one.cause for one in many)
    rows = [f"| `{cause}` | {count} | {_names(many, cause)} |" for cause, count in counts.most_common()]
    each = [
        f"| {text(one.name)} | `{one.cause}` | {text(one.diagnoses[0].root.title) if one.diagnoses else ''} |" for one in many
    ]
    parts = ["| cause | reports | which |", "|---|---:|---|", *rows, "", "| report | cause | |", "|---|---|---|", *each]
    if unread:
        parts += ["", "Not read:", "", *(f"- {text(one.name)}: {text(one.why)}" for one in unread)]
    return "\n".join(parts) + "\n"


def _names(many: Sequence[Triaged], cause: str) -> str:
    names = [text(one.name) for one in many if one.cause == cause]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def as_json(many: Sequence[Triaged], unread: Sequence[Unread] = ()) -> str:
    """The same as indented JSON with a final newline."""
    found: dict[str, Any] = {
        "schema_version": 1,
        "reports": [
            {"name": one.name, "cause": one.cause, "diagnoses": [_diagnosis(found) for found in one.diagnoses]} for one in many
        ],
        "causes": dict(Counter(one.cause for one in many).most_common()),
        "unread": [{"name": one.name, "why": one.why} for one in unread],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    root, standing = one.root, one.standing
    return {
        "cause": root.cause,
        "code": root.code,
        "title": root.title,
        "severity": root.severity.value,
        "beside": standing is not None and standing.beside,
        "why_here": standing.why if standing is not None else "",
        "evidence": [{"what": seen.what, "value": seen.value, "via": seen.via} for seen in root.evidence],
    }
