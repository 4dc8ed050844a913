"""What differs between two targets, as a page: findings of one side alone first, then the stack, the machine, the rest by number.

Readable at 80 columns, without colour and in a pipe. envdoctor/data/schema/diff-1.json is the schema of the JSON form.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.compare import How, PackageChange
from envdoctor.findings import Severity
from envdoctor.render import harmless, shortened
from envdoctor.render.terminal import RESET, STYLES
from envdoctor.traits import Area
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.compare import Clash, Difference, TraitChange, Untold
    from envdoctor.render import Page

SCHEMA_VERSION = 1
FEW = 25
"""Lines of one list without -v."""
MANY = 1000
"""Lines of one list with -v: a hostile record may hold a hundred thousand. JSON has them all."""
MAX_VALUE = 160
"""Characters of one value in a list."""
AREAS = {
    Area.IMAGE: "The image",
    Area.MACHINE: "The machine",
    Area.PYTHON: "The interpreter",
    Area.BUILD: "Builds",
    Area.VARIABLE: "Environment variables",
    Area.LIMIT: "Limits",
}
BEHIND = frozenset({"CPU", "CPUs", "memory", "kernel", "operating system", "open files", "device nodes"})
"""Traits that seldom matter: counted, and listed with -v."""


def render(difference: Difference, page: Page) -> str:
    """The page, ending in a newline."""
    parts = (_head(difference, page), _clashes(difference, page), *_changes(difference, page), _untold(difference, page))
    blocks = ["\n".join(lines) for lines in parts]
    blocks += ["\n".join(wrapped(note, page, "note: ", "  ")) for note in page.notes]
    return "\n\n".join([*(block for block in blocks if block), _last(difference, page)]) + "\n"


def wrapped(text: str, page: Page, first: str, rest: str | None = None) -> list[str]:
    """Lines of at most the page's width; a longer word is not cut. What came from a target is made harmless."""
    return textwrap.wrap(
        harmless(shortened(text)),
        page.width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def painted(text: str, style: str, page: Page) -> str:
    """The text in a style of the terminal's page."""
    return f"{STYLES[style]}{text}{RESET}" if page.color else text


def _moved(one: PackageChange | TraitChange) -> str:
    """``0.31.0 -> 0.33.0 (newer)``; ``1.16.0 (only in B)`` of a package, ``550.54.15 -> none`` of a trait."""
    if isinstance(one, PackageChange) and one.before is None:
        return f"{_value(one.after)} (only in B)"
    if isinstance(one, PackageChange) and one.after is None:
        return f"{_value(one.before)} (only in A)"
    said = f" ({one.how.value})" if one.how in {How.NEWER, How.OLDER, How.BUILD} else ""
    return f"{_value(one.before)} -> {_value(one.after)}{said}"


def _value(text: str | None) -> str:
    if text is None:
        return "none"
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(text)} characters)"


def _head(difference: Difference, page: Page) -> Iterator[str]:
    yield "envdoctor: what differs from A to B"
    for letter, side in (("A", difference.a), ("B", difference.b)):
        read = f"; read {side.taken_at}" if side.taken_at else ""
        yield from wrapped(f"{side.spec} ({side.chosen}){read}", page, f"  {letter}  ")


def _clashes(difference: Difference, page: Page) -> Iterator[str]:
    shown = [one for one in difference.clashes if page.verbose or one.finding.severity is not Severity.INFO]
    if shown:
        yield painted("Only one of them has, newest pair first:", "bold", page)
    for one in shown[:MANY]:
        yield from _clash(one, page)
    if len(shown) > MANY:
        yield f"  ... and {len(shown) - MANY} more (--format json has all)"


def _clash(one: Clash, page: Page) -> Iterator[str]:
    finding, here, there = one.finding, one.only.upper(), "A" if one.only == "b" else "B"
    for line in wrapped(f"{here} has {finding.code}: {finding.title}", page, f"{finding.severity.value.upper()} ", "  "):
        yield painted(line, finding.severity.value, page)
    changes: tuple[PackageChange | TraitChange, ...] = (*one.packages, *one.traits)
    changed = [f"{change.name} {_moved(change)}" for change in changes]
    yield from _rows("changed", changed or ["nothing of it, by what was compared"], page)
    if one.same:
        yield from _rows("same", [", ".join(" ".join(pair) for pair in one.same)], page)
    if one.newest is not None:
        yield from _rows("since", [f"the newest release that it is about is of {one.newest}"], page)
    if one.untold is not None:
        yield from _rows("but", [f"{there} could not tell, because {one.untold}"], page)
    yield from _rows("follows", [f"{each.code} {each.title}" for each in one.follows], page)
    if page.verbose:
        yield from _rows("why", [finding.why], page)


def _rows(label: str, texts: list[str], page: Page) -> Iterator[str]:
    for text in texts[:FEW]:
        yield from wrapped(text, page, f"  {label:<7} ")
    if len(texts) > FEW:
        yield f"  {label:<7} ... and {len(texts) - FEW} more"


def _changes(difference: Difference, page: Page) -> Iterator[Iterable[str]]:
    stack = [one for one in difference.packages if one.stack]
    rest = [one for one in difference.packages if not one.stack]
    yield _listed("Packages of the stack", stack, page, limit=FEW)
    for area, title in AREAS.items():
        here = [one for one in difference.traits if one.area is area]
        yield _listed(title, here if page.verbose else [one for one in here if one.name not in BEHIND], page, limit=FEW)
    if page.verbose:
        yield _listed("Other packages", rest, page, limit=MANY)
    else:
        yield _counted(rest, [one for one in difference.traits if one.name in BEHIND], page)


def _listed(title: str, found: Iterable[PackageChange | TraitChange], page: Page, limit: int) -> Iterator[str]:
    rows = list(found)
    if not rows:
        return
    limit = MANY if page.verbose else limit
    yield painted(f"{title}:", "bold", page)
    room = min(max(len(harmless(one.name)) for one in rows[:limit]), 24)
    for one in rows[:limit]:
        yield from wrapped(_moved(one), page, f"  {harmless(one.name[:MAX_VALUE]):<{room}}  ", "      ")
    if len(rows) > limit:
        yield f"  ... and {len(rows) - limit} more ({'--format json has all' if page.verbose else '-v shows them'})"


def _counted(packages: list[PackageChange], traits: list[TraitChange], page: Page) -> Iterator[str]:
    counts = {how: sum(one.how is how for one in packages) for how in How}
    words = [
        f"{count} {'only in B' if how is How.ADDED else 'only in A' if how is How.GONE else how.value}"
        for how, count in counts.items()
        if count
    ]
    if words:
        yield from wrapped(f"{plural(len(packages), 'other package')}: {', '.join(words)} (-v lists them)", page, "", "  ")
    if traits:
        yield from wrapped(f"also of the machine: {', '.join(one.name for one in traits)} (-v shows them)", page, "", "  ")


def _untold(difference: Difference, page: Page) -> Iterator[str]:
    """What could not be compared, by reason: one missing driver is said once."""
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    for one in difference.untold:
        groups.setdefault((one.why_a, one.why_b), []).append(one.name)
    if groups:
        yield painted("Could not be compared, so neither the same nor different:", "bold", page)
    for (why_a, why_b), names in list(groups.items())[:MANY]:
        shown = names if page.verbose else names[:FEW]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        yield from wrapped(f"{', '.join(shown)}{more}", page, "  ", "      ")
        yield from wrapped(f"because {_why(why_a, why_b)}", page, "      ")


def _why(why_a: str | None, why_b: str | None) -> str:
    if why_a == why_b:
        return f"neither tells: {why_a}"
    return "; ".join(f"{letter} does not tell: {why}" for letter, why in (("A", why_a), ("B", why_b)) if why is not None)


def _last(difference: Difference, page: Page) -> str:
    only = {side: sum(one.only == side for one in difference.clashes) for side in "ab"}
    words = [plural(len(difference.packages), "package")] if difference.packages else []
    if difference.traits:
        count = len(difference.traits)
        words.append("1 property" if count == 1 else f"{count} properties")
    words += [f"{plural(count, 'finding')} only in {side.upper()}" for side, count in only.items() if count]
    if difference.shared:
        words.append(f"{plural(difference.shared, 'finding')} in both")
    if difference.untold:
        words.append(f"{len(difference.untold)} not comparable")
    verdict = "nothing differs" if difference.same else "different"
    text = f"{verdict}: {', '.join(words)}" if words else verdict
    return "\n".join(painted(line, "good" if difference.same else "warning", page) for line in wrapped(text, page, "", "  "))


def document(difference: Difference) -> str:
    """The same as indented JSON with a final newline."""
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "a": difference.a,
        "b": difference.b,
        "same": difference.same,
        "only_one_has": [_clash_document(one) for one in difference.clashes],
        "findings_in_both": difference.shared,
        "packages": [_package_document(one) for one in difference.packages],
        "traits": [_trait_document(one) for one in difference.traits],
        "not_compared": [_untold_document(one) for one in difference.untold],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _clash_document(one: Clash) -> dict[str, Any]:
    finding = one.finding
    return {
        "only": one.only,
        "code": finding.code,
        "cause": finding.cause,
        "severity": finding.severity.value,
        "title": finding.title,
        "subjects": list(finding.subjects),
        "changed_packages": [change.name for change in one.packages],
        "changed_traits": [change.name for change in one.traits],
        "same": dict(one.same),
        "newest_release": one.newest,
        "other_side_could_not_tell": one.untold,
        "follows": [{"code": each.code, "title": each.title} for each in one.follows],
    }


def _package_document(one: PackageChange) -> dict[str, Any]:
    return {"name": one.name, "a": one.before, "b": one.after, "how": one.how.value, "stack": one.stack}


def _trait_document(one: TraitChange) -> dict[str, Any]:
    return {"area": one.area.value, "name": one.name, "a": one.before, "b": one.after, "how": one.how.value}


def _untold_document(one: Untold) -> dict[str, Any]:
    return {"name": one.name, "a": one.why_a, "b": one.why_b}
