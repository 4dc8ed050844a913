"""Renderers of a preflight: one module a format, each with ``render(found, page) -> str``, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.preflight.outcome import Preflight
    from envdoctor.render import Page

    Renderer = Callable[[Preflight, Page], str]

FORMATS = ("terminal", "markdown", "junit", "sarif", "github", "gitlab", "dotenv", "nagios", "prometheus", "html", "json")
"""Each the name of a module of this package."""


def _lazily(name: str) -> Renderer:
    def render(found: Preflight, page: Page) -> str:
        drawn: str = import_module(f"{__name__}.{name}").render(found, page)
        return drawn

    return render


RENDERERS: dict[str, Renderer] = {name: _lazily(name) for name in FORMATS}
"""Format -> function; the text ends in a newline. Only the terminal's page heeds colour and width."""
