"""A preflight as Markdown, for a comment on a pull request or the summary of a job: GitHub's and GitLab's flavour.

A comment on GitHub holds 65,536 characters, the summary of a step 1 MiB (GitHub's documentation of workflow commands, read
2026-11-26): the page stays below ``MOST_CHARACTERS`` and says what it leaves out. Whatever came from a target is escaped, so
that it makes no markup, no link and no mention of a person.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.preflight.outcome import State
from envdoctor.render.preflight import words
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envdoctor.preflight.outcome import Preflight, Problem
    from envdoctor.render import Page

MOST_CHARACTERS = 60_000
ROOM_OF_A_LIST = 5_000
"""Characters of each list behind the problems: what was set aside, what changed, open questions, notes."""
SHORT = 200
"""Characters of a text of the head, so that it never takes the room of the problems."""
_MARKUP = re.compile(r"[\\`*_\[\]|~$]|^(?:[0-9]{1,9}[.)]|[#+=:-])")
_LINKS = re.compile(r"@|:(?=//)|www(?=\.)|#(?=[0-9])", re.IGNORECASE)
_ADDRESS = re.compile(r"https://[A-Za-z0-9./_#?=%+-]+\Z")
_BREAK = "\x00"
"""Stands for an empty comment until the text is escaped; no clean text holds it."""
STATES = {State.FAILED: "**FAILED**", State.UNTOLD: "could not tell"}


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """The whole page, below 60,000 characters, ending in a newline."""
    head = [f"## envdoctor preflight: {text(words.headline(found))}", _what(found), "\n".join(_tiers(found))]
    tail = [*_lists(found), text(words.cost(found))]
    counted = found.counted()
    room = MOST_CHARACTERS - sum(len(block) + 2 for block in (*head, *tail, _left_out(len(counted))))
    problems, left = _fitting(counted, room)
    return words.inert("\n\n".join([*head, *problems, *([_left_out(left)] if left else []), *tail]) + "\n")


def text(raw: str, most: int | None = None) -> str:
    """A text as Markdown that shows just that text: what would link, refer or mention is broken by an empty comment."""
    broken = _LINKS.sub(lambda match: match.group() + _BREAK, words.clean(raw, most))
    escaped = _MARKUP.sub(lambda match: f"{match.group()[:-1]}\\{match.group()[-1]}", broken)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(_BREAK, "<!-- -->")


def code(raw: str, most: int | None = None) -> str:
    """A value in a code span, which its own backticks do not end."""
    clean = words.clean(raw, most)
    ticks = "`" * (_longest_run(clean) + 1)
    pad = " " if clean.startswith("`") or clean.endswith("`") else ""
    return f"{ticks}{pad}{clean}{pad}{ticks}" if clean.strip() else ""


def fenced(lines: Iterable[str], language: str) -> str:
    """Lines to paste, in a fence longer than any run of backticks in them."""
    body = "\n".join(lines)
    fence = "`" * max(3, _longest_run(body) + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def _longest_run(raw: str) -> int:
    return max((len(run) for run in re.findall("`+", raw)), default=0)


def _what(found: Preflight) -> str:
    profile = f", profile {code(found.profile, SHORT)}" if found.profile else ""
    lock = f", lock {code(found.lock, SHORT)}" if found.lock else ""
    return f"{code(found.target, SHORT)} ({text(found.chosen, SHORT)}){profile}{lock}; began {text(found.began, SHORT)}"


def _tiers(found: Preflight) -> Iterator[str]:
    yield "| tier | state | took | what it came to |"
    yield "| --- | --- | ---: | --- |"
    for one in found.tiers:
        took = words.lasting(one.seconds) if one.state in words.BEGUN else ""
        yield f"| {one.tier.value} | {STATES.get(one.state, words.STATES[one.state])} | {took} | {text(one.said, SHORT)} |"


def _fitting(counted: Sequence[Problem], room: int) -> tuple[list[str], int]:
    """The problems in full as long as there is room, then by their headlines; and how many are left out."""
    blocks: list[str] = []
    once = words.Once()
    done = 0
    for one, others in words.grouped(counted):
        block = "\n\n".join((_problem(one, once), *_together(others)))
        if len(block) > room:
            block = f"### {_headline(one)}"
        room -= len(block) + 2
        if room < 0:
            return blocks, len(counted) - done
        blocks.append(block)
        done += 1 + len(others)
    return blocks, 0


def _together(others: Sequence[Problem]) -> Iterator[str]:
    """What the same commands mend, a line each."""
    if not others:
        return
    shown, left = words.few(others)
    lines = [f"- {text(one.code)} {text(one.title)}{f' ({code(words.where(one)[0])})' if one.places else ''}" for one in shown]
    yield "\n".join(("The same mends:", "", *lines, *([f"- and {left} more"] if left else [])))


def _left_out(count: int) -> str:
    return f"{plural(count, 'more problem')} did not fit here; `--report json=FILE` has all."


def _headline(one: Problem) -> str:
    return f"{one.severity.value.upper()} {text(one.code)} {text(one.title)}"


def _problem(one: Problem, once: words.Once) -> str:
    parts = [f"### {_headline(one)}", text(one.why), "\n".join(_seen(one))]
    above = once.above(one)
    parts.append(text(one.says if above is None else f"{one.says} The commands stand above, under {above}."))
    if one.commands and above is None:
        parts.append(fenced(words.commands(one), "sh"))
    if one.write:
        into = f" into {code(words.where(one)[0])}" if one.places else ""
        parts.append(f"Write{into}:\n\n{fenced(words.writing(one), '')}")
    parts.append("\n".join(_rest(one)))
    symptoms = [f"- {text(each.code)} {text(each.title)}" for each in one.symptoms]
    parts.append(_folded(f"{plural(len(one.symptoms), 'symptom')} of it", symptoms))
    return "\n\n".join(part for part in parts if part)


def _seen(one: Problem) -> Iterator[str]:
    shown, left = words.few(one.evidence)
    for seen in shown:
        yield f"- {text(seen.what)}: {code(seen.value)} from {code(seen.via)}"
    if left:
        yield f"- and {left} more"


def _rest(one: Problem) -> Iterator[str]:
    if one.places:
        shown, left = words.few(words.where(one))
        yield f"- where: {', '.join(map(code, shown))}{f' and {left} more' if left else ''}"
    for source in one.sources[: words.MOST_LINES]:
        where = f"<{source.where}>" if _ADDRESS.match(source.where) else text(source.where)
        yield f"- source: {where} (read {text(source.read)})"
    if words.is_rule(one.code):
        yield f"- more: `envdoctor explain {one.code}`"


def _lists(found: Preflight) -> Iterator[str]:
    aside = [f"- {label}: {text(row)}" for label, row in words.set_aside(found)]
    yield from _if(_folded(f"{len(aside)} set aside: what does not fail it, and what is waived", aside))
    crashes = [f"- {text(crash.code)}: {text(crash.said)}" for crash in found.crashes]
    yield from _if(_folded(f"BUG of envdoctor, not of your environment: {plural(len(crashes), 'rule')} crashed", crashes))
    if found.since is not None:
        when = f" of {text(found.since.taken_at)}" if found.since.taken_at else ""
        rows = [f"- {label}: {text(row)}" for label, row in words.changed(found.since, found)]
        yield _folded(f"Since the baseline{when}: {plural(len(rows), 'change')}", rows) or f"Since the baseline{when}: no change"
    asked = [f"- {text(one.code)} {text(one.question)} Because {text(one.why)}" for one in found.questions]
    yield from _if(_folded(plural(len(asked), "open question"), asked))
    yield from _if(_folded(plural(len(found.notes), "note"), [f"- {text(note)}" for note in found.notes]))


def _if(block: str) -> Iterator[str]:
    if block:
        yield block


def _folded(summary: str, rows: Sequence[str]) -> str:
    """Rows that open on a click, as many as there is room for; empty where there is none."""
    if not rows:
        return ""
    kept: list[str] = []
    room = ROOM_OF_A_LIST
    for row in rows:
        room -= len(row) + 1
        if room < 0:
            kept.append(f"- and {len(rows) - len(kept)} more; `--report json=FILE` has all")
            break
        kept.append(row)
    body = "\n".join(kept)
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
