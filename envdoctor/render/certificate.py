"""What a verification of a certificate came to, as a page and as JSON (envdoctor/data/schema/verified-1.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envdoctor.proving.certificate import Compared  # noqa: TC001 - msgspec reads it
from envdoctor.render import harmless, shell
from envdoctor.render.difference import painted, wrapped
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.proving.certificate import Verified
    from envdoctor.render import Page

SCHEMA_VERSION = 1
SHOWN = 60
"""Characters of a value; a digest is told apart by its first."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON form."""

    schema_version: int
    matches: bool
    target: str
    given: str
    lines: tuple[Compared, ...]


def document(found: Verified) -> str:
    """The verification as indented JSON with a final newline."""
    told = Document(
        schema_version=SCHEMA_VERSION,
        matches=found.matches,
        target=found.certificate.target,
        given=found.certificate.given,
        lines=found.lines,
    )
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def render(found: Verified, again: tuple[str, ...], page: Page) -> str:
    """The page, ending in a newline. ``again``: the command that proves it anew."""
    return "\n".join(lines(found, again, page)) + "\n"


def lines(found: Verified, again: tuple[str, ...], page: Page) -> Iterator[str]:
    """Line by line."""
    given = found.certificate
    yield from wrapped(
        f"certificate of {given.target}, given {given.given}: {given.loss} with the engine {given.engine} on {given.device}, "
        f"{plural(len(given.invariants), 'invariant')}",
        page,
        "",
    )
    yield ""
    changed = [one for one in found.lines if one.how != "same"]
    if found.matches:
        yield from headline("MATCHES", f"{len(found.lines) - len(changed)} facts are as they were proven", "good", page)
    else:
        void = [one for one in changed if one.counts]
        told = f"{plural(len(void), 'fact')} that the proof rests on {'is' if len(void) == 1 else 'are'} not as proven"
        yield from headline("DOES NOT MATCH", told, "error", page)
    for one in changed:
        mild = "" if one.counts else " (the proof does not depend on it)"
        if one.how == "cannot tell":
            yield from wrapped(f"{one.name}: cannot be told, {one.via}; was {value(one.was)}{mild}", page, "  ?  ", "     ")
        else:
            read = f" [{one.via}]" if one.via else ""
            yield from wrapped(f"{one.name}: {value(one.was)} -> {value(one.now)}{read}{mild}", page, "  ~  ", "     ")
    if page.verbose:
        yield ""
        for one in found.lines:
            if one.how == "same":
                yield from wrapped(f"{one.name}: {value(one.now)}", page, "  =  ", "     ")
    yield ""
    if found.matches:
        yield from wrapped(
            "No training was run for this answer, and no file of a package was read: packages are compared by name, version and "
            "build. Edited files show with: envdoctor check lock:NAME TARGET; whether it still trains, with another run.",
            page,
            "",
        )
        if given.model.endswith("from a folder"):
            yield "The model's own files were not compared."
    else:
        yield "Prove it anew:"
        yield f"  {shell(again)}"


def headline(verdict: str, told: str, style: str, page: Page) -> Iterator[str]:
    """The verdict, painted after the lines are cut."""
    first, *rest = wrapped(f"{verdict}: {told}", page, "")
    yield first.replace(f"{verdict}:", painted(f"{verdict}:", style, page), 1)
    yield from rest


def value(text: str | None) -> str:
    """A value, cut and made harmless."""
    if text is None:
        return "none"
    clean = harmless(text)
    return clean if len(clean) <= SHOWN else f"{clean[: SHOWN - 3]}..."
