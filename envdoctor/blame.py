"""Which packages to blame for broken requirements: the fewest whose change can satisfy all of them. Pure."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

from envdoctor.views import normalized

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from envdoctor.requirements import Edge

_ANCHORS = {"vllm": 30, "sglang": 20, "torch": 10}
"""Reluctance to blame what the others are chosen around; the engine most of all, then torch."""
_HELD = 5
_REQUIRER = 1
_EXHAUSTIVE = 4
_FEW = 24
"""Sets of up to _EXHAUSTIVE of _FEW packages are tried one by one; beyond, the package with most broken edges goes first."""


def ends(edge: Edge) -> tuple[str, str]:
    """(requirer, required), normalized."""
    return normalized(edge.requirer.name), edge.name


def blamed(broken: Iterable[Edge], held: Collection[str]) -> Iterator[tuple[str, tuple[Edge, ...]]]:
    """(package, its broken edges), each edge once.

    Among sets of equal size the one is taken that blames the required package rather than the one that requires it, unless
    it is ``held`` (another installed package is content with its exact version), and that spares the anchors.
    """
    for group in _components(tuple(broken)):
        required = {edge.name for edge in group}
        cost = {
            name: _ANCHORS.get(name, 0) + (_HELD if name in held else 0) + (0 if name in required else _REQUIRER)
            for edge in group
            for name in ends(edge)
        }
        chosen = _cover(group, cost)
        told: dict[str, list[Edge]] = {name: [] for name in chosen}
        for edge in group:
            requirer, name = ends(edge)
            told[name if name in told else requirer].append(edge)
        yield from ((name, tuple(edges)) for name, edges in told.items() if edges)


def _cover(group: tuple[Edge, ...], cost: Mapping[str, int]) -> tuple[str, ...]:
    """A smallest set of packages that touches every edge, the cheapest of them, in alphabetical order."""
    names = sorted(cost)
    pairs = list(dict.fromkeys(map(ends, group)))
    for size in range(1, min(_EXHAUSTIVE, len(names)) + 1) if len(names) <= _FEW else ():
        covers = [some for some in combinations(names, size) if all(one in some or other in some for one, other in pairs)]
        if covers:
            return min(covers, key=lambda some: (sum(cost[name] for name in some), some))
    chosen: list[str] = []
    left = [ends(edge) for edge in group]
    while left:
        degree = Counter(name for pair in left for name in set(pair))
        best = min(degree, key=lambda name: (-degree[name], cost[name], name))
        chosen.append(best)
        left = [pair for pair in left if best not in pair]
    return tuple(sorted(chosen))


def _components(edges: tuple[Edge, ...]) -> Iterator[tuple[Edge, ...]]:
    """The edges in groups that share no package."""
    touching: dict[str, list[int]] = {}
    for place, edge in enumerate(edges):
        for name in ends(edge):
            touching.setdefault(name, []).append(place)
    grouped: set[int] = set()
    for first in range(len(edges)):
        if first in grouped:
            continue
        group: set[int] = set()
        waiting = [first]
        while waiting:
            place = waiting.pop()
            if place not in group:
                group.add(place)
                for name in ends(edges[place]):
                    waiting.extend(touching.pop(name, ()))
        grouped |= group
        yield tuple(edges[place] for place in sorted(group))
