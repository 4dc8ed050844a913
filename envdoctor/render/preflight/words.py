"""What the renderers of a preflight say in the same words: the verdict, the cost, a problem as plain lines. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from envdoctor.findings import Severity
from envdoctor.preflight.outcome import Place, State, Verdict
from envdoctor.render import harmless, shell, shortened
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envdoctor.findings import Evidence
    from envdoctor.preflight.outcome import Estimate, Move, Preflight, Price, Problem, Since, Tier, Waived

T = TypeVar("T")

MOST_LINES = 20
"""Pieces of evidence, commands, symptoms or places of one problem in a report for machines; JSON has all."""
MAX_PASTED = 4000
"""Characters of a line to paste that is still shown: a longer one is named by its length, since half of it must not be pasted."""
MAX_PATH = 4096
"""Characters of a path: Linux's PATH_MAX."""
STATES = {State.PASSED: "ok", State.FAILED: "FAILED", State.UNTOLD: "?", State.NOT_RUN: "not run", State.NOT_ASKED: "-"}
SILENT = frozenset({State.UNTOLD, State.NOT_RUN})
"""How a tier that was asked for ends without an answer."""
BEGUN = frozenset({State.PASSED, State.FAILED, State.UNTOLD})
"""How a tier ends that took time."""
_LOG_COMMANDS = re.compile(r"^(?=[^\S\n]*::)[^\S\n]*|##\w*(?=\[)", re.MULTILINE)
_RULE = re.compile(r"ED[0-9]{3}\Z")
SMALLEST = 0.01
"""Of a price, that two digits can tell."""
SHORT_S, LONG_S, MINUTES_S = 1, 10, 600
"""Below the first two, seconds are told with two digits and with one; from the last on, in minutes."""


def clean(text: str, most: int | None = None) -> str:
    """The text as one harmless line that can be written as UTF-8, of at most so many characters before that."""
    short = shortened(brief(text)) if most is None or len(text) <= most else f"{text[:most]} ..."
    return _visible(short)


def _visible(text: str) -> str:
    """Without controls, and without the lone surrogates that stand for bytes of a file's name that are no UTF-8."""
    return harmless(text).encode("utf-8", "backslashreplace").decode("utf-8")


def inert(page: str) -> str:
    """The lines without what a CI runner takes for a command in a log: ``::error::`` at a line's start, ``##[...]`` anywhere.

    GitHub's runner reads both forms (its ActionCommand.cs), Azure's reads ``##vso[...]``: text of a target could set outputs.
    """
    return _LOG_COMMANDS.sub(r"\g<0>\\", page)


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def word(value: State | Verdict) -> str:
    """As one word for machines: "passed", "could-not-tell"."""
    said: str = value.value
    return said.replace(" ", "-")


def few(items: Sequence[T], most: int = MOST_LINES) -> tuple[Sequence[T], int]:
    """The first so many, and how many are left out."""
    return items[:most], max(len(items) - most, 0)


def lasting(seconds: float) -> str:
    """``0.65 s``, ``6.3 s``, ``77 s``, ``12 min``."""
    if seconds >= MINUTES_S:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.{2 if seconds < SHORT_S else 1 if seconds < LONG_S else 0}f} s"


def is_rule(code: str) -> bool:
    """Whether ``envdoctor explain`` knows it: ED201, not DRIFT-VERSION."""
    return _RULE.match(code) is not None


def failed_tiers(found: Preflight) -> list[Tier]:
    """The tiers that failed, in their order; where none says so, those of the problems that count."""
    failed = [one.tier for one in found.tiers if one.state is State.FAILED]
    return failed or list(dict.fromkeys(one.tier for one in found.counted()))


def headline(found: Preflight) -> str:
    """The verdict in one sentence, on one harmless line."""
    if found.verdict is Verdict.FAILED:
        counted = found.counted()
        tiers = listed([one.value for one in failed_tiers(found)])
        first = f": {clean(counted[0].title)} ({clean(counted[0].code)})" if counted else ""
        more = f" and {plural(len(counted) - 1, 'more problem')}" if len(counted) > 1 else ""
        return f"FAILED in {tiers}{first}{more}" if tiers else "FAILED"
    if found.verdict is Verdict.CRASHED:
        codes = listed([clean(code) for code in dict.fromkeys(one.code for one in found.crashes)][:MOST_LINES])
        return f"CRASHED: {codes} of envdoctor crashed, and nothing else failed"
    questions = plural(len(found.questions), "open question")
    if found.verdict is Verdict.UNTOLD:
        silent = [f"{one.tier.value} ({clean(one.said)})" for one in found.tiers if one.state in SILENT]
        return f"COULD NOT TELL: {listed(silent) or f'{questions}, and --strict lets none pass'}"
    passed = listed([one.tier.value for one in found.tiers if one.state is State.PASSED])
    return f"PASSED: {passed or 'no tier was asked for'} in {lasting(found.seconds)}{f'; {questions}' if found.questions else ''}"


def cost(found: Preflight) -> str:
    """What was spent, and what stopping early spared, with where each estimate is from, and the price where it is known."""
    price = found.cost.price
    if not found.cost.spared:
        return f"It took {lasting(found.cost.spent_s)}{_paid(price, found.cost.spent_s)}."
    ways: dict[str, list[Estimate]] = {}
    for one in found.cost.spared:
        ways.setdefault(one.via, []).append(one)
    told = [
        f"{listed([one.tier.value for one in ones])}, {lasting(sum(one.seconds for one in ones))} (from {clean(via)})"
        for via, ones in ways.items()
    ]
    paid = _paid(price, sum(one.seconds for one in found.cost.spared))
    return f"It failed after {lasting(found.cost.spent_s)}; that spared {'; '.join(told)}{paid}."


def _paid(price: Price | None, seconds: float) -> str:
    return "" if price is None else f": {paid(price, seconds)} at {rate(price)}"


def paid(price: Price, seconds: float) -> str:
    """What so long costs: ``$0.51``, ``0.51 EUR``, ``less than $0.01``."""
    amount = price.per_hour * seconds / 3600
    return f"less than {_money('0.01', price)}" if 0 < amount < SMALLEST / 2 else _money(f"{amount:.2f}", price)


def rate(price: Price) -> str:
    """The price itself: ``$24/h``."""
    return f"{_money(f'{price.per_hour:g}', price)}/h"


def _money(number: str, price: Price) -> str:
    currency = clean(price.currency)
    return f"{number} {currency}" if currency.isalpha() else f"{currency}{number}"


def said(one: Evidence) -> str:
    """A piece of evidence on one line: what it is, its value, where it was read."""
    return f"{clean(one.what)}: {clean(one.value)}  [{clean(one.via)}]"


def commands(one: Problem) -> Iterator[str]:
    """The commands as lines to paste."""
    yield from _whole([shell(argv) for argv in one.commands[:MOST_LINES]], len(one.commands), "command")


def writing(one: Problem) -> Iterator[str]:
    """The lines to write into the first of its places, as they are to stand there."""
    yield from _whole(one.write[:MOST_LINES], len(one.write), "line")


def _whole(lines: Iterable[str], count: int, what: str) -> Iterator[str]:
    """Lines to paste, none of them cut."""
    for raw in lines:
        line = _visible(raw)
        too_long = f"# a {what} of {len(line)} characters is not shown; --report json=FILE has it"
        yield line if len(line) <= MAX_PASTED else too_long
    if count > MOST_LINES:
        yield f"# and {plural(count - MOST_LINES, f'more {what}')}; --report json=FILE has all"


def path_of(place: Place) -> str:
    """The path, harmless and of bounded length."""
    return _visible(place.path[:MAX_PATH])


def where(one: Problem) -> list[str]:
    """Where it can be mended: ``Dockerfile:2``, the best place first."""
    return [f"{clean(place.path)}:{place.line}" for place in one.places]


def lock_file(found: Preflight) -> str | None:
    """The lock as a path of the repository; None where it was given by its name ("h100"), or not at all."""
    lock = found.lock
    return lock if lock is not None and ("/" in lock or lock.endswith((".txt", ".toml"))) else None


def place_of(one: Problem, found: Preflight) -> Place:
    """Where a report that must name a file points to: the best place, else the lock, else the target by its name, line 1.

    The last is no file of the repository. It says truly what the problem is in; GitHub rejects the whole upload of a report
    with one result that has no location ("expected at least one location", codeql-action issue 1738), GitLab needs a path.
    """
    if one.places:
        return one.places[0]
    return Place(lock_file(found) or found.target or "target", 1)


def reason(one: Waived) -> str:
    """Why it is waived, and until when."""
    return f"{clean(one.reason)} ({f'until {clean(one.until)}' if one.until else 'for ever'})"


def told(one: Problem) -> str:
    """The problem as plain lines without its headline: why, what was seen, what to do, where, what follows, the sources."""
    return inert("\n".join(_told(one)))


def _told(one: Problem) -> Iterator[str]:
    if one.why:
        yield clean(one.why)
    yield from _labelled("seen: ", [said(seen) for seen in one.evidence[:MOST_LINES]], len(one.evidence))
    if one.says:
        yield f"fix: {clean(one.says)}"
    yield from (f"    {line}" for line in commands(one))
    if one.write:
        yield f"write{f' into {where(one)[0]}' if one.places else ''}:"
        yield from (f"    {line}" for line in writing(one))
    yield from _labelled("where: ", where(one)[:MOST_LINES], len(one.places))
    follows = [f"{clean(each.code)} {clean(each.title)}" for each in one.symptoms[:MOST_LINES]]
    yield from _labelled("follows from it: ", follows, len(one.symptoms))
    sources = [f"{clean(source.where)} (read {clean(source.read)})" for source in one.sources[:MOST_LINES]]
    yield from _labelled("source: ", sources, len(one.sources))
    if is_rule(one.code):
        yield f"more: envdoctor explain {one.code}"


def _labelled(label: str, lines: Iterable[str], count: int) -> Iterator[str]:
    yield from (f"{label}{line}" for line in lines)
    if count > MOST_LINES:
        yield f"{label}and {count - MOST_LINES} more; --report json=FILE has all"


def moved(one: Move) -> str:
    """``torch 2.5.1 -> 2.6.0``; what was not there before, or is not any more, is "none"."""
    before, after = (clean(value) if value is not None else "none" for value in (one.before, one.after))
    return f"{clean(one.what)} {before} -> {after}"


def changed(since: Since, found: Preflight) -> Iterator[tuple[str, str]]:
    """What changed since the baseline: rows of a label and a text."""
    titles = {one.fingerprint: titled(one) for one in found.problems}
    yield from (("new", titles[one]) for one in since.new if one in titles)
    yield from (("gone", f"{clean(one.code)} {clean(one.title)}") for one in since.gone)
    yield from (("moved", moved(one)) for one in since.moves)
    if since.untold is not None:
        yield "but", f"not everything can be compared: {clean(since.untold)}"


def titled(one: Problem) -> str:
    """Its code, its title, and the best place to mend it."""
    place = where(one)
    return f"{clean(one.code)} {clean(one.title)}{f' ({place[0]})' if place else ''}"


def set_aside(found: Preflight) -> Iterator[tuple[str, str]]:
    """What was found and does not fail it: rows of a label and a text."""
    for one in found.problems:
        if not one.counts:
            quiet = "info" if one.severity is Severity.INFO else f"{one.severity.value}, does not fail it"
            yield "in the baseline" if one.known else quiet, titled(one)
    for waived in found.waived:
        yield "waived", f"{titled(waived.problem)}; the reason given: {reason(waived)}"


def grouped(problems: Iterable[Problem]) -> list[tuple[Problem, list[Problem]]]:
    """Each problem with those behind it of its tier that the very same commands mend, in the same words.

    Two hundred packages that drifted are one installation away from the lock, not two hundred.
    """
    found: dict[object, tuple[Problem, list[Problem]]] = {}
    for number, one in enumerate(problems):
        key = (one.tier, one.says, one.commands) if one.commands else number
        if key in found:
            found[key][1].append(one)
        else:
            found[key] = (one, [])
    return list(found.values())


class Once:
    """What stands on the page already, so that it is not said again."""

    def __init__(self) -> None:
        self.commands: dict[tuple[tuple[str, ...], ...], Problem] = {}
        self.reasons: dict[str, str] = {}

    def above(self, one: Problem) -> str | None:
        """The problem under which its commands stand already; None where they do not, and from now on they do."""
        first = self.commands.setdefault(one.commands, one) if one.commands else one
        return None if first is one else " ".join((first.code, *first.subjects[:1]))

    def explained(self, one: Problem) -> bool:
        """Whether a problem of that code was explained in the same words; from now on it is."""
        again = self.reasons.get(one.code) == one.why
        self.reasons[one.code] = one.why
        return again
