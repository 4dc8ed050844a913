"""What ``docker buildx build`` says while it works, as steps: its JSON (buildx 0.13 and newer), or its plain lines."""

from __future__ import annotations

import base64
import binascii
import collections
import datetime as dt  # noqa: TC003 - msgspec reads the annotations
import re
from typing import TYPE_CHECKING, Literal

import msgspec

from envdoctor.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TAIL = 60
"""Lines of a step that are kept, for the case that it fails."""
MAX_LINE = 2000
MAX_PIECE = 1024 * 1024
LOOK_S = 0.001
MAX_STEPS = 10_000
MAX_JSON = 16 * 1024 * 1024
CANCELLED = "context canceled"
"""In the error of a step that was stopped because another one failed: no failure of its own."""
_INSTRUCTION = re.compile(r"\[(?:[^\]]+ )?\s*\d+/\d+\] ")
"""How the engine names the steps that stand in the Dockerfile: "[build 2/5] RUN ..."."""
_PLAIN = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_PLAIN_END = re.compile(r"(?:DONE (?P<seconds>[\d.]+)s|(?P<cached>CACHED)|ERROR: (?P<error>.*)|(?P<stopped>CANCELED))\Z")
_PLAIN_LOG = re.compile(r"\d+\.\d+ (?P<line>.*)")
_PLAIN_BYTES = re.compile(r"\S+ (?P<done>[\d.]+)(?P<unit>[kMGT]?B) / (?P<total>[\d.]+)(?P<of>[kMGT]?B)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Step(msgspec.Struct, frozen=True):
    """News of one step of a build, or of a load, push or pull."""

    id: str
    name: str
    state: Literal["started", "done", "cached", "failed"]
    seconds: float | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    log: str | None = None
    """What it printed, as it came: hostile text."""


class _Vertex(msgspec.Struct, frozen=True):
    digest: str
    name: str = ""
    started: dt.datetime | None = None
    completed: dt.datetime | None = None
    cached: bool = False
    error: str = ""


class _Status(msgspec.Struct, frozen=True):
    vertex: str
    current: int = 0
    total: int = 0


class _Log(msgspec.Struct, frozen=True):
    vertex: str
    data: str = ""


class _News(msgspec.Struct, frozen=True):
    vertexes: list[_Vertex] = []
    statuses: list[_Status] = []
    logs: list[_Log] = []


class _Seen(msgspec.Struct):
    """What is known of one step."""

    name: str
    state: str = "waiting"
    tail: collections.deque[str] = msgspec.field(default_factory=lambda: collections.deque(maxlen=MAX_TAIL))
    part: str = ""

    def print(self, data: str) -> None:
        """Output comes in pieces that end anywhere; of a line that overwrites itself the last state is kept."""
        *whole, self.part = (self.part + data)[-MAX_PIECE:].split("\n")
        self.tail.extend(_overwritten(line) for line in whole)

    def lines(self) -> list[str]:
        """Its last lines."""
        return [*self.tail, _overwritten(self.part)] if self.part else list(self.tail)


def _overwritten(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2][:MAX_LINE]


class Reader:
    """Reads line by line; keeps what a failure is told with, and what is neither a step nor its output."""

    def __init__(self) -> None:
        self.seen: dict[str, _Seen] = {}
        self.rest: collections.deque[str] = collections.deque(maxlen=MAX_TAIL)

    def feed(self, line: str) -> Iterator[Step]:
        """The news in one line."""
        raise NotImplementedError

    @property
    def steps(self) -> int:
        """How many instructions of the Dockerfile were looked at; what the engine does around them is not counted."""
        return sum(1 for one in self.seen.values() if _INSTRUCTION.match(one.name))

    @property
    def cached(self) -> int:
        """How many of them were taken from the cache."""
        return sum(1 for one in self.seen.values() if _INSTRUCTION.match(one.name) and one.state == "cached")

    def text(self) -> str:
        """What went wrong, as plain progress tells it: the output of each step that failed, then the last words."""
        parts = [
            "\n".join(("------", f" > {one.name}:", *one.lines(), "------"))
            for one in self.seen.values()
            if one.state == "failed"
        ]
        return "\n".join((*parts, *self.rest))

    def _step(self, key: str, name: str) -> _Seen:
        if key not in self.seen and len(self.seen) < MAX_STEPS:
            self.seen[key] = _Seen(name)
        return self.seen.get(key) or _Seen(name)


class Json(Reader):
    """``--progress=rawjson``: one object a line, or, in buildx 0.13, one over many lines; the last words stand bare."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._size = 0

    def feed(self, line: str) -> Iterator[Step]:
        """The news in one line."""
        bare = line.rstrip("\r\n")
        if self._open or bare == "{":
            self._open.append(bare)
            self._size += len(bare)
            if bare == "}" or self._size > MAX_JSON:
                whole, self._open, self._size = "\n".join(self._open), [], 0
                yield from self._news(whole)
        elif bare.startswith("{") and bare.endswith("}"):
            yield from self._news(bare)
        else:
            self.rest.append(bare[:MAX_LINE])

    def _news(self, text: str) -> Iterator[Step]:
        try:
            news = msgspec.json.decode(text, type=_News)
        except msgspec.DecodeError:
            self.rest.append(text[:MAX_LINE])
            return
        for vertex in news.vertexes:
            yield from self._vertex(vertex)
        for status in news.statuses:
            one = self._step(status.vertex, status.vertex)
            if status.total:
                yield Step(status.vertex, one.name, "started", done_bytes=status.current, total_bytes=status.total)
        for log in news.logs:
            one = self._step(log.vertex, log.vertex)
            try:
                data = base64.b64decode(log.data).decode("utf-8", "replace")
            except binascii.Error:
                continue
            one.print(data)
            yield Step(log.vertex, one.name, "started", log=data)

    def _vertex(self, vertex: _Vertex) -> Iterator[Step]:
        one = self._step(vertex.digest, vertex.name)
        one.name = vertex.name or one.name
        if vertex.started is None:
            return
        if vertex.completed is None:
            if one.state != "started":
                one.state = "started"
                yield Step(vertex.digest, one.name, "started")
            return
        if CANCELLED in vertex.error:
            one.state = "cancelled"
            return
        seconds = (vertex.completed - vertex.started).total_seconds()
        state: Literal["done", "cached", "failed"] = "failed" if vertex.error else "cached" if vertex.cached else "done"
        if one.state == state or (one.state == "done" and state == "cached"):
            return
        one.state = state
        # the engine looks at a step before it does it, and reports both; the first is over in microseconds
        if state != "done" or seconds >= LOOK_S:
            yield Step(vertex.digest, one.name, state, seconds)


class Plain(Reader):
    """``--progress=plain``: "#5 [2/3] RUN ...", "#5 0.127 its output", "#5 DONE 0.2s"."""

    def feed(self, line: str) -> Iterator[Step]:
        """The news in one line."""
        bare = line.rstrip("\r\n")[:MAX_LINE]
        found = _PLAIN.match(bare)
        if found is None:
            if bare:
                self.rest.append(bare)
            return
        key, rest = found["number"], found["rest"]
        known = self.seen.get(key)
        if known is None:
            self._step(key, rest).state = "started"
            yield Step(key, rest, "started")
            return
        end = _PLAIN_END.match(rest)
        if end is not None and (end["stopped"] or CANCELLED in (end["error"] or "")):
            known.state = "cancelled"
            return
        if end is not None:
            state: Literal["done", "cached", "failed"] = "cached" if end["cached"] else "done" if end["seconds"] else "failed"
            known.state = state
            yield Step(key, known.name, state, float(end["seconds"]) if end["seconds"] else None)
            return
        log, size = _PLAIN_LOG.match(rest), _PLAIN_BYTES.match(rest)
        if log is not None:
            known.print(log["line"] + "\n")
            yield Step(key, known.name, "started", log=log["line"] + "\n")
        elif size is not None:
            yield Step(key, known.name, "started", None, _bytes(size["done"], size["unit"]), _bytes(size["total"], size["of"]))

    def text(self) -> str:
        """What went wrong: buildx repeats the output of the failed step itself."""
        return "\n".join(self.rest)


def _bytes(number: str, unit: str) -> int | None:
    try:
        return int(float(number) * _UNITS[unit])
    except ValueError:
        return None


def short(name: str) -> str:
    """The name of a step without its counter, and harmless: "RUN make"."""
    return harmless(_INSTRUCTION.sub("", name))[:MAX_LINE]
