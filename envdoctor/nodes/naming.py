"""Node names in Slurm's compact form: ``node[01-04,7]`` and back. Pure.

What a bracket means is what ``scontrol show hostnames`` makes of it (read of Slurm 22.05 and tried with it): a range counts
up from its first number, every number is padded with zeros to the width of that first one (``[08-11]`` gives 08 09 10 11,
``[9-010]`` gives 9 10), and several brackets in one name give every combination. Two things differ: text may follow a bracket
(``gpu-[1-2].example.org``), which Slurm refuses in that release, and ``[5-]`` is refused, which Slurm takes for 5.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9_.:%][A-Za-z0-9_.:@%-]{0,254}")
"""No leading "-": no node may be taken for an option. "user@node", IPv6 addresses and zones (fe80::1%eth0) are names."""
MAX_NODES = 100_000
MAX_DIGITS = 18
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_OUTSIDE = re.compile(r",(?![^\[]*\])")
_NUMBER = re.compile(r"^(.*?)([0-9]+)([^0-9]*)$")


class BadName(ValueError):  # noqa: N818 - what is wrong, not which error
    """That is no name of a node and no compact form of names; says why."""


def expand(text: str, limit: int = MAX_NODES) -> list[str]:
    """The names of a list in compact form, in its order, duplicates kept.

    Args:
        text: ``a1,b[2-3],c``.
        limit: how many names may come of it.

    Raises:
        BadName: it is malformed, or too many.
    """
    found: list[str] = []
    for one in _OUTSIDE.split(text):
        if one:
            found += _expanded(one, limit - len(found))
    return found


def _expanded(text: str, limit: int) -> list[str]:
    parts = _BRACKET.split(text)
    if any("[" in part or "]" in part for part in parts[::2]):
        raise BadName(f"the brackets of {text!r} are not in pairs")
    numbers = [_numbers(part, limit) for part in parts[1::2]]
    count = 1
    for one in numbers:
        count *= len(one)
    if count > limit:
        raise BadName(f"{text!r} makes more than {MAX_NODES:,} nodes")
    names = []
    for chosen in product(*numbers):
        name = "".join(part + number for part, number in zip(parts[::2], (*chosen, ""), strict=True))
        if not NAME.fullmatch(name):
            raise BadName(f"{name!r} is no name of a node: letters, digits and _ . : @ % - are, and no - at its start")
        names.append(name)
    return names


def _numbers(inside: str, limit: int) -> list[str]:
    """What stands in one bracket: "01-04,7"."""
    found: list[str] = []
    for part in inside.split(","):
        span = _RANGE.fullmatch(part)
        if span is None:
            raise BadName(f"[{inside}] is not of the form [1-4,7]")
        low, high = span.group(1), span.group(2) or span.group(1)
        if max(len(low), len(high)) > MAX_DIGITS or int(high) < int(low):
            raise BadName(f"[{inside}] holds no range that counts up: {part}")
        if int(high) - int(low) >= limit:
            raise BadName(f"[{inside}] makes more than {MAX_NODES:,} nodes")
        found += [f"{number:0{len(low)}d}" for number in range(int(low), int(high) + 1)]
    return found


class _Split(NamedTuple):
    before: str
    number: str
    after: str


def compact(names: Iterable[str]) -> str:
    """The names as short as a page can have them: ``node[001-180],login``. :func:`expand` gives the same names, sorted."""
    families: dict[tuple[str, bool, str], list[str]] = {}
    for name in names:
        split = _split(name)
        families.setdefault((split.before, bool(split.number), split.after), []).append(split.number)
    return ",".join(_family(before, numbers, after) for (before, _, after), numbers in families.items())


def _split(name: str) -> _Split:
    """Around the number that is counted: the last one of the host's own part, of an address of numbers the last of all."""
    host, dot, domain = name.partition(".")
    if host.isdigit() or not any(letter.isdigit() for letter in host):
        host, dot, domain = name, "", ""
    found = _NUMBER.match(host)
    if found is None or len(found.group(2)) > MAX_DIGITS:
        return _Split(name, "", "")
    return _Split(found.group(1), found.group(2), found.group(3) + dot + domain)


def _family(before: str, numbers: list[str], after: str) -> str:
    if len(numbers) == 1:
        return f"{before}{numbers[0]}{after}"
    spans: list[tuple[str, str]] = []
    for number in sorted(numbers, key=lambda one: (int(one), one)):
        # a range is only written where it reads back as these very numbers
        if spans and number == f"{int(spans[-1][1]) + 1:0{len(spans[-1][0])}d}":
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return f"{before}[{','.join(low if low == high else f'{low}-{high}' for low, high in spans)}]{after}"
