"""Reading the resolver's explanation: which releases are not there, who is named, and the two facts that clash. Pure."""

from __future__ import annotations

import re

_GONE = (
    re.compile(r"there (?:is no version|are no versions) of ([a-z0-9][a-z0-9._-]*)==", re.IGNORECASE),
    re.compile(r"([a-z0-9][a-z0-9._-]*)==\S+ has no (?:usable |compatible )?(?:wheels|source distribution)", re.IGNORECASE),
)
_BECAUSE = re.compile(r"\b[Bb]ecause (.+?),? we can conclude that", re.DOTALL)
_CAUSE = re.compile(r"cause: ", re.IGNORECASE)


def not_there(says: str) -> set[str]:
    """Packages of which the very release that was asked for is not on the index, or has no file that could be used."""
    text = one_line(says)
    return {found.lower() for pattern in _GONE for found in pattern.findall(text)}


def named(name: str, says: str) -> bool:
    """Whether the explanation names that package."""
    return re.search(rf"(?<![a-z0-9._-]){re.escape(name)}(?![a-z0-9_-])", says) is not None


def one_line(says: str) -> str:
    """The explanation without its line breaks and without what uv puts before it."""
    text = " ".join(says.split())
    return _CAUSE.split(text, maxsplit=1)[-1]


def in_short(says: str) -> tuple[str, bool]:
    """One sentence, the premises of the first step of the solver's argument, and whether that is what it is."""
    text = one_line(says)
    found = _BECAUSE.search(text)
    if found is None:
        return text.partition(". ")[0][:400], False
    return f"{found.group(1)[:600]}.", True
