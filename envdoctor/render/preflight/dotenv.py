"""A preflight as a dotenv report of GitLab: variables that later jobs of the pipeline get.

Each line is KEY=VALUE. GitLab keeps quotes as they are, expands ``$``, refuses empty lines and comments, and takes less than
5 KB (its documentation of ``artifacts:reports:dotenv`` and ParseDotenvArtifactService; read 2026-11-26): every value here is
one of our own words, a number, or a code of letters, digits, dots, hyphens and underscores.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.render.preflight import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.preflight.outcome import Preflight
    from envdoctor.render import Page

MAX_CODE = 100
"""Characters of a code."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def render(found: Preflight, page: Page) -> str:  # noqa: ARG001 - of the form of all renderers
    """Five lines of ASCII; a value is empty where there is nothing to tell."""
    return "".join(f"ENVDOCTOR_{name}={value}\n" for name, value in _values(found))


def _values(found: Preflight) -> Iterator[tuple[str, str]]:
    counted = found.counted()
    yield "VERDICT", words.word(found.verdict)
    yield "FAILED_TIER", next((one.value for one in words.failed_tiers(found)), "")
    yield "PROBLEMS", str(len(counted))
    yield "FIRST_CODE", _UNSAFE.sub("_", counted[0].code[:MAX_CODE]) if counted else ""
    yield "SECONDS", f"{found.seconds:.2f}"
