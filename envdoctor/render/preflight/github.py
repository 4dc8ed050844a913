"""A preflight as annotations of GitHub Actions, and as outputs of a step.

An annotation is a workflow command, ``::error file=F,line=N,title=T::message``, one a line; in a value the percent sign,
carriage return and newline are escaped, in a property also ``:`` and ``,`` (the runner's ActionCommand.cs). GitHub shows at
most 10 errors, 10 warnings and 10 notices of a step (actions/toolkit, docs/problem-matchers.md; both read 2026-11-26): those
that fail it come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.findings import Severity
from envdoctor.preflight.outcome import Verdict
from envdoctor.render.preflight import words
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.preflight.outcome import Preflight, Problem
    from envdoctor.render import Page

MOST_OF_A_KIND = 10
MOST_CHARACTERS = 4000
"""Of one message."""
KINDS = ("error", "warning", "notice")


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """At most ten lines of each kind, the verdict first, ending in a newline."""
    verdict = "error" if found.verdict in {Verdict.UNTOLD, Verdict.CRASHED} else "notice"
    room = dict.fromkeys(KINDS, MOST_OF_A_KIND)
    # one notice is kept for what is left out
    room["notice"] -= 1
    room[verdict] -= 1
    lines = [_command(verdict, "envdoctor preflight", f"{words.headline(found)}\n{words.cost(found)}")]
    left = dict.fromkeys(KINDS, 0)
    for one in found.problems:
        kind = _kind(one)
        if room[kind]:
            room[kind] -= 1
            lines.append(_annotation(one, kind))
        else:
            left[kind] += 1
    if any(left.values()):
        said = words.listed([plural(count, kind) for kind, count in left.items() if count])
        lines.append(_command("notice", "envdoctor preflight", f"{said} of problems not shown here: GitHub shows 10 of a kind."))
    return "\n".join(lines) + "\n"


def outputs(found: Preflight) -> str:
    """Lines for the file that ``$GITHUB_OUTPUT`` names: NAME=VALUE, each value one of our own words or a number."""
    return "".join(f"{name}={value}\n" for name, value in _outputs(found))


def _outputs(found: Preflight) -> Iterator[tuple[str, str]]:
    yield "verdict", words.word(found.verdict)
    yield "failed-tier", next((one.value for one in words.failed_tiers(found)), "")
    yield "problems", str(len(found.counted()))
    yield "seconds", f"{found.seconds:.2f}"


def _kind(one: Problem) -> str:
    if one.counts:
        return "error"
    return "notice" if one.known or one.severity is Severity.INFO else "warning"


def _annotation(one: Problem, kind: str) -> str:
    place = one.places[0] if one.places else None
    title = f"{words.clean(one.code)} {words.clean(one.title)}"
    known = "It is in the baseline.\n" if one.known else ""
    where = () if place is None else (("file", words.path_of(place)), ("line", str(place.line)))
    return _command(kind, title, (known + words.told(one)) or title, *where)


def _command(kind: str, title: str, message: str, *where: tuple[str, str]) -> str:
    properties = ",".join(f"{name}={_property(value)}" for name, value in (*where, ("title", title)))
    short = message if len(message) <= MOST_CHARACTERS else f"{message[:MOST_CHARACTERS]} ..."
    return f"::{kind} {properties}::{_value(short)}"


def _value(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _value(text).replace(":", "%3A").replace(",", "%2C")
