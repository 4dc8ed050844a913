"""A preflight as the output of a plugin for Nagios, Icinga and what else speaks their protocol.

The first line is ``ENVDOCTOR STATUS - text | performance data``, lines of detail follow; the status is also the exit code
(Monitoring Plugins Development Guidelines, "Plugin Output" and "Performance data", read 2026-11-26). No text holds a ``|``,
and the whole stays below the 8 KB that Nagios reads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.findings import Severity
from envdoctor.preflight.outcome import Verdict
from envdoctor.render.preflight import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.preflight.outcome import Preflight
    from envdoctor.render import Page

STATUS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""By exit code."""
MAX_BYTES = 8000
MAX_LINE = 300
"""Characters of a line of text."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""What a web page of a monitoring system could take for markup."""


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """The line of the status, and lines of detail below it, ending in a newline."""
    whole = f"ENVDOCTOR {STATUS[status(found)]} - {_line(words.headline(found))} | {' '.join(_measured(found))}\n"
    room = MAX_BYTES - len(whole.encode())
    for line in _details(found):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        whole += f"{line}\n"
    return whole


def status(found: Preflight) -> int:
    """0 it passed; 1 it passed and warns of something that the baseline does not have; 2 it failed; 3 it could not tell."""
    if found.verdict is Verdict.FAILED:
        return 2
    if found.verdict is not Verdict.PASSED:
        return 3
    warns = any(one.severity is not Severity.INFO and not one.known for one in found.problems)
    return 1 if warns else 0


def _measured(found: Preflight) -> Iterator[str]:
    """'label'=value[unit];[warn];[crit];[min];[max]; a threshold of 0 alerts above 0."""
    yield f"time={found.seconds:.3f}s;;;0;{found.budget_s:g}"
    yield f"problems={len(found.counted())};;0;0"
    yield f"questions={len(found.questions)};;;0"
    yield f"waived={len(found.waived)};;;0"
    for one in found.tiers:
        if one.state in words.BEGUN:
            yield f"{one.tier.value}_time={one.seconds:.3f}s;;;0"


def _details(found: Preflight) -> Iterator[str]:
    for tier in found.tiers:
        yield _line(f"{tier.tier.value}: {tier.state.value}, {words.clean(tier.said)}")
    for one in found.counted():
        yield _line(f"{one.severity.value.upper()} {words.titled(one)}")
        if one.says:
            yield _line(f"  fix: {words.clean(one.says)}")
    for label, row in words.set_aside(found):
        yield _line(f"{label}: {row}")
    yield _line(words.cost(found))


def _line(text: str) -> str:
    short = text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]} ..."
    return _TAG.sub("< ", short.replace("|", "/"))
