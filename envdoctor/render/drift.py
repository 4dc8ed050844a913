"""The drift report as a page: what departs from the lock by kind, what brings it back, what could not be told.

Readable at 80 columns, without colour and in a pipe. envdoctor/data/schema/drift-1.json is the schema of the JSON form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.departures import What
from envdoctor.facts import Known
from envdoctor.render import harmless, shell
from envdoctor.render.difference import FEW, MANY, MAX_VALUE, painted, wrapped
from envdoctor.wording import brief, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.departures import Departure
    from envdoctor.drift import Drift
    from envdoctor.facts import Facts
    from envdoctor.realign import Step
    from envdoctor.render import Page

SCHEMA_VERSION = 1
TITLES = {
    What.PYTHON: "Another Python",
    What.VERSION: "Other version",
    What.BUILD: "Other build of the same version",
    What.MISSING: "Missing",
    What.EXTRA: "Not in the lock",
    What.FILES: "Files edited or deleted since the installation",
    What.DRIVER: "Driver below the lock's",
    What.GPU: "GPU not the lock's",
    What.GLIBC: "C library below the lock's",
}


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, as the page and the JSON name it."""

    lock: str
    """The lock's target as on the command line: "lock:h100"."""
    says: str
    """What it is, in one line."""
    next_command: tuple[str, ...]
    """The command that judges the environment itself."""


def render(found: Drift, subject: Subject, steps: tuple[Step, ...], facts: Facts, page: Page) -> str:
    """The page, ending in a newline."""
    blocks = [
        "\n".join(_head(subject, facts, page)),
        *("\n".join(_kind(kind, found, page)) for kind in What),
        "\n".join(_mild(found, page)),
        "\n".join(_untold(found, page)),
        "\n".join(_steps(steps, page)),
        "\n".join(line for note in page.notes for line in wrapped(note, page, "note: ", "  ")),
        "\n".join(_last(found, subject, page)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(subject: Subject, facts: Facts, page: Page) -> Iterator[str]:
    yield "envdoctor: what drifted from the lock"
    yield from wrapped(f"{subject.lock} ({subject.says})", page, "  lock  ")
    target = facts.target
    python = f"; Python {facts.python.value.version}" if isinstance(facts.python, Known) else ""
    yield from wrapped(f"{target.spec} ({target.chosen}){python}; read {facts.taken_at}", page, "  here  ")


def _kind(kind: What, found: Drift, page: Page) -> Iterator[str]:
    rows = [one for one in found.departures if one.what is kind]
    if rows:
        yield painted(f"{TITLES[kind]} ({len(rows)}):", "error", page)
    yield from _rows(rows, page)


def _rows(rows: list[Departure], page: Page) -> Iterator[str]:
    limit = MANY if page.verbose else FEW
    room = min(max((len(harmless(one.name)) for one in rows[:limit]), default=0), 24)
    for one in rows[:limit]:
        text = _said(one)
        if page.verbose:
            text += f"  [{brief(one.via)}]"
        yield from wrapped(text, page, f"  {harmless(one.name[:MAX_VALUE]):<{room}}  ", "      ")
    if len(rows) > limit:
        yield f"  ... and {len(rows) - limit} more ({'--format json has all' if page.verbose else '-v shows them'})"


def _said(one: Departure) -> str:
    if one.locked is None:
        values = one.found or ""
    elif one.what in {What.DRIVER, What.GLIBC}:
        values = f"{one.found or 'none'}, the lock assumes {one.locked} or newer"
    elif one.found is None:
        values = f"{'none, the lock is for ' if one.what is What.GPU else ''}{one.locked}"
    else:
        values = f"{one.found}, locked {one.locked}"
    says = one.says if one.what in {What.FILES, What.BUILD} else f"({one.says})"
    return f"{values}{': ' if one.what in {What.FILES, What.BUILD} else ' '}{says}" if one.says else values


def _mild(found: Drift, page: Page) -> Iterator[str]:
    if found.mild:
        yield painted("Not in the lock, and no drift:", "bold", page)
    groups: dict[str, list[str]] = {}
    for one in found.mild:
        groups.setdefault(one.says, []).append(f"{one.name} {one.found}")
    for says, names in groups.items():
        shown = names if page.verbose else names[:FEW]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        yield from wrapped(f"{', '.join(shown)}{more}: {says}", page, "  ", "      ")


def _untold(found: Drift, page: Page) -> Iterator[str]:
    if found.untold:
        yield "Could not tell:"
    for one in found.untold:
        yield from wrapped(one.question, page, "  ", "      ")
        yield from wrapped(f"because {one.why}", page, "      ")


def _steps(steps: tuple[Step, ...], page: Page) -> Iterator[str]:
    for number, step in enumerate(steps):
        yield from wrapped(step.says, page, f"{'fix' if number == 0 else 'then':<5} ")
        for argv in step.commands:
            # never wrapped: a command is there to be pasted
            yield painted(f"        {shell(argv)}", "bold", page)


def _last(found: Drift, subject: Subject, page: Page) -> Iterator[str]:
    if found.as_locked:
        told = f", {found.proven} of them proven to be the locked build with its files untouched" if found.proven else ""
        yield from wrapped(f"{found.as_locked} of {found.locked} locked packages are here in their version{told}", page, "", "  ")
    if found.by_size_only:
        text = f"{plural(found.by_size_only, 'large file')} {'was' if found.by_size_only == 1 else 'were'} compared by size only"
        yield from wrapped(text, page, "", "  ")
    yield "next: whether the environment itself is healthy"
    yield painted(f"        {shell(subject.next_command)}", "bold", page)
    counts = {kind: sum(one.what is kind for one in found.departures) for kind in What}
    words = [f"{count} {SHORT[kind]}" if kind in PACKAGES else SHORT[kind] for kind, count in counts.items() if count]
    if found.untold:
        words.append(plural(len(found.untold), "open question"))
    verdict = "drift" if found.departures else "nothing drifted" if found.untold else "no drift"
    text = f"{verdict}: {', '.join(words)}" if words else f"{verdict}: {plural(found.locked, 'package')} as locked"
    for line in wrapped(text, page, "", "  "):
        yield painted(line, "error" if found.departures else "good", page)


PACKAGES = frozenset({What.VERSION, What.BUILD, What.MISSING, What.EXTRA, What.FILES})
SHORT = {
    What.PYTHON: "another Python",
    What.VERSION: "in another version",
    What.BUILD: "of another build",
    What.MISSING: "missing",
    What.EXTRA: "not in the lock",
    What.FILES: "edited or deleted",
    What.DRIVER: "driver too old or absent",
    What.GPU: "another GPU or none",
    What.GLIBC: "C library too old",
}


def document(found: Drift, subject: Subject, steps: tuple[Step, ...], facts: Facts) -> str:
    """The same as indented JSON with a final newline."""
    told: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "lock": {"spec": subject.lock, "says": subject.says},
        "target": {"spec": facts.target.spec, "chosen": facts.target.chosen, "taken_at": facts.taken_at},
        "drifted": bool(found.departures),
        "departures": [_departure(one) for one in found.departures],
        "mild": [_departure(one) for one in found.mild],
        "unknown": [{"question": one.question, "why": one.why} for one in found.untold],
        "remedies": [{"says": one.says, "commands": [list(argv) for argv in one.commands]} for one in steps],
        "locked_packages": found.locked,
        "in_their_version": found.as_locked,
        "proven_untouched": found.proven,
        "files_compared_by_size_only": found.by_size_only,
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def _departure(one: Departure) -> dict[str, Any]:
    return {
        "what": one.what.value,
        "name": one.name,
        "locked": one.locked,
        "found": one.found,
        "says": one.says,
        "via": one.via,
    }
