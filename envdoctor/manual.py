"""The manual pages of the rules: their docstrings, in fixed headings."""

from __future__ import annotations

import inspect
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Protocol

from envdoctor import dockerfiles, rules

if TYPE_CHECKING:
    from collections.abc import Callable

HEADINGS = ("What it checks", "Why it breaks", "What to do", "Sources")


class Paged(Protocol):
    """A rule, of an environment or of a Dockerfile, as far as its page is concerned."""

    CODE: str
    __doc__: str | None
    __name__: str


def every() -> dict[str, Callable[[], Paged]]:
    """Code -> what loads the rule of that page: rules of environments and of Dockerfiles."""
    found: dict[str, Callable[[], Paged]] = {rules.code_of(name): partial(rules.load, name) for name in rules.REGISTRY}
    return found | {dockerfiles.code_of(name): partial(dockerfiles.load, name) for name in dockerfiles.REGISTRY}


def page(rule: Paged) -> str:
    """The whole page as Markdown: "# ED102: title" and the sections."""
    return f"# {rule.CODE}: {inspect.cleandoc(rule.__doc__ or '')}\n"


def wrapped(text: str, width: int) -> str:
    """A page for the terminal: paragraphs and list items filled to the width, headings and addresses left whole."""
    out: list[str] = []
    for block in text.split("\n\n"):
        lines: list[str] = []
        for line in block.splitlines():
            starts = line.startswith(("#", "- ", "|")) or not lines or lines[-1].startswith("#")
            if starts:
                lines.append(line)
            else:
                lines[-1] += " " + line.strip()
        for line in lines:
            hanging = "  " if line.startswith("- ") else ""
            out += textwrap.wrap(line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
        out.append("")
    return "\n".join(out)


def title(rule: Paged) -> str:
    """The first line of the docstring, without its full stop."""
    return (rule.__doc__ or rule.__name__).strip().splitlines()[0].rstrip(".")


def sections(rule: Paged) -> dict[str, str]:
    """Heading -> text."""
    found: dict[str, str] = {}
    heading = None
    for line in inspect.cleandoc(rule.__doc__ or "").splitlines():
        if line.startswith("## "):
            heading = line[3:].strip()
            found[heading] = ""
        elif heading is not None:
            found[heading] = f"{found[heading]}\n{line}".strip()
    return found
