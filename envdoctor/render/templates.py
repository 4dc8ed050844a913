"""HTML from the templates in data/templates: whatever a value holds, it comes out as text, harmless and not endless."""

from __future__ import annotations

import os

import jinja2

from envdoctor.render import harmless, shortened

FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "templates")


def environment() -> jinja2.Environment:
    """Where templates are found and how they treat their values; a value that a template forgets is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def text(name: str) -> str:
    """A file of the folder as it stands."""
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def _clean(value: object) -> object:
    """What came from a target without control characters, not endless, and writable; the template escapes it afterwards.

    Markup (it has ``__html__``) is what a macro made of values that were cleaned one by one; no value of a target is any.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    # bytes of a file's name that are no UTF-8 come as lone surrogates, which no file can hold
    return harmless(shortened(value)).encode("utf-8", "backslashreplace").decode("utf-8")
