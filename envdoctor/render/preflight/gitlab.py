"""A preflight as a code quality report of GitLab: a JSON array of violations, each with the path of a file.

The properties are those of GitLab's documentation ("Code Quality", custom tools; read 2026-11-26), and its parser stops at the
first entry that lacks one of them. A problem without a place in a file is given the lock, or the target by its name
(``words.place_of``): that is no file of the repository, but leaving it out would show a failed machine as a clean one. What
is waived is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.findings import Severity
from envdoctor.render.preflight import words

if TYPE_CHECKING:
    from envdoctor.preflight.outcome import Preflight, Problem
    from envdoctor.render import Page

MOST = 5000
"""Entries; those that count come first."""
SEVERITIES = {
    (Severity.ERROR, True): "critical",
    (Severity.ERROR, False): "major",
    (Severity.WARNING, True): "major",
    (Severity.WARNING, False): "minor",
    (Severity.INFO, True): "minor",
    (Severity.INFO, False): "info",
}
"""By severity, and whether it fails the preflight: info, minor, major, critical or blocker."""


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """The array, indented, ending in a newline."""
    entries = [_entry(one, found) for one in found.problems[:MOST]]
    return msgspec.json.format(msgspec.json.encode(entries), indent=2).decode() + "\n"


def _entry(one: Problem, found: Preflight) -> dict[str, Any]:
    place = words.place_of(one, found)
    says = f". {words.clean(one.says)}" if one.says else ""
    return {
        "description": f"{words.clean(one.code)} {words.clean(one.title)}{says}",
        "check_name": words.clean(one.code),
        "fingerprint": one.fingerprint,
        "severity": SEVERITIES[one.severity, one.counts],
        "location": {"path": words.path_of(place), "lines": {"begin": place.line}},
    }
