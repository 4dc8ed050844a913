"""What a worker tells, heard as hostile input: typed, cut to size, and without the names of people."""

from __future__ import annotations

import contextlib
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from envdoctor.probe.machine import Machine
from envdoctor.probe.redaction import homes_of, redacted, users_of
from envdoctor.workers import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.workers import Ended, Wanted

T = TypeVar("T")

MOST_EVENTS = 2000
MOST_CHARACTERS = 2000
LAST_LINES = 30
THE_END = "the end of the process"
"""What was being done when a worker died that had told everything."""
WATCH = re.compile(r"^Timeout \((\d+):(\d\d):(\d\d)(?:\.\d+)?\)!$", re.MULTILINE)
"""What the worker's own watch (faulthandler) writes before it ends the process: hours, minutes and seconds that were given."""


class Heard(NamedTuple):
    """Everything that one worker told, in order, and how it ended."""

    events: tuple[dict[str, Any], ...]
    ended: Ended
    stage_s: float | None = None
    """What the stage in which it ended was given; None where the worker named none."""

    @property
    def complete(self) -> bool:
        """Whether it told that it was done."""
        return any(one.get("event") == "done" for one in self.events)

    def of(self, event: str, shape: type[T], **given: Any) -> tuple[T, ...]:  # noqa: ANN401 - fields of the shape
        """The events of that name as records; what has another shape is left out."""
        found = []
        for one in self.events:
            if one.get("event") == event:
                fields = {key: value for key, value in one.items() if key != "event"}
                try:
                    found.append(msgspec.convert({**fields, **given}, shape))
                except msgspec.ValidationError:
                    continue
        return tuple(found)

    def fate(self, limit_s: float) -> str | None:
        """How it ended where it did not come to its end: "no answer in 15 s", "killed by SIGSEGV", "exit status 1".

        Args:
            limit_s: what it was given for its work, where its own watch does not say what was exceeded.
        """
        ended = self.ended
        watched = WATCH.search(ended.said) if ended.late or ended.status else None
        if watched is not None:
            hours, minutes, seconds = map(int, watched.groups())
            return f"no answer in {hours * 3600 + minutes * 60 + seconds} s"
        if ended.late:
            return f"no answer in {self.stage_s or limit_s:.0f} s"
        if ended.signal is not None:
            return f"killed by {ended.signal}"
        if ended.status:
            return f"exit status {ended.status}"
        return None if self.complete else "it ended without telling all it was to tell"

    def during(self) -> str:
        """What it was doing when it ended."""
        return THE_END if self.complete else cut(self.ended.phase) or "its start"

    def last_lines(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.ended.said.splitlines()[-LAST_LINES:])[-MOST_CHARACTERS:]


def hear(wanted: Wanted, say: Callable[[str], None]) -> Heard:
    """Run a worker to its end.

    Args:
        wanted: what to start.
        say: told what it does now.

    Raises:
        UserError: the interpreter cannot be started.
    """
    machine = Machine()
    homes, users = homes_of(machine), users_of(machine)
    events: list[dict[str, Any]] = []
    stages: list[float] = []

    def on_event(event: dict[str, Any]) -> None:
        if event.get("event") == "phase":
            say(str(event.get("name", ""))[:100])
            stages.extend(one for one in [event.get("within_s")] if isinstance(one, float))
            del stages[:-1]
        elif len(events) < MOST_EVENTS:
            with contextlib.suppress(RecursionError):  # nested deeper than anything of ours
                events.append(cut(redacted(event, homes, users)))

    ended = running.run(wanted, on_event)
    return Heard(tuple(events), ended, stages[0] if stages else None)


def cut(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    """The value with its texts cut to size and fit for UTF-8, and without numbers that are not finite."""
    if isinstance(value, str):
        return value[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: cut(one) for key, one in value.items()}
    if isinstance(value, list):
        return [cut(one) for one in value[:MOST_EVENTS]]
    return value
