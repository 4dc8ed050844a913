"""What differs between the nodes, which of it matters, and which nodes stand apart. Pure.

A value that more than half of the nodes have is what the others should have too. Where none has a majority there is nothing
to side with: the set itself is at fault. The nodes with the most common value are kept, of equally common ones those with
more nodes that have no fault of their own, and where that is equal too, none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envdoctor.compare import place
from envdoctor.facts import Known, Unknown
from envdoctor.nodes.aspects import Aspect, Kind, Told, packages_unknown, told
from envdoctor.nodes.mattering import TRAITS, Reason, reason
from envdoctor.traits import variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envdoctor.facts import Facts

NEAR = 1.1
"""Quantities within a tenth of the smaller one are alike: 503 and 504 GiB are one kind of machine."""
_NOTHING = {Kind.TRAIT: "none", Kind.PACKAGE: "not installed", Kind.VARIABLE: "not set"}
_ABSENT = Told(Known(None, ""))
_RANK = {name: number for number, name in enumerate(TRAITS)}
_AFTER_PACKAGES = _RANK["torch built for"]


class Group(NamedTuple):
    """Nodes whose facts are equal."""

    nodes: tuple[str, ...]
    facts: Facts
    sound: bool = True
    """Whether they have no fault of their own."""


class Held(NamedTuple):
    """A value and the nodes that have it."""

    value: str
    nodes: tuple[str, ...]
    sound: int = 0
    """How many of them have no fault of their own."""


class Difference(NamedTuple):
    """Something that is not the same on all nodes."""

    aspect: Aspect
    reason: Reason
    held: tuple[Held, ...]
    """The most common value first."""
    untold: tuple[str, ...]
    """Nodes on which it is not known."""

    @property
    def told(self) -> int:
        """How many nodes say what it is."""
        return sum(len(one.nodes) for one in self.held)

    @property
    def majority(self) -> bool:
        """Whether more than half of those have the same value."""
        return 2 * len(self.held[0].nodes) > self.told

    @property
    def tied(self) -> bool:
        """Whether two values are equally common, on nodes without a fault too, and none more so."""
        return _weight(self.held[0]) == _weight(self.held[1])

    @property
    def apart(self) -> tuple[Held, ...]:
        """Who is not with the most; all where two are equally common."""
        return self.held if self.tied else self.held[1:]

    def words(self, held: Held) -> str:
        """Why a node with that value stands apart: "torch 2.6.0 here, 2.7.1 on 190 of 200 nodes"."""
        name = self.aspect.name if self.aspect.kind is Kind.PACKAGE else f"{self.aspect.name}:"
        most = self.held[0]
        if self.majority:
            return f"{name} {held.value} here, {most.value} on {len(most.nodes)} of {self.told} nodes"
        others = ", ".join(f"{one.value} on {len(one.nodes)}" for one in self.held[:4] if one is not held)
        return f"{name} {held.value} here, {others} of {self.told} nodes: no value has a majority"


class Untold(NamedTuple):
    """Something that matters and is not known on some nodes, so that they could not be compared by it."""

    name: str
    nodes: tuple[str, ...]
    why: str


class Skew(NamedTuple):
    """All that differs: what matters first."""

    differences: tuple[Difference, ...]
    untold: tuple[Untold, ...]


def _weight(held: Held) -> tuple[int, int]:
    return len(held.nodes), held.sound


def compared(groups: Sequence[Group]) -> Skew:
    """Compare groups of equal nodes."""
    variables = frozenset().union(*(variables_of(one.facts) for one in groups))
    tables = [told(one.facts, variables) for one in groups]
    aspects = list(dict.fromkeys(aspect for table in tables for aspect in table))
    ray = Aspect(Kind.PACKAGE, "ray") in aspects
    differences, untold = [], []
    for aspect in aspects:
        why = reason(aspect, ray=ray)
        found = _difference(aspect, why, groups, tables)
        if found is not None:
            differences.append(found)
        if why.matters and aspect.kind is not Kind.PACKAGE:
            untold += _untold(aspect, groups, tables)
    for one in groups:
        unknown = packages_unknown(one.facts)
        if unknown is not None:
            untold.append(Untold("packages", one.nodes, unknown))
    differences.sort(key=lambda one: (not one.reason.matters, *_place(one.aspect)))
    return Skew(tuple(differences), tuple(untold))


def _place(aspect: Aspect) -> tuple[object, ...]:
    """Machine and Python in the order of their table, packages as ``diff`` orders them, builds and limits, variables."""
    if aspect.kind is Kind.TRAIT:
        rank = _RANK.get(aspect.name, len(_RANK))
        return 0 if rank < _AFTER_PACKAGES else 2, rank, aspect.name
    return (1, *place(aspect.name)) if aspect.kind is Kind.PACKAGE else (3, aspect.name)


def _said(group: Group, table: Mapping[Aspect, Told], aspect: Aspect) -> Told | None:
    """What a group says of an aspect; None where it cannot be asked, since its packages are not known."""
    found = table.get(aspect)
    if found is not None or aspect.kind is not Kind.PACKAGE:
        return found or _ABSENT
    return None if packages_unknown(group.facts) is not None else _ABSENT


def _difference(
    aspect: Aspect, why: Reason, groups: Sequence[Group], tables: Sequence[Mapping[Aspect, Told]]
) -> Difference | None:
    values: list[_Value] = []
    untold: list[str] = []
    for group, table in zip(groups, tables, strict=True):
        one = _said(group, table, aspect)
        if one is None or isinstance(one.said, Unknown):
            untold += group.nodes
        else:
            values.append(_Value(_NOTHING[aspect.kind] if one.said.value is None else one.said.value, one.number, group))
    names = _alike(values)
    if len(set(names.values())) <= 1:
        return None
    held = []
    for name in dict.fromkeys(names.values()):
        those = [one.group for one in values if names[one.text] == name]
        nodes = tuple(node for group in those for node in group.nodes)
        held.append(Held(name, nodes, sum(len(group.nodes) for group in those if group.sound)))
    held.sort(key=lambda one: (*(-count for count in _weight(one)), one.value))
    return Difference(aspect, why, tuple(held), tuple(untold))


class _Value(NamedTuple):
    """What one group says: the text, and the number of a quantity."""

    text: str
    number: float | None
    group: Group


def _alike(values: Sequence[_Value]) -> dict[str, str]:
    """Each value -> how it is called: quantities that are near one another by the name of the most common of them."""
    names = {one.text: one.text for one in values if one.number is None}
    numbers: dict[str, float] = {}
    counts: dict[str, int] = {}
    for text, number, group in values:
        if number is not None:
            numbers[text] = number
            counts[text] = counts.get(text, 0) + len(group.nodes)
    clusters: list[list[str]] = []
    for text in sorted(numbers, key=numbers.__getitem__):
        if clusters and numbers[text] <= NEAR * numbers[clusters[-1][0]]:
            clusters[-1].append(text)
        else:
            clusters.append([text])
    for cluster in clusters:
        names |= dict.fromkeys(cluster, max(cluster, key=counts.__getitem__))
    return names


def _untold(aspect: Aspect, groups: Sequence[Group], tables: Sequence[Mapping[Aspect, Told]]) -> list[Untold]:
    whys: dict[str, list[str]] = {}
    for group, table in zip(groups, tables, strict=True):
        said = table[aspect].said
        if isinstance(said, Unknown):
            whys.setdefault(said.why, []).extend(group.nodes)
    return [Untold(aspect.name, tuple(nodes), why) for why, nodes in whys.items()]
