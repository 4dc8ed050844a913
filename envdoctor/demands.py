"""What an image demands of the machine: NVIDIA_REQUIRE_*, as the NVIDIA container toolkit reads them. Pure.

It does so before it starts a container. A requirement is alternatives separated by spaces; each is conditions separated by
commas, all of which must hold: ``cuda>=12.8 brand=tesla,driver>=550,driver<551``. Each variable of that name is a requirement
of its own, and all must hold. What is not known of the machine makes a condition undecided, and only what hangs on it.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "NVIDIA_REQUIRE_"
JETPACK = "NVIDIA_REQUIRE_JETPACK"
"""Names of this prefix are for another purpose, and are not evaluated."""
CUDA_VERSION = "CUDA_VERSION"
"""Images that are older than the requirements say only this; it counts as cuda>= its first two numbers."""
DISABLE = "NVIDIA_DISABLE_REQUIRE"
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
CONDITION = re.compile(r"([^<>=!]+)(<=|>=|!=|=|<|>)([^<>=!].*)", re.DOTALL)
VERSION = re.compile(r"\d{1,9}(?:\.+\d{1,9}){0,9}\.*")
ORDER: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Requirement(NamedTuple):
    """One requirement and the variable that states it."""

    variable: str
    expression: str


class Host(NamedTuple):
    """What the toolkit compares with; None: it is not known. ``brand`` is the GPU's in lower case."""

    cuda: str | None
    driver: str | None
    arch: str | None
    brand: str | None


class Malformed(ValueError):  # noqa: N818
    """A condition that the toolkit cannot read: it refuses the container then too. The message is the condition."""


def requirements(environ: Mapping[str, str]) -> tuple[Requirement, ...]:
    """What the variables of an image demand; none where they switch it off."""
    if environ.get(DISABLE) in TRUE:
        return ()
    found = [
        Requirement(name, value)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and not name.startswith(JETPACK)
    ]
    legacy = re.fullmatch(r"v?(\d{1,4})(?:\.(\d{1,4})(?:\.\d{1,6}(?:[-+].*)?)?)?", environ.get(CUDA_VERSION, ""))
    if legacy and not environ.get(f"{PREFIX}CUDA"):
        found.append(Requirement(CUDA_VERSION, f"cuda>={legacy[1]}.{legacy[2] or 0}"))
    return tuple(found)


def brands(expression: str) -> frozenset[str]:
    """The brands of GPUs that it speaks of, in lower case."""
    found = (CONDITION.fullmatch(one) for one in re.split("[ ,]", expression))
    return frozenset(one[3].lower() for one in found if one and one[1].lower() == "brand")


def asks(expression: str, key: str) -> bool:
    """Whether it speaks of cuda, driver, arch or brand."""
    found = (CONDITION.fullmatch(one) for one in re.split("[ ,]", expression))
    return any(one is not None and one[1].lower() == key for one in found)


def holds(expression: str, host: Host) -> bool | None:
    """Whether the requirement is met: None where that hangs on what is not known.

    Raises:
        Malformed: the toolkit comes to a condition that it cannot read.
    """
    undecided = False
    alternatives = [one for one in expression.split(" ") if one.strip(",")]
    for alternative in alternatives:
        met = _all(alternative, host, doubtful=undecided)
        if met:
            return True
        undecided = undecided or met is None
    return None if undecided else not alternatives


def _all(alternative: str, host: Host, *, doubtful: bool) -> bool | None:
    """Whether every condition of an alternative holds; they are looked at in order, up to the first that does not."""
    undecided = False
    for condition in alternative.split(","):
        if not condition:
            continue
        try:
            met = _condition(condition, host)
        except Malformed:
            # whether the toolkit comes to it is not known
            if doubtful or undecided:
                return None
            raise
        if met is False:
            return False
        undecided = undecided or met is None
    return None if undecided else True


def _condition(condition: str, host: Host) -> bool | None:
    found = CONDITION.fullmatch(condition)
    if found is None:
        raise Malformed(condition)
    key, sign, wanted = found[1].lower(), found[2], found[3]
    if key == "brand":
        if sign not in {"=", "!="}:
            raise Malformed(condition)
        return None if host.brand is None else (host.brand == wanted.lower()) is (sign == "=")
    if key not in {"cuda", "driver", "arch"} or not VERSION.fullmatch(wanted):
        raise Malformed(condition)
    here = {"cuda": host.cuda, "driver": host.driver, "arch": host.arch}[key]
    if here is None or not VERSION.fullmatch(here):
        return None
    return ORDER[sign](numbers(here), numbers(wanted))


def numbers(version: str) -> tuple[int, ...]:
    """The version as numbers, zeros at its end left out: 12.0 is 12."""
    found = [int(part) for part in version.split(".") if part]
    while found and not found[-1]:
        found.pop()
    return tuple(found)
