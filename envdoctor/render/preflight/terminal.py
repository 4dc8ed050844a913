"""The page of a preflight that a person reads in a CI log: tiers, problems, what was set aside, the cost, one verdict.

Readable at 80 columns, without colour and in a pipe: every mark is a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.preflight.outcome import State, Tier, Verdict
from envdoctor.render.difference import FEW, MANY, painted, wrapped
from envdoctor.render.preflight import words
from envdoctor.render.terminal import LAYERS, MAX_EVIDENCE, open_questions
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envdoctor.preflight.outcome import Preflight, Problem, Since
    from envdoctor.render import Page

IN_FULL = 10
"""Problems of one tier in full without -v."""
STYLES = {
    State.PASSED: "good",
    State.FAILED: "error",
    State.UNTOLD: "warning",
    State.NOT_RUN: "info",
    State.NOT_ASKED: "dim",
}
VERDICTS = {Verdict.PASSED: "good", Verdict.FAILED: "error", Verdict.UNTOLD: "warning", Verdict.CRASHED: "error"}


def render(found: Preflight, page: Page) -> str:
    """The whole page, ending in a newline. What a list leaves out is counted; the JSON has all."""
    blocks: list[Iterable[str]] = [
        _head(found, page),
        _tiers(found, page),
        *_problems(found.counted(), page),
        _aside(found, page),
        _questions(found, page),
        *((_since(found.since, found, page),) if found.since is not None else ()),
        wrapped(words.cost(found), page, "", "  "),
        (painted(line, VERDICTS[found.verdict], page) for line in wrapped(words.headline(found), page, "", "  ")),
    ]
    drawn = "\n\n".join(block for block in ("\n".join(lines) for lines in blocks) if block) + "\n"
    return words.inert(drawn).encode("utf-8", "backslashreplace").decode("utf-8")


def _head(found: Preflight, page: Page) -> Iterator[str]:
    yield from wrapped(f"envdoctor preflight: {found.target} ({found.chosen})", page, "", "  ")
    profile = f"profile {found.profile}" if found.profile else "no profile"
    lock = f"lock {found.lock}" if found.lock else "no lock"
    text = f"{profile}; {lock}; began {found.began}; at most {words.lasting(found.budget_s)}"
    yield from wrapped(text, page, "  ", "  ")


def _tiers(found: Preflight, page: Page) -> Iterator[str]:
    for one in found.tiers:
        took = words.lasting(one.seconds) if one.state in words.BEGUN else ""
        mark = words.STATES[one.state]
        first = f"  {one.tier.value:<6} {mark:<7} {took:>7}  "
        lines = wrapped(one.said, page, first)
        # painted after it is wrapped: a colour has no width
        yield lines[0].replace(mark, painted(mark, STYLES[one.state], page), 1)
        yield from lines[1:]


def _problems(counted: Sequence[Problem], page: Page) -> Iterator[Iterable[str]]:
    """Each in full; commands, and what a code says every time, once."""
    once = words.Once()
    for tier in Tier:
        of_tier = words.grouped(one for one in counted if one.tier is tier)
        shown, left = words.few(of_tier, MANY if page.verbose else IN_FULL)
        for one, others in shown:
            yield [*_problem(one, once, page), *_together(others, page)]
        if left:
            how = "--report json=FILE has all" if page.verbose else "-v shows them"
            yield [f"{tier.value}: and {left} more ({how})"]


def _problem(one: Problem, once: words.Once, page: Page) -> Iterator[str]:
    style = one.severity.value
    for line in wrapped(f"{one.code} {one.title}", page, f"{style.upper()} ", "  "):
        yield painted(line, style, page)
    again = once.explained(one) and not page.verbose
    if one.why and not again:
        yield from wrapped(one.why, page, "  ")
    yield from _listed("seen", [words.said(seen) for seen in one.evidence], MAX_EVIDENCE, page)
    yield from _fix(one, once, page)
    yield from _listed("where", words.where(one), MAX_EVIDENCE, page)
    if not again:
        sources = [f"{brief(source.where)} (read {source.read})" for source in one.sources]
        yield from _listed("source", sources, MAX_EVIDENCE, page)
        if words.is_rule(one.code):
            yield f"  more    envdoctor explain {one.code}"
    if one.symptoms:
        yield "  follows from it:"
    shown, left = words.few(one.symptoms, MANY if page.verbose else FEW)
    for symptom in shown:
        yield from wrapped(f"{symptom.code} {symptom.title}", page, "    - ")
    if left:
        yield f"    - and {left} more"
    if page.verbose:
        yield from wrapped(f"known from: {LAYERS[one.layer]}; slug of the cause: {one.cause}", page, "  ")


def _together(others: Sequence[Problem], page: Page) -> Iterator[str]:
    """What the same commands mend, a line each."""
    if others:
        yield "  the same mends:"
    shown, left = words.few(others, MANY if page.verbose else IN_FULL)
    for one in shown:
        place = f" ({words.where(one)[0]})" if one.places else ""
        yield from wrapped(f"{one.code} {one.title}{place}", page, "    - ")
    if left:
        yield f"    - and {left} more{'' if page.verbose else ' (-v shows them)'}"


def _fix(one: Problem, once: words.Once, page: Page) -> Iterator[str]:
    above = once.above(one)
    if one.says:
        yield from wrapped(one.says if above is None else f"{one.says} The commands stand above: {above}.", page, "  fix     ")
    if above is None:
        # never wrapped: a command is there to be pasted
        yield from (painted(f"            {line}", "bold", page) for line in words.commands(one))
    if one.write:
        into = f" into {words.where(one)[0]}" if one.places else ""
        yield from wrapped(f"write{into}:", page, "          ")
        yield from (painted(f"            {line}", "bold", page) for line in words.writing(one))


def _listed(label: str, lines: Sequence[str], most: int, page: Page) -> Iterator[str]:
    shown, left = words.few(lines, MANY if page.verbose else most)
    for line in shown:
        yield from wrapped(line, page, f"  {label:<7} ")
    if left:
        yield f"  {label:<7} ... and {left} more{'' if page.verbose else ' (-v shows them)'}"


def _aside(found: Preflight, page: Page) -> Iterator[str]:
    """One line each: what does not fail it, what is waived, our own crashes, and the notes."""
    yield from _rows(list(words.set_aside(found)), page)
    crashes, left = words.few(found.crashes, MANY if page.verbose else FEW)
    for crash in crashes:
        text = f"{crash.code} crashed, which is a bug of envdoctor, not of your environment: {crash.said}"
        yield from (painted(line, "error", page) for line in wrapped(text, page, "BUG: ", "  "))
    if left:
        yield f"BUG: {left} more rules crashed{'' if page.verbose else ' (-v shows them)'}"
    yield from _rows([("note", note) for note in (*found.notes, *page.notes)], page)


def _rows(rows: Sequence[tuple[str, str]], page: Page) -> Iterator[str]:
    shown, left = words.few(rows, MANY if page.verbose else FEW)
    for label, text in shown:
        yield from wrapped(text, page, f"{label}: ", "  ")
    if left:
        yield f"and {left} more of these{'' if page.verbose else ' (-v shows them)'}"


def _questions(found: Preflight, page: Page) -> Iterator[str]:
    if not found.questions:
        return
    if not page.verbose:
        yield f"could not tell: {plural(len(found.questions), 'open question')} (-v shows them)"
        return
    shown, left = words.few(found.questions, MANY)
    yield "Could not tell:"
    yield from open_questions([(f"{one.code} {one.question}", one.why) for one in shown], page)
    if left:
        yield f"  and {left} more"


def _since(since: Since, found: Preflight, page: Page) -> Iterator[str]:
    when = f" of {words.clean(since.taken_at)}" if since.taken_at else ""
    rows = list(words.changed(since, found))
    yield f"Since the baseline{when}:{'' if rows else ' nothing changed'}"
    shown, left = words.few(rows, MANY if page.verbose else FEW)
    for label, text in shown:
        yield from wrapped(text, page, f"  {label:<7} ")
    if left:
        yield f"  and {left} more{'' if page.verbose else ' (-v shows them)'}"
