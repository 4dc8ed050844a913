"""A preflight as JUnit XML: a test suite for each tier, a test case for each problem.

The form is that of junit-10.xsd, by which Jenkins' xUnit plugin judges such files (MIT; read 2026-11-26). A problem that fails
its tier is a failure; a tier that was asked for and could not answer is an error where that decides the verdict, like a rule of
ours that crashed; what is waived, is in the baseline or was not run is skipped, with the reason. A tier that passed is a
passing test case of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from envdoctor.preflight.outcome import State, Verdict
from envdoctor.render.preflight import words
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.preflight.outcome import Crash, Preflight, Problem, TierResult
    from envdoctor.render import Page

MOST_CASES = 1000
"""Test cases of one kind in a suite; a last one says how many more there are."""
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not let stand in a document, not even escaped (its production Char)."""
SUMMED = ("tests", "failures", "errors")


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """The document, ending in a newline."""
    root = ET.Element("testsuites", name="envdoctor preflight", time=f"{found.seconds:.3f}")
    for one in found.tiers:
        root.append(_suite(one, found))
    for name in SUMMED:
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(one: TierResult, found: Preflight) -> ET.Element:
    suite = ET.Element("testsuite", name=one.tier.value, time=f"{one.seconds:.3f}", timestamp=_xml(found.began))
    cases = list(_cases(one, found))
    suite.extend(cases)
    count = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")}
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(count["failure"]))
    suite.set("errors", str(count["error"]))
    suite.set("skipped", str(count["skipped"]))
    return suite


def _cases(one: TierResult, found: Preflight) -> Iterator[ET.Element]:
    """What there is to tell of a tier; at least one."""
    if one.state is State.PASSED:
        yield _case(one, one.tier.value, text=words.clean(one.said))
    mine = [each for each in found.problems if each.tier is one.tier]
    counted = [each for each in mine if each.counts]
    yield from _problems(one, counted, "failure")
    if one.state is State.FAILED and not counted:
        yield _case(one, one.tier.value, "failure", one.said)
    yield from _crashes(one, [each for each in found.crashes if each.tier is one.tier])
    if one.state not in {State.PASSED, State.FAILED}:
        decides = one.state in words.SILENT and found.verdict is Verdict.UNTOLD
        yield _case(one, one.tier.value, "error" if decides else "skipped", f"{one.state.value}: {one.said}")
    yield from _problems(one, [each for each in mine if each.known and not each.counts], "skipped")
    yield from _problems(one, [each for each in mine if not each.known and not each.counts], None)
    waived = [each for each in found.waived if each.problem.tier is one.tier]
    for each in waived[:MOST_CASES]:
        yield _case(one, _name(each.problem), "skipped", f"waived: {words.reason(each)}", words.told(each.problem))
    yield from _more(one, len(waived), "skipped", "waived")
    yield from _questions(one, found)


def _problems(one: TierResult, problems: Sequence[Problem], kind: str | None) -> Iterator[ET.Element]:
    for each in problems[:MOST_CASES]:
        message = f"in the baseline: {each.title}" if each.known else each.title
        yield _case(one, _name(each), kind, message, words.told(each), each.code)
    yield from _more(one, len(problems), kind, "problems")


def _crashes(one: TierResult, crashes: Sequence[Crash]) -> Iterator[ET.Element]:
    for each in crashes[:MOST_CASES]:
        message = f"{each.code} crashed, which is a bug of envdoctor, not of the target: {each.said}"
        yield _case(one, words.clean(each.code), "error", message, kind_of=each.code)
    yield from _more(one, len(crashes), "error", "crashes")


def _questions(one: TierResult, found: Preflight) -> Iterator[ET.Element]:
    """Open questions, in one case: an error where nothing else decides the verdict."""
    mine = [each for each in found.questions if each.tier is one.tier]
    if not mine:
        return
    decides = found.verdict is Verdict.UNTOLD and not any(each.state in words.SILENT for each in found.tiers)
    shown, left = words.few(mine, MOST_CASES)
    lines = [words.clean(f"{each.code} {each.question} Because {each.why}") for each in shown]
    lines += [f"and {left} more"] if left else []
    kind = "error" if decides else "skipped"
    yield _case(one, "open questions", kind, f"could not tell: {plural(len(mine), 'open question')}", "\n".join(lines))


def _more(one: TierResult, count: int, kind: str | None, what: str) -> Iterator[ET.Element]:
    if count > MOST_CASES:
        yield _case(one, f"more {what}", kind, f"{count - MOST_CASES} more {what}; --report json=FILE has all")


def _name(one: Problem) -> str:
    return f"{words.clean(one.code)} {words.clean(one.title)}"


def _case(
    one: TierResult, name: str, kind: str | None = None, message: str = "", text: str = "", kind_of: str | None = None
) -> ET.Element:
    """A test case; with what it came to, or with its text as output where that is nothing bad."""
    case = ET.Element("testcase", classname=f"envdoctor.preflight.{one.tier.value}", name=_xml(name))
    if kind is not None:
        came_to = ET.SubElement(case, kind, message=_xml(words.clean(message)), type=_xml(words.clean(kind_of or kind)))
        came_to.text = _xml(text)
    elif text:
        ET.SubElement(case, "system-out").text = _xml(text)
    return case


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
