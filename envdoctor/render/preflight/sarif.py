"""A preflight as SARIF 2.1.0 (OASIS, Errata 01), in the subset that GitHub's code scanning takes.

Every result has a location: GitHub rejects the whole upload for one that has none. A problem without a place in a file is
given the lock, or the target by its name (``words.place_of``), and says so; so that GitHub does not take all that point there
for one alert, such a result brings its own ``primaryLocationLineHash``. What was waived is there with its suppression, and
against a baseline each result is new or unchanged. Crashes and open questions are notifications of the run.

Limits (GitHub's documentation "SARIF support for code scanning" and "SARIF results exceed one or more limits", read
2026-11-26): 25,000 results and rules, of which 5,000 are shown; 1,024 characters of a rule's description; 10 MB compressed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from envdoctor import __version__, manual
from envdoctor.findings import Severity
from envdoctor.preflight.outcome import EXIT_CODES, Verdict
from envdoctor.render.preflight import words
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from envdoctor.manual import Paged
    from envdoctor.preflight.outcome import Place, Preflight, Problem, Waived
    from envdoctor.render import Page

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 5000
MOST_NOTIFICATIONS = 1000
MAX_DESCRIPTION = 1024
SOURCE_ROOT = "%SRCROOT%"
"""By custom, what addresses of files of the repository are relative to."""
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z\Z")
_PARTS = re.compile(r"[A-Za-z0-9]+")
MAX_NAME = 255
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
OURS = {
    "DRIFT": ("The environment is not what the lock says", "What was judged and proven is the locked environment."),
    "REQUIRE": ("Something that is required is not there", "What is asked of the machine by --require is not met."),
    "WAIVER": ("A waiver is past its date", "A waiver holds until its date; then it is renewed with a reason, or deleted."),
    "SMOKE": ("GRPO does not train here", "A short real run was measured, and an invariant of it did not hold."),
}
"""What has no manual page, by the first part of its code: a short and a full description."""


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """The log with its one run, indented, ending in a newline."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(found)]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"


def _run(found: Preflight) -> dict[str, Any]:
    problems = found.problems[:MOST_RESULTS]
    waived = found.waived[: MOST_RESULTS - len(problems)]
    firsts: dict[str, Problem] = {}
    for one in (*problems, *(each.problem for each in waived)):
        firsts.setdefault(words.clean(one.code), one)
    pages = manual.every()
    index = {code: number for number, code in enumerate(firsts)}
    new = None if found.since is None else frozenset(found.since.new)
    results = [_result(one, found, index, new) for one in problems]
    results += [{**_result(one.problem, found, index, new), "suppressions": [_suppression(one)]} for one in waived]
    if waived:
        # once one result tells of suppressions, all do
        results = [{"suppressions": [], **one} for one in results]
    driver = {"name": "envdoctor", "version": __version__, "rules": [_rule(*one, pages) for one in firsts.items()]}
    left = len(found.problems) + len(found.waived) - len(results)
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": "envdoctor/preflight/"},
        "invocations": [_invocation(found, left)],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }


def _rule(code: str, first: Problem, pages: Mapping[str, Callable[[], Paged]]) -> dict[str, Any]:
    """The rule of a code; of one that has no page and is none of ours, what its first problem says of itself."""
    if code in pages:
        rule = pages[code]()
        short, whole = manual.title(rule), manual.page(rule)
        full = manual.sections(rule).get("What it checks", short)
    else:
        short, full = OURS.get(code.split("-", 1)[0], (first.title, first.why or first.title))
        short, full = words.clean(short), words.clean(full)
        whole = full
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in _PARTS.findall(first.cause[:MAX_NAME])) or code,
        "shortDescription": {"text": _short(short)},
        "fullDescription": {"text": _short(full)},
        "help": {"text": whole, "markdown": whole},
        "defaultConfiguration": {"level": LEVELS[first.severity]},
    }


def _short(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 4]} ..."


def _result(one: Problem, found: Preflight, index: Mapping[str, int], new: frozenset[str] | None) -> dict[str, Any]:
    place, code = words.place_of(one, found), words.clean(one.code)
    # a first line that says nothing of the problem: its hash would be that of every other that points there
    stand_in = {} if one.places else {"primaryLocationLineHash": one.fingerprint}
    result: dict[str, Any] = {
        "ruleId": code,
        "ruleIndex": index[code],
        "level": LEVELS[one.severity],
        "message": {"text": _message(one)},
        "locations": [{"physicalLocation": _physical(place), **_logical(one)}],
        "partialFingerprints": {"envdoctor/v1": one.fingerprint, **stand_in},
        "properties": {"tier": one.tier.value, "layerOfTruth": one.layer.value, "failsPreflight": one.counts},
    }
    others = one.places[1 : words.MOST_LINES]
    if others:
        said = {"text": "It can be mended here too."}
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _physical(other), "message": said} for number, other in enumerate(others, 1)
        ]
    if new is not None:
        result["baselineState"] = "new" if one.fingerprint in new else "unchanged"
    return result


def _message(one: Problem) -> str:
    """Plain text, whose first sentence is what GitHub shows in a list; ``[text](address)`` would be a link in it."""
    nowhere = "" if one.places else "\nNo line of a file says this; the location stands for the whole environment."
    return f"{words.clean(one.title)}.\n{words.told(one)}{nowhere}".replace("](", "] (")


def _physical(place: Place) -> dict[str, Any]:
    # a colon in a relative address would make a scheme of what stands before it, and GitHub compares schemes
    address = quote(place.path[: words.MAX_PATH], safe="/~", errors="backslashreplace") or "."
    at = {"uri": f"file://{address}"} if address.startswith("/") else {"uri": address, "uriBaseId": SOURCE_ROOT}
    return {"artifactLocation": at, "region": {"startLine": max(place.line, 1)}}


def _logical(one: Problem) -> dict[str, Any]:
    """Where in the stack: the joint, and what it is about."""
    above = f"{one.joint.value}/" if one.joint is not None else ""
    subjects = [words.clean(subject) for subject in one.subjects[: words.MOST_LINES]]
    found = [{"name": subject, "fullyQualifiedName": f"{above}{subject}"} for subject in subjects]
    return {"logicalLocations": found} if found else {}


def _suppression(one: Waived) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": words.reason(one)}


def _invocation(found: Preflight, left: int) -> dict[str, Any]:
    began = {"startTimeUtc": found.began} if _TIME.match(found.began) else {}
    notifications = list(_notifications(found, left))
    return {
        "executionSuccessful": found.verdict is not Verdict.CRASHED,
        "exitCode": EXIT_CODES[found.verdict],
        "exitCodeDescription": words.headline(found),
        **began,
        "toolExecutionNotifications": notifications[:MOST_NOTIFICATIONS],
    }


def _notifications(found: Preflight, left: int) -> Iterator[dict[str, Any]]:
    if left:
        yield _notification("warning", f"{plural(left, 'more result')} did not fit; --report json=FILE has all.")
    for crash in found.crashes:
        text = f"{crash.code} crashed, which is a bug of envdoctor, not of the target: {crash.said}"
        yield _notification("error", words.clean(text), crash.code)
    for one in found.questions:
        yield _notification("note", words.clean(f"could not tell: {one.question} Because {one.why}"), one.code)
    yield from (_notification("note", words.clean(note)) for note in found.notes)


def _notification(level: str, text: str, code: str | None = None) -> dict[str, Any]:
    of = {} if code is None else {"associatedRule": {"id": words.clean(code)}}
    return {"level": level, "message": {"text": text.replace("](", "] (")}, **of}
