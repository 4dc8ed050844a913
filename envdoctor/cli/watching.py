"""How a build shows that it goes on: a live line at a terminal; in a log a line a step, and one a minute in a long step."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, TextIO

from envdoctor.render.images import SIGNS
from envdoctor.wording import harmless

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID
    from typing_extensions import Self

    from envdoctor.engine.buildx import Step
    from envdoctor.images.building import Stage

MAX_NAME = 100
STILL_S = 60.0
"""Between two lines that say that a long step is still at work."""
_OF_THE_ENGINE = ("[internal]", "[context ")
_MOUNTS = re.compile(r"--mount=\S+\s+")
_PREAMBLE = re.compile(r"if \[ -f /run/secrets/\w+ \]; then [^;]*; fi\s+&&\s+")


class Watching:
    """Told by the build; tells the user on ``stream``."""

    def __init__(self, stream: TextIO, *, again: str, still_s: float = STILL_S) -> None:
        self.stream = stream
        self.again = again
        self.still_s = still_s
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._doing = self._named = ""
        self._since = self._told = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self.stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where somebody looks
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self._live = Progress(*columns, console=Console(file=self.stream), transient=True)
            self._live.start()
        else:
            threading.Thread(target=self._still, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()
        if kind in {KeyboardInterrupt, SystemExit}:
            done = f"{self._named} has its name" if self._named else "nothing was named or pushed"
            self._line(f"interrupted: {done}; finished steps are cached, so this goes on from there: {self.again}")

    def begin(self, name: str) -> None:
        """A stage begins."""
        self._at_work(name)
        if self._live is None:
            self._line(f"{name} ...")
            return
        if self._task is not None:
            self._live.remove_task(self._task)
        self._task = self._live.add_task(name, total=None)

    def step(self, one: Step) -> None:
        """A step of the engine: its name while it runs; in a log, one line when it has ended."""
        name = named(one.name)
        if one.state == "started":
            if name != self._doing:
                self._at_work(name)
                if self._live is None and name.startswith("exporting"):
                    self._line(f"  {name} ...")
            if self._live is not None and self._task is not None:
                share = f" {one.done_bytes / one.total_bytes:.0%}" if one.total_bytes and one.done_bytes is not None else ""
                self._live.update(self._task, description=name + share)
        elif self._live is None and not one.name.startswith(_OF_THE_ENGINE):
            took = "cached" if one.state == "cached" else f"{one.state}, {one.seconds or 0.0:.1f} s"
            self._line(f"  {name} ({took})")

    def end(self, stage: Stage) -> None:
        """A stage ended."""
        if stage.name == "name it" and stage.state == "ok":
            self._named = stage.says
        self._line(f"{SIGNS[stage.state]:<8}{stage.name} ({stage.seconds:.1f} s): {harmless(stage.says)}")

    def _at_work(self, name: str) -> None:
        with self._lock:
            self._doing, self._since = name, time.monotonic()

    def _still(self) -> None:
        """Say now and then what is still at work: the export of a large image takes minutes in which the engine says nothing."""
        while not self._over.wait(self.still_s / 4):
            with self._lock:
                now = time.monotonic()
                due, doing, since = now - max(self._told, self._since) >= self.still_s, self._doing, self._since
            if due and doing:
                self._line(f"  {doing} (still at work, {now - since:.0f} s)")

    def _line(self, text: str) -> None:
        with self._lock:
            self._told = time.monotonic()
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        else:
            self.stream.write(text + "\n")
            self.stream.flush()


def named(name: str) -> str:
    """The name of a step for people: harmless, in one line, without mounts and the preamble that hands in secrets."""
    return _PREAMBLE.sub("", _MOUNTS.sub("", " ".join(harmless(name).split())))[:MAX_NAME]
