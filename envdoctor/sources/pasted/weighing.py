"""How much each way of saying something says of what is installed now, and how a line is cited. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.sources.pasted.found import Kind, Seen

UNSAID = "the report does not say it"
NOT_IN_TEXT = Unknown(UNSAID)
STRENGTH = {
    "pip list": 6, "pip freeze": 6, "conda list": 6, "pip show": 6, "pip install": 6, "nvidia-smi": 6, "nvidia-smi -L": 6,
    "/proc/driver/nvidia/version": 6, "torch's error": 6, "torch's warning": 6, "python": 6, "ldd": 6, "os-release": 6, "uname": 6, "nvcc": 6,
    "xformers' warning": 5, "fields": 5, "collect_env": 5, "variables": 5, "WSL": 5, "pip's conflicts": 4, "a version check": 4,
    "a log": 3, "paths": 3, "dpkg": 3, "before an installation": 2, "command": 2, "prose": 1, "a number alone": 1, "an image's name": 1, "a sentence": 0,
}  # fmt: skip
"""Form -> its weight: a program's own word over a list's, a list over a field, a field over what somebody wrote or meant to do."""
OTHER_TAGS = ("rocm", "xpu", "hip", "das")
"""How the tags of builds of torch for accelerators of others begin."""
CERTAIN = 5
WEAK = 1
UNTOLD = frozenset({"prose", "command", "paths", "a number alone", "a sentence"})
"""Forms that are no format of their own."""


def best(kind: Kind, seen: Iterable[Seen]) -> Seen | None:
    """The strongest way of saying it, the last of equals."""
    found = [one for one in seen if one.kind is kind]
    return max(found, key=lambda one: (STRENGTH[one.form], one.line), default=None)


def cited(one: Seen) -> str:
    """Where it was read."""
    return f"line {one.line} of the report ({one.form})"
