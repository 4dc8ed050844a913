"""What ``envdoctor preflight --nodes FILE`` does once its words are known."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

    from envdoctor.nodes.hosts import Hosts
    from envdoctor.nodes.judging import Demands
    from envdoctor.nodes.looking import Asked
    from envdoctor.nodes.running import Answer
    from envdoctor.session import Options

STARTED = time.monotonic()
FORMATS = ("terminal", "json")
PARTS = 10
"""In a log, a line after each such part of the nodes."""


class Nodes(NamedTuple):
    """What the command line says of the nodes. The defaults are those of the options."""

    file: str
    """--nodes: names of nodes; "-" is standard input."""
    via: str = "ssh"
    """--via: the command prefix as one string."""
    target: str | None = None
    """The environment or interpreter as it lies on the nodes; None: their python3."""
    parallel: int = 64
    deadline_s: float = 30.0
    """--node-deadline."""
    out: str = ""
    """--nodes-out: where the lists of names go; "" is the working folder."""


def preflight_nodes(  # noqa: PLR0913 - one argument an option of the command
    nodes: Nodes,
    *,
    required: tuple[str, ...],
    profile: str | None,
    form: str,
    reports: tuple[str, ...],
    strict: bool,
    fail_on: str | None,
    data: str | None,
    verbose: bool,
) -> int:
    """Read the words of ``envdoctor preflight --nodes``, and run it. Raises UserError."""
    from envdoctor.cli.output import checked  # noqa: PLC0415
    from envdoctor.cli.preflighting import gpu_of  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.overlay import opened  # noqa: PLC0415
    from envdoctor.preflight import asked  # noqa: PLC0415
    from envdoctor.preflight.requires import lacking, of_profile  # noqa: PLC0415
    from envdoctor.session import Options  # noqa: PLC0415

    if form not in FORMATS:
        raise UserError(f"--format {form} is for one machine", f"Of many nodes there are {' and '.join(FORMATS)}.")
    files = asked.reports(reports, FORMATS)
    checked({f"--report {name}={place}": place for name, place in files})
    wanted = asked.requirements(required)
    matrix = opened(data, os.environ)
    gpu = None if profile is None else gpu_of(profile, matrix)
    return run_nodes(
        nodes,
        Options(fail_on=fail_on, data=data),
        form=form,
        reports=files,
        strict=strict,
        verbose=verbose,
        demands=lambda facts: (*lacking(wanted, facts), *of_profile(gpu, facts, matrix)),
    )


def run_nodes(
    nodes: Nodes,
    options: Options,
    *,
    form: str = "terminal",
    reports: tuple[tuple[str, str], ...] = (),
    strict: bool = False,
    verbose: bool = False,
    demands: Demands | None = None,
) -> int:
    """Look at many nodes, print one page, and write who fails and who passes; gives the exit status.

    Args:
        nodes: which, and how they are asked.
        options: of judging, as for ``check``; what they suppose is refused.
        form: of standard output: terminal or json.
        reports: formats, each with a file that gets the report too; "-" gets it in place of that form.
        strict: exit with 3 if something could not be told and nothing failed.
        verbose: print all.
        demands: what a node must have besides what the rules ask (--require).

    Raises:
        UserError: wrong words, an unreadable file, a prefix that cannot be started, a folder that cannot be written to.
    """
    import msgspec  # noqa: PLC0415 - start-up time, here and below

    from envdoctor import session  # noqa: PLC0415
    from envdoctor.cli.output import emit, wants_color, width  # noqa: PLC0415
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.nodes import lists, looking  # noqa: PLC0415
    from envdoctor.nodes.judging import By  # noqa: PLC0415
    from envdoctor.nodes.outcome import State  # noqa: PLC0415
    from envdoctor.render import Page  # noqa: PLC0415

    if options.suppose:
        raise UserError("nothing can be supposed of nodes that are asked what they are", "Leave --suppose away, or --nodes.")
    asked = asked_of(nodes)
    lists.checked(nodes.out)
    plan = session.plan(options)
    by = By(plan.matrix, plan.wishes, plan.fail_on, demands)
    with Progress(sys.stderr, asked.hosts) as progress:
        outcome = looking.look(asked, by, progress.hear, STARTED)
    notes = (*plan.notes, *outcome.notes, *session.passed_over(plan.matrix))
    outcome = msgspec.structs.replace(outcome, notes=notes)
    passing = outcome.of(State.PASSED)
    written = lists.write(nodes.out, outcome.of(State.FAILED, State.SKEWED, State.SILENT), passing)
    taken = any(place == "-" for _, place in reports)
    for name, place in reports if taken else (*reports, (form, "-")):
        output = None if place == "-" else place
        if name == "json":
            from envdoctor.render.nodes_json import render as as_json  # noqa: PLC0415

            emit(as_json(outcome, written), output, exact=True)
        else:
            from envdoctor.render.nodes import render  # noqa: PLC0415

            page = Page(color=wants_color(output), width=width(output), verbose=verbose, today=plan.today)
            emit(render(outcome, page, written), output)
    return outcome.exit_code(strict=strict)


def asked_of(nodes: Nodes) -> Asked:
    """What is to be asked, from the words of the command line. Raises UserError."""
    from envdoctor.errors import UserError  # noqa: PLC0415
    from envdoctor.nodes import hosts, looking, via  # noqa: PLC0415

    if not 1 <= nodes.parallel <= looking.MAX_PARALLEL:
        raise UserError(
            f"--parallel {nodes.parallel} is not from 1 to {looking.MAX_PARALLEL}", "64 nodes at a time is the default."
        )
    if not looking.LEAST_DEADLINE_S <= nodes.deadline_s <= looking.MOST_DEADLINE_S:
        span = f"from {looking.LEAST_DEADLINE_S:g} to {looking.MOST_DEADLINE_S:g} seconds"
        raise UserError(f"--node-deadline {nodes.deadline_s:g} is not {span}", "A healthy node answers in a few seconds.")
    words, python = via.words_of(nodes.via), via.program(nodes.target)
    if nodes.file == hosts.STDIN:
        text, name = hosts.decoded(sys.stdin.buffer.read(hosts.MAX_BYTES + 1), "standard input"), "standard input"
    else:
        text, name = hosts.read(nodes.file), nodes.file
    return looking.Asked(hosts.parse(text, name), words, python, nodes.parallel, nodes.deadline_s)


class Progress:
    """How many nodes have answered: a live line at a terminal, a line after each tenth of them in a log."""

    def __init__(self, stream: TextIO, hosts: Hosts) -> None:
        self.stream, self.all = stream, len(hosts.names)
        self.done = self.silent = 0
        self.live: Any = None

    def __enter__(self) -> Self:
        if self.stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where somebody looks
            from rich.progress import Progress as Live  # noqa: PLC0415
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self.live = Live(*columns, console=Console(file=self.stream), transient=True)
            self.task = self.live.add_task(self.words(), total=None)
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.live is not None:
            self.live.stop()
        if kind is not None and issubclass(kind, (KeyboardInterrupt, SystemExit)):
            self._line(f"stopped: {self.words()}; all commands were ended, and no list of names was written")

    def hear(self, answer: Answer) -> None:
        """Count one answer."""
        self.done += 1
        self.silent += answer.document is None
        if self.live is not None:
            self.live.update(self.task, description=self.words())
        elif self.done * PARTS // self.all > (self.done - 1) * PARTS // self.all:
            self._line(self.words())

    def words(self) -> str:
        """How far it is."""
        silent = f", {self.silent} without an answer" if self.silent else ""
        return f"{self.done} of {self.all} nodes asked{silent}"

    def _line(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()
