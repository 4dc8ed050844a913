"""How the HTML page of a preflight cuts texts and writes commands and sources, and the names of its shapes. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from envdoctor.findings import Layer, Severity
from envdoctor.render import MAX_VALUE, harmless, shell
from envdoctor.render.preflight.words import MAX_PASTED
from envdoctor.wording import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.findings import Evidence, Source

T = TypeVar("T")

GOOD, WEAK, BAD, OPEN, INFO, NONE = "good", "weak", "bad", "open", "info", "none"
"""Names of a colour and of a shape that go together: a circle, a triangle, an octagon, a diamond, a square, a ring."""
SEVERITIES = {Severity.ERROR: BAD, Severity.WARNING: WEAK, Severity.INFO: INFO}
TRUTHS = {
    Layer.DECLARED: "what packages declare, or a table of a vendor says",
    Layer.LINKED: "the bytes on disk, or a reading of the running system",
    Layer.LOADED: "it was really loaded, or kernels really ran",
    Layer.TRAINED: "GRPO really went through it",
}
"""What each layer of truth rests on, weakest first."""
LEVELS = {layer: place for place, layer in enumerate(TRUTHS, 1)}
MAX_EVIDENCE = 30
MAX_SOURCES = 12
ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~%/?#=&+:@-]*)?")
"""What is shown as a link: an address and nothing beside it."""
MAX_SHORT, MAX_HEADLINE = 160, 300
"""Characters of a text that has a narrow place, and of the one under the verdict."""


def capped(values: Sequence[T], most: int) -> tuple[list[T], int]:
    """The first so many, and how many are left."""
    return list(values[:most]), max(0, len(values) - most)


def short(text: str, most: int = MAX_SHORT) -> str:
    """A text for a narrow place."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"


def truth(layer: Layer | None) -> dict[str, Any]:
    """A layer of truth: its word, how strong it is (0: nothing spoke, to 4), and what it rests on."""
    if layer is None:
        return {"word": "nothing spoke", "level": 0, "rests_on": ""}
    return {"word": layer.value, "level": LEVELS[layer], "rests_on": TRUTHS[layer]}


def command(argv: tuple[str, ...]) -> dict[str, Any]:
    """One command to paste."""
    return pasted(shell(argv))


def pasted(line: str) -> dict[str, Any]:
    """A line that is there to be pasted: in pieces, since a template cuts a value that is long, and this must stay whole."""
    clean = harmless(line)
    kept = clean[:MAX_PASTED]
    return {
        "pieces": [kept[start : start + MAX_VALUE] for start in range(0, len(kept), MAX_VALUE)],
        "whole": len(clean) <= MAX_PASTED,
        "length": len(clean),
    }


def evidence(values: Sequence[Evidence], most: int = MAX_EVIDENCE) -> dict[str, Any]:
    """Observed values, each with where it was read."""
    kept, left = capped(values, most)
    return {"rows": [{"what": one.what, "value": one.value, "via": brief(one.via)} for one in kept], "left": left}


def sources(values: Sequence[Source]) -> dict[str, Any]:
    """Where claims come from; a plain address can be followed."""
    kept, left = capped(values, MAX_SOURCES)
    rows = [
        {"where": brief(one.where), "link": one.where if ADDRESS.fullmatch(one.where) else None, "read": one.read} for one in kept
    ]
    return {"rows": rows, "left": left}
