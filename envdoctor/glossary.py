"""What each slug of a cause means and what mends it (data/causes.toml)."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Annotated

import msgspec

from envdoctor.errors import UserError
from envdoctor.files import read_file
from envdoctor.wording import harmless

FILE = os.path.join(os.path.dirname(__file__), "data", "causes.toml")
MAX_BYTES = 1024 * 1024
ON_THE_MACHINE = "The whole traceback, from its first line, and what `envdoctor facts --format issue` prints on that machine."
HEALTHY = (
    "No fault of an environment is seen in the report: the versions and the machine that it names go together, and no error in "
    "it is known as an environment's. What the report does not say was not judged."
)
TOO_LITTLE = (
    "Too little is in the report to tell anything: no known cause, no driver, no GPU, and not two packages that could clash. "
    "That is no verdict on the environment."
)
INSTEAD = {
    "healthy": (HEALTHY, f"Nothing, if nothing failed. If something did: {ON_THE_MACHINE[0].lower()}{ON_THE_MACHINE[1:]}"),
    "too-little": (TOO_LITTLE, ON_THE_MACHINE),
}
"""What `triage` prints in place of a cause -> what it means, and what helps. No diagnosis has them as its cause."""
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One slug."""

    slug: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    means: Text
    mends: Text
    rules: tuple[Annotated[str, msgspec.Meta(pattern=r"^ED\d{3}$")], ...] = ()
    """Those that find it from facts; error texts name it by themselves."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cause: tuple[Cause, ...]


@lru_cache(maxsize=1)
def causes() -> dict[str, Cause]:
    """Slug -> what it means, in the order of the table. Raises UserError: the installed table is damaged."""
    try:
        found = msgspec.toml.decode(read_file(FILE, MAX_BYTES), type=_File).cause
    except (OSError, ValueError) as error:
        raise UserError(f"{FILE} cannot be read: {harmless(str(error))}", "Install envdoctor again.") from error
    return {one.slug: one for one in found}


def told(one: Cause) -> str:
    """A cause as a page in Markdown."""
    rules = f"\n\n## Rules that find it\n{', '.join(one.rules)}" if one.rules else ""
    return f"# {one.slug}\n\n{one.means}\n\n## What mends it\n{one.mends}{rules}\n"


def told_instead(word: str) -> str:
    """What stands in place of a cause, as a page in Markdown."""
    means, helps = INSTEAD[word]
    return f"# {word}\n\n{means}\n\n## What helps\n{helps}\n"
