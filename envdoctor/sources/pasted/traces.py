"""What the loader says of itself (LD_DEBUG): a library that LD_LIBRARY_PATH puts before a wheel's own. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.causes import HARMLESS, of_shadowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.sources.pasted.surroundings import About, Around

_SEARCH = re.compile(r"search (?:path|cache)=")
_NEXT = re.compile(r"trying file=|search (?:path|cache)=")
_PATIENTLY = re.compile(r"^[\s\d:]*$")
_IN_WHEEL = re.compile(r"(?:site|dist)-packages/(?:nvidia|torch|jaxlib|jax_plugins|tensorflow|vllm|cupy)\b")
REACH = 60
"""Lines above and below, in which a library of a wheel stands: what is traced is a Python that has some."""
NEAR = 4
"""Lines below, of which the first that is not empty says how it went on."""
MAX_LINE = 4000


def traced(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A file is tried by the loader; it is the one that is loaded where nothing else is tried after it."""
    del about
    path = values.get("folder", "")
    following = next((line for line in around.after(NEAR) if not _PATIENTLY.match(line[:MAX_LINE])), "")
    if not following or _NEXT.search(following[:MAX_LINE]) or _IN_WHEEL.search(f"{path}/") or "/wsl/" in f"{path}/":
        return HARMLESS
    where = next((line for line in around.before(REACH) if _SEARCH.search(line)), "")
    if not where.rstrip().endswith("(LD_LIBRARY_PATH)"):
        return HARMLESS
    wheels = (line for lines in (around.before(REACH), around.after(REACH)) for line in lines)
    if not any(_IN_WHEEL.search(line[:MAX_LINE]) for line in wheels):
        return HARMLESS
    return of_shadowed(values.get("library", "")) or HARMLESS
