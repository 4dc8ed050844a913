"""How a build shows that it goes on: a live line at a terminal, a line a step in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from envdoctor.wording import harmless

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID
    from typing_extensions import Self

    from envdoctor.engine.buildx import Step
    from envdoctor.images.building import Stage

SIGNS = {"ok": "ok", "stopped": "STOPPED", "skipped": "-"}
MAX_NAME = 100


class Watching:
    """Told by the build; tells the user on ``stream``."""

    def __init__(self, stream: TextIO, *, again: str) -> None:
        self.stream = stream
        self.again = again
        self.started = time.monotonic()
        self._live: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where somebody looks
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self._live = Progress(*columns, console=Console(file=self.stream), transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
        if kind in {KeyboardInterrupt, SystemExit}:
            self.stream.write(
                f"interrupted: nothing was named or pushed; what was built is cached, so this goes on: {self.again}\n"
            )

    def begin(self, name: str) -> None:
        """A stage begins."""
        if self._live is None:
            self._line(f"{name} ...")
            return
        if self._task is not None:
            self._live.remove_task(self._task)
        self._task = self._live.add_task(name, total=None)

    def step(self, one: Step) -> None:
        """A step of the engine: its name while it runs; in a log, one line when it has ended."""
        name = harmless(one.name)[:MAX_NAME]
        if self._live is not None and self._task is not None:
            if one.state == "started":
                share = f" {one.done_bytes / one.total_bytes:.0%}" if one.total_bytes and one.done_bytes is not None else ""
                self._live.update(self._task, description=name + share)
        elif one.state in {"done", "cached", "failed"} and one.log is None:
            took = "cached" if one.state == "cached" else f"{one.state}, {one.seconds or 0.0:.1f} s"
            self._line(f"  {name} ({took})")

    def end(self, stage: Stage) -> None:
        """A stage ended."""
        self._line(f"{SIGNS[stage.state]:<8} {stage.name} ({stage.seconds:.1f} s): {harmless(stage.says)}")

    def _line(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        else:
            self.stream.write(text + "\n")
            self.stream.flush()
