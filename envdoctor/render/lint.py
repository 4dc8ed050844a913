"""What ``envdoctor lint`` says, for people and for machines."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.findings import Severity
from envdoctor.render import harmless, shortened
from envdoctor.render.terminal import STYLES
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.dockerfiles.linting import Linted
    from envdoctor.dockerfiles.sheet import LineFinding
    from envdoctor.render import Page

SCHEMA_VERSION = 1
RESET = "\x1b[0m"


def render(linted: Sequence[Linted], page: Page, seconds: float) -> str:
    """The whole page, ending in a newline: errors and warnings in full, information in one line each unless verbose."""
    parts = ["\n".join(part) for one in linted for part in _dockerfile(one, page)]
    return "\n\n".join(part for part in (*parts, _last(linted, page, seconds)) if part) + "\n"


def _dockerfile(one: Linted, page: Page) -> Iterator[list[str]]:
    yield list(_head(one, page))
    said = [found for found in one.findings if page.verbose or found.severity is not Severity.INFO]
    told: set[str] = set()
    for found in said:
        yield list(_finding(one, found, page, again=found.code in told and not page.verbose))
        told.add(found.code)
    minor = [found for found in one.findings if found not in said]
    yield [line for found in minor for line in _wrapped(f"{found.code} {found.title}", page, f"info line {found.line}: ", "  ")]
    for found, reason in one.ignored:
        yield _wrapped(f"line {found.line}: {found.code} {found.title}; the reason given: {reason}", page, "ignored: ", "  ")
    for code, doubt in one.doubts:
        yield [
            *_wrapped(f"{code} {doubt.question}", page, "could not tell: ", "  "),
            *_wrapped(f"because {doubt.why}", page, "  "),
        ]
    for code, crash in one.crashes:
        yield _wrapped(f"{code} crashed, which is a bug of envdoctor, not of your Dockerfile: {crash}", page, "BUG: ", "  ")


def _head(one: Linted, page: Page) -> Iterator[str]:
    name = "standard input" if one.name == "-" else one.name
    yield from _wrapped(f"envdoctor lint: {name}", page, "", "  ")
    if one.context is not None:
        how = "as asked" if one.context_chosen else "taken to be the one; --context DIR names another"
        yield from _wrapped(f"build context {one.context} ({how})", page, "  ")


def _finding(one: Linted, found: LineFinding, page: Page, *, again: bool) -> Iterator[str]:
    """A finding in full; of a rule that has spoken before (``again``), only what is new."""
    style = found.severity.value
    lines = _wrapped(f"{found.code} {found.title}", page, f"{style.upper()} ", "  ")
    yield from (_paint(line, style, page) for line in lines)
    if not again:
        yield from _wrapped(found.why, page, "  ")
    for evidence in found.evidence:
        via = "" if evidence.via == one.name else f"  [{shortened(brief(evidence.via))}]"
        yield from _wrapped(f"{evidence.what}: {shortened(evidence.value)}{via}", page, "  seen    ")
    if not again or not found.write:
        yield from _wrapped(found.advice, page, "  fix     ")
    for number, line in enumerate(found.write):
        # never wrapped: it is there to be pasted
        label = "  fix       " if again and number == 0 else "            "
        yield _paint(f"{label}{harmless(line)}", "bold", page)
    if again:
        return
    for source in found.sources:
        yield from _wrapped(f"{brief(source.where)} (read {source.read})", page, "  source  ")
    yield f"  more    envdoctor explain {found.code}"


def _last(linted: Sequence[Linted], page: Page, seconds: float) -> str:
    count = dict.fromkeys(Severity, 0)
    for one in linted:
        for found in one.findings:
            count[found.severity] += 1
    words = [plural(count[Severity.ERROR], "error"), plural(count[Severity.WARNING], "warning"), f"{count[Severity.INFO]} info"]
    doubts = sum(len(one.doubts) for one in linted)
    if doubts:
        words.append(plural(doubts, "open question"))
    style = "error" if count[Severity.ERROR] else "warning" if count[Severity.WARNING] else "good"
    more = "; -v shows the information in full" if count[Severity.INFO] and not page.verbose else ""
    rules = max((one.rules for one in linted), default=0)
    text = f"{plural(len(linted), 'Dockerfile')}: {', '.join(words)}; {plural(rules, 'rule')} in {seconds:.2f} s{more}"
    return "\n".join(_paint(line, style, page) for line in _wrapped(text, page, ""))


def _paint(text: str, style: str, page: Page) -> str:
    return f"{STYLES[style]}{text}{RESET}" if page.color else text


def _wrapped(text: str, page: Page, first: str, rest: str | None = None) -> list[str]:
    indent = " " * len(first) if rest is None else rest
    clean = harmless(text)
    filled = textwrap.wrap(
        clean, page.width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return filled or [first.rstrip()]


def render_json(linted: Sequence[Linted], seconds: float) -> str:
    """The report as indented JSON with a final newline; envdoctor/data/schema/lint-1.json is its schema."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "dockerfiles": [_document(one) for one in linted],
        "seconds": round(seconds, 4),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _document(one: Linted) -> dict[str, Any]:
    return {
        "dockerfile": one.name,
        "context": one.context,
        "context_chosen": one.context_chosen,
        "findings": [_finding_document(found) for found in one.findings],
        "ignored": [{**_finding_document(found), "reason": reason} for found, reason in one.ignored],
        "unknown": [{"code": code, "question": doubt.question, "why": doubt.why} for code, doubt in one.doubts],
        "crashes": [{"code": code, "crash": crash} for code, crash in one.crashes],
        "rules": one.rules,
    }


def _finding_document(found: LineFinding) -> dict[str, Any]:
    return {
        "code": found.code,
        "cause": found.cause,
        "severity": found.severity.value,
        "layer_of_truth": found.layer.value,
        "line": found.line,
        "title": found.title,
        "why": found.why,
        "subjects": list(found.subjects),
        "evidence": [{"what": seen.what, "value": seen.value, "via": seen.via} for seen in found.evidence],
        "advice": found.advice,
        "write": list(found.write),
        "sources": [{"where": source.where, "read": source.read} for source in found.sources],
    }
