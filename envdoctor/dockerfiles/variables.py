"""Variables in the words of a Dockerfile and of its shell lines: what is known is put in, what is not stays. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_EXPANDED = 20_000
"""Characters of a word after expansion; a hostile ENV could double itself without end."""
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])([^{}$]*))?\})")
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=((?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\\.|[^\s\"'\\])*)")


def expand(text: str, known: Mapping[str, str]) -> str:
    """The text with known variables replaced; ``$`` that stays marks what is not known."""

    def value(found: re.Match[str]) -> str:
        name, operator, word = found[1] or found[2], found[3], found[4]
        there = known.get(name)
        if operator is None:
            return found.group() if there is None else there
        if operator.endswith("-"):
            return word if there is None or (not there and operator == ":-") else there
        return word if there else ""

    if "$" not in text:
        return text
    return _VARIABLE.sub(value, text)[:MAX_EXPANDED]


def unquoted(text: str) -> str:
    """A word of a Dockerfile without its quotes and escapes."""
    return re.sub(r"\\(.)|[\"']", lambda found: found[1] or "", text)


def pairs(value: str) -> dict[str, str]:
    """Names and raw values of an ENV, ARG or LABEL: ``A=1 B="2 3"``, or the old form ``A 1``."""
    found = {name: unquoted(text) for name, text in _PAIR.findall(value)}
    if not found or not _PAIR.match(value):
        name, _, rest = value.partition(" ")
        return {name: rest.strip()} if rest else {}
    return found
