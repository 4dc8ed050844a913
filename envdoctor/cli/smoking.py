"""What ``envdoctor smoke`` does once its words are known."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

    from envdoctor.proving.asked import Wishes

EVERY = 10
"""In a log, one line after so many steps."""


class Shown(NamedTuple):
    """How and where the report is written."""

    form: str = "terminal"
    output: str | None = None
    html: str | None = None
    json: str | None = None
    verbose: bool = False


def run_smoke(
    target: str | None,
    wishes: Wishes,
    *,
    shown: Shown,
    profile: str | None,
    certificate: str | None,
    data: str | None,
) -> int:
    """Run a smoke and print what it came to; gives the exit status. ``certificate``: None for none, "" for the usual place.

    Raises:
        UserError: the target is none that can be run, or the wishes cannot be had there.
    """
    from envdoctor import session  # noqa: PLC0415
    from envdoctor.cli.certifying import NOT_WRITTEN, certified, checked_place  # noqa: PLC0415
    from envdoctor.cli.output import checked, emit, wants_color, width  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.proving.asked import ask  # noqa: PLC0415
    from envdoctor.proving.running import prove  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415
    from envdoctor.render.smoke import render  # noqa: PLC0415
    from envdoctor.render.sparkline import needs_ascii  # noqa: PLC0415

    checked({"--output": shown.output, "--html": shown.html, "--json": shown.json, "--certificate": certificate})
    if certificate is not None:
        checked_place(certificate or None, profile)
    with session.start(target) as pending:
        if pending.running is None or pending.spec.scheme != "venv":
            raise UserError(
                f"{target} is nothing that can be run here",
                "Name an environment or an interpreter. In an image: docker run --gpus all IMAGE envdoctor smoke",
            )
        import os  # noqa: PLC0415

        matrix = opened(data, os.environ)
        interpreter = pending.running.interpreter
        facts = session.facts_of(pending, matrix)
    if facts.target.broken is not None:
        raise UserError(f"nothing can be run: {facts.target.broken}", "envdoctor check says more of it.")
    asked = ask(wishes, facts, os.path.abspath(interpreter))
    with Progress(sys.stderr, asked.chosen) as progress:
        proof = prove(asked, facts, matrix, progress.hear, target)
    if certificate is not None and proof.passed:
        proof = certified(proof, facts, matrix, profile=profile, path=certificate or None, target=target)
    form, output, html, json_file, verbose = shown
    if html is not None:
        from envdoctor.render.smoke_html import render as as_html  # noqa: PLC0415

        emit(as_html(proof), html, exact=True)
    if json_file is not None or form == "json":
        from envdoctor.render.smoke_json import render as as_json  # noqa: PLC0415
    if json_file is not None:
        emit(as_json(proof), json_file, exact=True)
    if form == "json":
        emit(as_json(proof), output, exact=True)
    else:
        page = Page(color=wants_color(output), width=width(output), verbose=verbose)
        plain = output is None and needs_ascii(getattr(sys.stdout, "encoding", None))
        emit(render(proof, page, ascii_only=plain), output)
    if certificate and any(NOT_WRITTEN in note for note in proof.notes):
        return 2
    return 0 if proof.passed else 1


class Progress:
    """What the run does now: a live line at a terminal, a line a phase and every ten steps in a log."""

    def __init__(self, stream: TextIO, chosen: str) -> None:
        self.stream, self.chosen = stream, chosen
        self.rewards: list[float | None] = []
        self.phase = "start"
        self.live: Any = None

    def __enter__(self) -> Self:
        from envdoctor.wording import harmless  # noqa: PLC0415

        self.harmless = harmless
        self._line(self.chosen)
        if self.stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where somebody looks
            from rich.progress import Progress as Live  # noqa: PLC0415
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self.live = Live(*columns, console=Console(file=self.stream), transient=True)
            self.task = self.live.add_task(self.phase, total=None)
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.live is not None:
            self.live.stop()
        if kind is KeyboardInterrupt:
            self._line("stopped: all that was started has ended; no report and no certificate were written")

    def hear(self, event: dict[str, Any]) -> None:
        """Show one event of the worker."""
        if event["event"] == "phase":
            self.phase = self.harmless(str(event.get("name", "")))[:100]
            self._show(f"{self.phase} ...")
        elif event["event"] == "step":
            reward = event.get("reward")
            self.rewards.append(float(reward) if isinstance(reward, (int, float)) else None)
            step, of = event.get("step"), event.get("of")
            if self.live is not None or step == of or (isinstance(step, int) and step % EVERY == 0):
                reward_shown = "?" if self.rewards[-1] is None else f"{self.rewards[-1]:.2f}"
                self._show(f"step {step} of {of}: reward {reward_shown} {self._curve()}")

    def _curve(self) -> str:
        from envdoctor.render.sparkline import needs_ascii, sparkline  # noqa: PLC0415

        return sparkline(self.rewards, 40, ascii=needs_ascii(getattr(self.stream, "encoding", None)))

    def _show(self, text: str) -> None:
        clean = self.harmless(text)
        if self.live is not None:
            self.live.update(self.task, description=clean)
        else:
            self._line(clean)

    def _line(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()
