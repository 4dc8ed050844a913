"""``# envdoctor: ignore ED602 because ...``: findings that the author of a Dockerfile knows of. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from envdoctor.dockerfiles.parser import Text

_IGNORE = re.compile(r"envdoctor:[ \t]*ignore[ \t]+(ED[0-9]{3})(?:[ \t]+because[ \t]+(\S.*))?", re.IGNORECASE)


class Ignore(NamedTuple):
    """An ignore: of which rule, on which lines, and why; an ignore without a reason ignores nothing."""

    code: str
    first: int
    last: int
    line: int
    """Of the comment."""
    reason: str | None


def ignores(text: Text) -> list[Ignore]:
    """The ignores of a Dockerfile: a comment is about the instruction that it stands in, else about the next one."""
    found = []
    for comment in text.comments:
        match = _IGNORE.match(comment.text)
        one = next((one for one in text.instructions if one.end >= comment.line), None)
        if match and one is not None:
            found.append(Ignore(match[1].upper(), one.line, one.end, comment.line, match[2]))
    return found
