"""What ``check --deep`` runs, and how it shows what it does now."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

    from envdoctor.facts import Facts
    from envdoctor.session import Pending

HINTS = {
    "lock": "Install it, then: envdoctor check --deep .venv",
    "root": "Run it inside: chroot {path} envdoctor check --deep",
    "report": "On the machine that it is from: envdoctor check --deep",
    "saved": "On the machine itself: envdoctor check --deep --record DIR. The record then keeps what was run.",
    "image": "Run it inside: docker run --rm --gpus all {path} envdoctor check --deep",
}
"""Scheme of a target of which nothing can be run from here -> what to do."""


def refuse(target: str | None) -> None:
    """Refuse a target of which nothing is run. Raises UserError."""
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.sources import parse_target  # noqa: PLC0415

    spec = parse_target(target, os.environ)
    if spec.scheme in HINTS:
        what = f"--deep runs and imports what is installed, and nothing of {target} is run from here"
        raise UserError(what, HINTS[spec.scheme].format(path=shlex.quote(spec.path)))


def deepened(facts: Facts, pending: Pending) -> Facts:
    """The facts with what was run. Raises UserError when the target's Python does not start."""
    import msgspec  # noqa: PLC0415

    from envdoctor.deep import Asked, look  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415

    if pending.running is None or facts.target.broken is not None:
        why = facts.target.broken or "it has no interpreter"
        raise UserError(f"--deep cannot run anything of this target: {why}", "envdoctor check, without --deep, says more of it.")
    with Progress(sys.stderr) as progress:
        live = look(facts, os.path.abspath(pending.running.interpreter), Asked(), progress.say)
    return msgspec.structs.replace(facts, live=live)


class Progress:
    """What is run now, on one live line at a terminal; nothing elsewhere."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.live: Any = None
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        if self.stream is not None and self.stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where somebody looks
            from rich.progress import Progress as Live  # noqa: PLC0415
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self.live = Live(*columns, console=Console(file=self.stream), transient=True)
            self.task = self.live.add_task("starting", total=None)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def say(self, doing: str) -> None:
        """Show it; called from several threads."""
        from envdoctor.wording import harmless  # noqa: PLC0415

        if self.live is not None:
            with self.lock:
                self.live.update(self.task, description=harmless(doing))
