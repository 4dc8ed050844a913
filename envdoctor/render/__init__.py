"""Renderers: plain functions from a Report to text. Everything printed that came from a target is made harmless first."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.facts import Facts
    from envdoctor.findings import Report

    Renderer = Callable[[Report, Facts, "Page"], str]

import msgspec

from envdoctor.wording import harmless

__all__ = ["Page", "harmless", "renderers", "shell", "shortened"]

MAX_VALUE = 600


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """How to print: colour, width in columns, and how much."""

    color: bool = False
    width: int = 80
    verbose: bool = False
    notes: tuple[str, ...] = ()
    """Sentences about the check itself, for instance that an ignore has expired."""
    today: str | None = None
    """ISO date against which the age of the data is told; None tells no age."""


def shortened(text: str) -> str:
    """A value for the page: a hostile one may be megabytes long."""
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + f" ... ({len(text)} characters)"


def shell(argv: tuple[str, ...]) -> str:
    """One command as a line to paste; a leading ``~/`` stays outside the quotes so that the shell expands it."""
    words = []
    for raw in argv:
        word = harmless(raw)
        if word.startswith("~/"):
            words.append("~/" + _quoted(word[2:]) if word[2:] else "~/")
        elif argv[0] == "export" and "=" in word:
            name, _, value = word.partition("=")
            words.append(f"{name}={_quoted(value)}")
        else:
            words.append(_quoted(word))
    return " ".join(words)


def _quoted(word: str) -> str:
    """Quoted for the shell, but for ``$USER`` as a part of a path, which the probe writes for the user's name."""
    parts = word.split("/")
    if "$USER" not in parts:
        return shlex.quote(word)
    return "/".join(part if part == "$USER" else shlex.quote(part) if part else "" for part in parts)


def renderers() -> dict[str, Renderer]:
    """Format name -> function; each module is imported only when it is asked for."""

    def terminal(report: Report, facts: Facts, page: Page) -> str:
        from envdoctor.render import terminal as module  # noqa: PLC0415 - see above

        return module.render(report, facts, page)

    def json(report: Report, facts: Facts, page: Page) -> str:
        from envdoctor.render import json as module  # noqa: PLC0415

        return module.render(report, facts, page)

    return {"terminal": terminal, "json": json}
