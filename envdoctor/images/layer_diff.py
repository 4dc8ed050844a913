"""Two layers compared, entry by entry, as they stream by.

Both are read side by side. What stands at the same place in both is compared and forgotten; only what the other one has not
shown yet is kept, so that memory goes with the disorder and not with the size. Pure but for the streams.
"""

from __future__ import annotations

import datetime as dt
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.images.tape import Entry

MAX_NAMED = 20
"""Entries of one layer that are named."""
MAX_TIMES = 3
"""Of these, entries that differ in nothing but their time: a build without SOURCE_DATE_EPOCH makes thousands."""
MAX_WAITING = 200_000
"""Entries that one layer has and the other has not shown yet."""
KINDS = {
    "0": "a file",
    "1": "a hard link",
    "2": "a symbolic link",
    "3": "a device",
    "4": "a device",
    "5": "a folder",
    "6": "a pipe",
}


class Said(NamedTuple):
    """One thing that is not the same in both."""

    path: str | None
    """In the image; None: of the layer as a whole."""
    what: str


class _Side:
    """One of the two, and what it has shown alone."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[tuple[int, Entry]]] = {}
        self.count = 0
        self.furthest = -1
        """The last place of it that has met its like."""

    def keep(self, number: int, entry: Entry) -> None:
        self.waiting.setdefault(entry.path, []).append((number, entry))
        self.count += 1

    def meet(self, path: str) -> tuple[int, Entry] | None:
        kept = self.waiting.get(path)
        if kept is None:
            return None
        found = kept.pop(0)
        self.count -= 1
        if not kept:
            del self.waiting[path]
        return found

    def alone(self) -> Iterator[Entry]:
        return (entry for kept in self.waiting.values() for _, entry in kept)


class _Comparison:
    def __init__(self) -> None:
        self.sides = (_Side(), _Side())
        self.named: list[Said] = []
        self.times: list[Said] = []
        self.more = 0
        self.more_times = 0
        self.moved: str | None = None
        """The first entry found in another order."""
        self.gave_up = False

    def run(self, first: Iterable[Entry], second: Iterable[Entry]) -> tuple[Said, ...]:
        for number, pair in enumerate(zip_longest(first, second)):
            one, other = pair
            if one is not None and other is not None and one.path == other.path and not self._waits(one.path):
                self._met((number, one), (number, other))
                continue
            for here, entry in enumerate(pair):
                if entry is not None:
                    self._shown(here, number, entry)
            if self.sides[0].count + self.sides[1].count > MAX_WAITING:
                self.gave_up = True
                break
        return tuple(self._said())

    def _waits(self, path: str) -> bool:
        """Whether one of that name waits already: a layer may have a name twice, and their order counts."""
        return any(path in side.waiting for side in self.sides)

    def _shown(self, here: int, number: int, entry: Entry) -> None:
        met = self.sides[1 - here].meet(entry.path)
        if met is None:
            self.sides[here].keep(number, entry)
        elif here:
            self._met(met, (number, entry))
        else:
            self._met((number, entry), met)

    def _met(self, one: tuple[int, Entry], other: tuple[int, Entry]) -> None:
        """Two entries of one name, and their places."""
        if self.moved is None and (one[0] < self.sides[0].furthest or other[0] < self.sides[1].furthest):
            self.moved = one[1].path
        for side, (number, _) in zip(self.sides, (one, other), strict=True):
            side.furthest = max(side.furthest, number)
        if one[1] != other[1]:
            self._note(one[1].path, *_between(one[1], other[1]))

    def _note(self, path: str, what: str, only_time: bool) -> None:
        if only_time:
            if len(self.times) < MAX_TIMES:
                self.times.append(Said(shown(path), what))
            else:
                self.more_times += 1
        elif len(self.named) < MAX_NAMED:
            self.named.append(Said(shown(path), what))
        else:
            self.more += 1

    def _said(self) -> Iterator[Said]:
        if self.gave_up:
            yield Said(None, f"the two have so little in common that they were not compared to their end ({MAX_WAITING} entries)")
        else:
            for side, which in zip(self.sides, ("first", "second"), strict=True):
                for entry in side.alone():
                    self._note(entry.path, f"only in the {which}", only_time=False)
        yield from self.named
        if self.more:
            yield Said(None, f"{self.more} more entries differ")
        yield from self.times
        if self.more_times:
            yield Said(None, f"{self.more_times} more entries differ in nothing but their time")
        if self.moved is not None:
            yield Said(shown(self.moved), "order: it stands at another place")


def compared(first: Iterable[Entry], second: Iterable[Entry]) -> tuple[Said, ...]:
    """What differs between two layers: the worst first, times after, their order last."""
    return _Comparison().run(first, second)


def shown(path: str) -> str:
    """A path of a layer as it is in the image."""
    return "/" + path.removeprefix("./").strip("/")


def _between(one: Entry, other: Entry) -> tuple[str, bool]:
    """What differs between two entries of a name, and whether it is nothing but a time."""
    told: list[str] = []
    if one.kind != other.kind:
        told.append(f"{_kind(one)} -> {_kind(other)}")
    elif one.size != other.size:
        told.append(f"content ({one.size} -> {other.size} bytes)")
    elif one.content != other.content:
        told.append("content")
    if one.link != other.link:
        told.append(f"link to {one.link} -> {other.link}")
    if one.mode != other.mode:
        told.append(f"mode {one.mode:04o} -> {other.mode:04o}")
    if one.owner != other.owner:
        told.append(f"owner {one.owner[0]}:{one.owner[1]} -> {other.owner[0]}:{other.owner[1]}")
    if one.names != other.names:
        told.append("name of the owner")
    if one.device != other.device:
        told.append("device number")
    headers, times = _headers(one, other)
    told += headers
    only_time = not told
    if one.mtime != other.mtime:
        told.append(f"mtime {_time(one.mtime)} -> {_time(other.mtime)}")
    return ", ".join([*told, *times]), only_time


def _headers(one: Entry, other: Entry) -> tuple[list[str], list[str]]:
    """Which fields of the extended headers differ; the times apart from the rest."""
    before, after = dict(one.more), dict(other.more)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return [f"header {key}" for key in keys if key not in _TIMES], [key for key in keys if key in _TIMES]


_TIMES = {"atime", "ctime", "LIBARCHIVE.creationtime"}


def _kind(entry: Entry) -> str:
    return KINDS.get(entry.kind, f"an entry of type {entry.kind!r}")


def _time(text: str) -> str:
    whole, point, fraction = text.partition(".")
    try:
        moment = dt.datetime.fromtimestamp(int(whole), dt.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return text
    return f"{moment:%Y-%m-%dT%H:%M:%S}{point}{fraction}Z"
