"""The page a user reads: target, stack, root causes with their symptoms, open questions, one last line.

Readable at 80 columns, without colour and in a pipe: every mark is a word.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from envdoctor.facts import Known
from envdoctor.findings import Layer, Outcome, Safety, Severity, age_days
from envdoctor.render import harmless, live, shell, shortened
from envdoctor.render.reported import BESIDE, known_error
from envdoctor.stack import State, layers
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.facts import Facts
    from envdoctor.findings import Diagnosis, Evidence, Finding, Report
    from envdoctor.render import Page

RESET = "\x1b[0m"
STYLES = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "info": "\x1b[36m",
    "good": "\x1b[32m",
    "dim": "\x1b[2m",
    "bold": "\x1b[1m",
}
LOADING = ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH")
"""Variables of an image that change what its programs load."""

MARKS = {
    State.HOLDS: ("ok", "good"),
    State.WEAK: ("warning", "warning"),
    State.BROKEN: ("BROKEN", "error"),
    State.UNKNOWN: ("?", "info"),
    State.ABSENT: ("-", "dim"),
}
LAYERS = {
    Layer.DECLARED: "what packages declare or a table says (declared)",
    Layer.LINKED: "the bytes on disk or the running system (linked)",
    Layer.LOADED: "having loaded it (loaded)",
    Layer.TRAINED: "having trained (trained)",
}
REPORTED = "in the report"
"""What rule ED801 calls a line of a pasted report."""
MAX_EVIDENCE = 6
MAX_TEXT = 4000


def render(report: Report, facts: Facts, page: Page) -> str:
    """The whole page, ending in a newline."""
    parts = [
        "\n".join(_head(report, facts, page)),
        "\n".join(_stack(report, facts, page)),
        "\n".join(_reported(facts, page, leads=True)),
        *("\n".join((*_place(number, report, page), *_diagnosis(one, page))) for number, one in enumerate(report.diagnoses)),
        "\n".join(_reported(facts, page, leads=False)),
        "\n".join(_asides(report, page)),
        "\n".join(_run(report, facts, page)),
        "\n".join((*_notes(report, page), *_old_data(report, page))),
        "\n".join(_doubts(report, page)),
        "\n".join((*_read(facts, page), *_last(report, page))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _paint(text: str, style: str, page: Page) -> str:
    return f"{STYLES[style]}{text}{RESET}" if page.color else text


def _wrapped(text: str, page: Page, first: str, rest: str | None = None) -> list[str]:
    """Lines of at most the page's width; a word that is longer (a path, a command) is not cut."""
    indent = " " * len(first) if rest is None else rest
    return textwrap.wrap(
        harmless(text[:MAX_TEXT]),
        page.width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _head(report: Report, facts: Facts, page: Page) -> Iterator[str]:
    target = facts.target
    yield from _wrapped(f"envdoctor: {target.spec} ({target.chosen})", page, "", "  ")
    pasted = facts.report
    if pasted is not None:
        forms = f"; recognised: {', '.join(pasted.formats)}" if pasted.formats else ""
        text = f"{plural(pasted.lines, 'line')}{forms}. What is not in the text is not judged."
        yield from _wrapped(text, page, "  ", "  ")
    elif isinstance(facts.python, Known):
        python = facts.python.value
        yield from _wrapped(f"Python {python.version}, {python.executable}; read {facts.taken_at}", page, "  ", "  ")
    yield from _image(facts, page)
    if target.broken:
        yield from _wrapped(f"Its own interpreter was not used: {target.broken}", page, "  ", "  ")
    if report.supposed:
        supposed = ", ".join(f"{name}={value}" for name, value in report.supposed.items())
        yield from _wrapped(f"Judged as if {supposed}.", page, "  ", "  ")


def _image(facts: Facts, page: Page) -> Iterator[str]:
    """Who runs in an image and what it starts; variables that change what is loaded."""
    if not isinstance(facts.image, Known) or facts.image.value is None:
        return
    one = facts.image.value
    entry = " ".join(one.entrypoint) or "none"
    command = " ".join(one.command) or "none"
    said = f"It runs as {one.user or 'root'}; entry point {shortened(entry)}; command {shortened(command)}"
    environ = facts.environ.value if isinstance(facts.environ, Known) else {}
    loads = [f"{name}={shortened(environ[name])}" for name in LOADING if environ.get(name)]
    yield from _wrapped("; ".join([said, *loads]), page, "  ", "  ")


def _stack(report: Report, facts: Facts, page: Page) -> Iterator[str]:
    for row in layers(facts, report.verdicts):
        mark, style = MARKS[row.state]
        codes = f" {' '.join(row.codes)}" if row.codes and row.state is not State.UNKNOWN else ""
        first = f"  {row.name:<8} "
        lines = _wrapped(row.found, page, " " * (len(first) + 8))
        yield first + _paint(f"{mark:<7}", style, page) + " " + lines[0].lstrip() + _paint(codes, style, page)
        yield from lines[1:]


def _reported(facts: Facts, page: Page, *, leads: bool) -> Iterator[str]:
    """Of a pasted report: the error in it that is known and names no cause."""
    one = known_error(facts)
    if one is None or one.leads is not leads:
        return
    yield from _wrapped(f"{one.head}: {one.title}", page, "", "  ")
    yield from _wrapped(one.why, page, "  ", "  ")
    yield from _wrapped(f"{REPORTED}: {shortened(one.quote)}  [line {one.line}]", page, "  seen    ")
    yield from _wrapped(one.says, page, "  fix     ")


def _place(number: int, report: Report, page: Page) -> Iterator[str]:
    """Of a pasted report: what is wrong besides what failed is marked so; in full, why each stands where it does."""
    standing = report.diagnoses[number].standing
    if standing is None:
        return
    before = report.diagnoses[number - 1].standing if number else None
    if standing.beside and not (before is not None and before.beside):
        yield BESIDE
    if page.verbose:
        yield from _wrapped(standing.why, page, "why here: ", "  ")


def _asides(report: Report, page: Page) -> Iterator[str]:
    """Of a pasted report: what is worth knowing and no error in it names."""
    if report.asides:
        yield "Worth knowing, though no error in the report names it:"
    for one in report.asides:
        yield from _wrapped(f"{one.root.code} {one.root.title}", page, "  - ")
        if page.verbose:
            yield from _evidence(one.root, page, "    ")


def _diagnosis(one: Diagnosis, page: Page) -> Iterator[str]:
    root = one.root
    label = root.severity.value.upper()
    lines = _wrapped(f"{root.code} {root.title}", page, f"{label} ", "  ")
    yield _paint(lines[0], root.severity.value, page)
    yield from (_paint(line, root.severity.value, page) for line in lines[1:])
    yield from _wrapped(root.why, page, "  ", "  ")
    yield from _evidence(root, page)
    yield from _remedies(one, page)
    for source in root.sources:
        yield from _wrapped(f"{brief(source.where)} (read {source.read})", page, "  source  ")
    yield f"  more    envdoctor explain {root.code}"
    if one.symptoms:
        yield "  follows from it:"
        for symptom in one.symptoms:
            yield from _wrapped(f"{symptom.code} {symptom.title}", page, "    - ")
            if page.verbose:
                yield from _evidence(symptom, page, "      ")
    if page.verbose:
        yield from _wrapped(f"known from: {LAYERS[root.layer]}; slug of the cause: {root.cause}", page, "  ")


def _evidence(finding: Finding, page: Page, indent: str = "  ") -> Iterator[str]:
    shown = finding.evidence if page.verbose else finding.evidence[:MAX_EVIDENCE]
    for one in shown:
        yield from _wrapped(_said(one), page, f"{indent}seen    ")
    if len(shown) < len(finding.evidence):
        yield f"{indent}seen    ... and {len(finding.evidence) - len(shown)} more (-v shows them)"


def _said(one: Evidence) -> str:
    return f"{one.what}: {shortened(one.value)}  [{shortened(brief(one.via))}]"


def _remedies(one: Diagnosis, page: Page) -> Iterator[str]:
    if not one.remedies and (one.root.changes or one.root.severity is not Severity.INFO):
        yield from _wrapped(_no_remedy(one.root), page, "  fix     ")
        for rejected in one.rejected:
            yield from _wrapped(f"not: {rejected}", page, "          ", "               ")
    for number, remedy in enumerate(one.remedies):
        label = "fix" if number == 0 else "or"
        yield from _wrapped(remedy.says, page, f"  {label:<7} ")
        for argv in remedy.commands:
            # never wrapped: a command is there to be pasted
            yield _paint(f"            {shell(argv)}", "bold", page)
        if page.verbose:
            proof = "proven: the rules come back clean of it" if remedy.proven else "not proven: a person must judge it"
            yield from _wrapped(f"{proof}; safety: {remedy.safety.value}", page, "          ")
        elif remedy.safety is not Safety.MANUAL and not remedy.proven:
            yield "          (not proven on the supposed facts)"


def _no_remedy(root: Finding) -> str:
    """Say that there is none; a remedy that does not hold is never shown as one."""
    if not root.changes:
        return f"No single command mends this; `envdoctor explain {root.code}` says what can be done."
    return "No single change was found that mends it and breaks nothing else."


def _run(report: Report, facts: Facts, page: Page) -> Iterator[str]:
    """What was run, with --deep."""
    yield from live.section(
        facts,
        lambda text, first: _wrapped(text, page, first),
        lambda text, style: _paint(text, style, page),
        verbose=page.verbose,
        found=[one.code for one in report.verdicts if one.outcome is Outcome.FAIL],
    )


def _notes(report: Report, page: Page) -> Iterator[str]:
    for note in page.notes:
        yield from _wrapped(note, page, "note: ", "  ")
    for verdict in report.verdicts:
        if verdict.outcome is Outcome.IGNORED:
            title = verdict.findings[0].title
            yield from _wrapped(f"{verdict.code} {title}; the reason given: {verdict.ignored_because}", page, "ignored: ", "  ")
        if verdict.crash is not None:
            text = f"{verdict.code} crashed, which is a bug of envdoctor, not of your environment: {verdict.crash}"
            yield _paint("\n".join(_wrapped(text, page, "BUG: ", "  ")), "error", page)


def _old_data(report: Report, page: Page) -> Iterator[str]:
    """Which verdicts rest on data too old to know what was released since."""
    if page.today is None:
        return
    old = [one for one in report.verdicts if one.data_as_of and one.rests_on_old_data(page.today)]
    if not old:
        return
    day = min(one.data_as_of for one in old if one.data_as_of)
    text = (
        f"{plural(len(old), 'verdict')} ({', '.join(one.code for one in old)}) {'rests' if len(old) == 1 else 'rest'} on "
        f"compatibility data from {day}, "
        f"{age_days(day, page.today)} days ago, which does not know newer releases. `envdoctor matrix refresh` renews what comes "
        "from wheels, a newer envdoctor the rest."
    )
    yield from _wrapped(text, page, "old data: ", "  ")


def _doubts(report: Report, page: Page) -> Iterator[str]:
    asked = [(f"{verdict.code} {doubt.question}", doubt.why) for verdict in report.verdicts for doubt in verdict.doubts]
    if asked:
        yield "Could not tell:"
    yield from open_questions(asked, page)


def open_questions(asked: Iterable[tuple[str, str]], page: Page) -> Iterator[str]:
    """Questions (each begins with its code) by the reason they are open: one missing driver opens many and is said once."""
    by_reason: dict[str, list[str]] = {}
    for question, why in asked:
        by_reason.setdefault(why, []).append(question)
    for why, questions in by_reason.items():
        if page.verbose or len(questions) == 1:
            for question in questions:
                yield from _wrapped(question, page, "  ", "      ")
        else:
            codes = ", ".join(dict.fromkeys(question.split(" ", 1)[0] for question in questions))
            yield from _wrapped(f"{len(questions)} questions: {codes}", page, "  ", "      ")
        yield from _wrapped(f"because {why}", page, "      ")


def _read(facts: Facts, page: Page) -> Iterator[str]:
    """How much was put through the loader's work and compared name by name, and what it took."""
    modules, pairs = facts.linking.modules, facts.names.pairs
    parts = []
    if isinstance(modules, Known) and modules.value:
        driver = facts.linking.driver_libraries
        assumed = isinstance(driver, Known) and driver.value == "assumed"
        taken = ", libcuda.so.1 and libnvidia-ml.so.1 taken to come with a driver" if assumed else ""
        parts.append(f"{plural(len(modules.value), 'module')} linked in {facts.linking.seconds:.2f} s{taken}")
    if isinstance(pairs, Known) and pairs.value:
        count = sum(one.names for one in pairs.value)
        among = plural(len(pairs.value), "pair")
        parts.append(f"{plural(count, 'name')} of {among} of packages compared in {facts.names.seconds:.2f} s")
    if parts:
        imported = "nothing was imported for that" if live.was_run(facts) else "nothing was imported"
        yield from (_paint(line, "dim", page) for line in _wrapped(f"{'; '.join(parts)}; {imported}", page, "", ""))


def _last(report: Report, page: Page) -> Iterator[str]:
    count = dict.fromkeys(Severity, 0)
    for one in report.diagnoses:
        count[one.root.severity] += 1
    doubts = sum(len(verdict.doubts) for verdict in report.verdicts)
    words = [plural(count[Severity.ERROR], "error"), plural(count[Severity.WARNING], "warning")]
    if count[Severity.INFO]:
        words.append(f"{count[Severity.INFO]} info")
    if doubts:
        words.append(plural(doubts, "open question"))
    style = "error" if count[Severity.ERROR] else "warning" if count[Severity.WARNING] else "good"
    causes = count[Severity.ERROR] + count[Severity.WARNING]
    clean = "nothing found" if doubts else "healthy"
    verdict = plural(causes, "root cause") if causes else clean
    if count[Severity.ERROR] > 1:
        yield from _wrapped("Mend the first, then check again: what is right for the others may depend on it.", page, "", "")
    text = f"{verdict}: {', '.join(words)}; {plural(len(report.verdicts), 'rule')} in {report.seconds:.2f} s"
    yield _paint(text, style, page)
