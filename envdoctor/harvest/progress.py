"""How a refresh shows that it goes on: a bar at a terminal, a line now and then in a log."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from envdoctor.wording import plural

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID
    from typing_extensions import Self

EVERY_S = 10.0
"""Between two lines in a log."""


class Progress:
    """Tells the progress of a refresh on a stream; safe to call from several threads."""

    def __init__(self, stream: TextIO, every_s: float = EVERY_S) -> None:
        self.stream = stream
        self.every_s = every_s
        self._bars: Bars | None = None
        if stream.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Bars(*columns, TextColumn("{task.fields[doing]}"), console=Console(file=stream), transient=True)
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._total = self._done = self._unpacked = 0
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
            self._task = self._bars.add_task("releases", total=None, doing="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
        if kind is KeyboardInterrupt:
            self.stream.write(f"interrupted after {plural(self._done, 'release')}; the same command goes on from here\n")

    def begin(self, text: str) -> None:
        """Say what begins."""
        self._line(text)

    def page(self, package: str, to_read: int, kept: int) -> None:
        """A project's page was read."""
        with self._lock:
            self._total += to_read
        if to_read:
            self._line(f"{package}: {to_read} to read, {kept} known")
        self._show(package)

    def release(self, package: str, version: str) -> None:
        """One release was read."""
        with self._lock:
            self._done += 1
        self._show(f"{package} {version}")

    def unpacked(self, count: int) -> None:
        """So many more bytes of a compiled library were unpacked."""
        with self._lock:
            self._unpacked += count
        self._show("")

    def _line(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, highlight=False, markup=False)
        else:
            self.stream.write(text + "\n")
            self.stream.flush()

    def _show(self, doing: str) -> None:
        code = f", {self._unpacked / 1e9:.1f} GB of compiled code" if self._unpacked else ""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, total=self._total, completed=self._done, doing=doing + code)
            return
        with self._lock:
            due = time.monotonic() - self._told >= self.every_s
            if due:
                self._told = time.monotonic()
        if due:
            self._line(f"{self._done} of {plural(self._total, 'release')} read{code}")
