"""Start a worker, hand on its events, and end it with everything it started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
KEEPER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "keeper.py")
MAX_LINE_BYTES = 8 * 1024 * 1024
MAX_SAID_BYTES = 256 * 1024
CHUNK_BYTES = 64 * 1024
STAGE_GRACE_S = 3.0
"""For a worker that watches itself to end by itself, and to say where it hangs."""
KEEPER_GRACE_S = 12.0
"""Longer than the keeper's own patience with processes that do not die."""
SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE_KEY", re.IGNORECASE)
"""Variables that a worker needs nothing of: it has no network to use them on, and what it prints may be shown."""

# the room is on PYTHONPATH, for the processes that it starts too; the working folder is not to be imported from
BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; room, events, scratch = sys.argv[1:4]; "
    "from importlib import import_module; "
    "import_module(room + '.__main__').main(tuple(sys.argv[4:]), int(events), scratch)"
)


class Wanted(NamedTuple):
    """One worker."""

    interpreter: str
    """The target's Python."""
    room: str
    """smoke or live: its ``__main__.main(words, descriptor, scratch)`` is called, with the descriptor that takes events."""
    words: tuple[str, ...]
    deadline_s: float
    environ: Mapping[str, str] = NOTHING_MORE
    """Variables over those of the doctor's own environment."""
    ranks: int = 1
    """More than one: under torch.distributed.run as ``-m envdoctor_<room> EVENTS SCRATCH WORDS...``, so many processes, with
    the path of a pipe for EVENTS; only rank 0 opens it."""
    folder: str | None = None
    """Where the room lies; None: in this package."""


class Ended(NamedTuple):
    """How it ended."""

    status: int | None
    """Exit status; None after a signal or when it was ended by us."""
    signal: str | None
    """"SIGSEGV"; None without one."""
    late: bool
    """It did not end in time and was killed."""
    phase: str
    """The last phase it told: what it was doing."""
    said: str
    """The last 256 KiB of its standard output and error together, redacted."""
    seconds: float


def run(wanted: Wanted, on_event: Callable[[dict[str, Any]], None]) -> Ended:
    """Run a worker to its end. Events (decoded, at most 8 MiB a line) are handed on as they come, in the caller's thread.

    Args:
        wanted: what to start.
        on_event: called for each event; an exception it raises ends the worker and goes up.

    Raises:
        UserError: the interpreter cannot be started; says why.
    """
    started = time.monotonic()
    scratch = tempfile.mkdtemp(prefix="envdoctor-")
    try:
        name = f"envdoctor_{wanted.room}"
        source = wanted.folder or os.path.join(PACKAGE, wanted.room)
        shutil.copytree(source, os.path.join(scratch, "path", name), ignore=shutil.ignore_patterns("__pycache__"))
        work = os.path.join(scratch, "work")
        os.mkdir(work)
        os.mkdir(os.path.join(scratch, "tmp"))
        with Watched(wanted, name, scratch, work) as watched:
            watched.follow(started + wanted.deadline_s, on_event)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    report = watched.report
    if report.startswith("cannot start"):
        raise UserError(
            f"{wanted.interpreter} cannot be started: {report.removeprefix('cannot start ')}",
            f"Name an interpreter that starts; try: {wanted.interpreter} --version",
        )
    word, _, number = report.partition(" ")
    code = int(number) if number.isdigit() else 0
    return Ended(
        status=code if word == "exit" else None,
        signal=signal_name(code) if word == "signal" else None,
        late=watched.late,
        phase=watched.phase,
        said=str(masked(bytes(watched.said).decode("utf-8", "replace"))) + watched.complaint,
        seconds=time.monotonic() - started,
    )


def signal_name(number: int) -> str:
    """SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def masked(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    """The same without home folders, user names and secrets, as the probe writes them."""
    from envdoctor.probe.machine import Machine  # noqa: PLC0415 - only where something was said
    from envdoctor.probe.redaction import homes_of, redacted, users_of  # noqa: PLC0415

    machine = Machine()
    return redacted(value, homes_of(machine), users_of(machine))


def environment(wanted: Wanted, path: str, temporary: str) -> dict[str, str]:
    """The user's variables without secrets, what is wanted over them, and the room's folder last on PYTHONPATH.

    ``temporary`` is where libraries may leave what they like (torchrun, inductor and a killed compiler do): it goes with the run.
    """
    kept = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    kept.update(wanted.environ)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (kept.get("PYTHONPATH"), path)))
    kept["TMPDIR"] = temporary
    return kept


class Watched:
    """A worker under its keeper. As a context: it has ended when the context is left, however that happens."""

    def __init__(self, wanted: Wanted, name: str, scratch: str, work: str) -> None:
        self.report, self.phase, self.complaint, self.late = "", "start", "", False
        self.said, self.line = bytearray(), bytearray()
        self.stage_until = float("inf")
        report, report_end = os.pipe()
        if wanted.ranks > 1:
            # torch.distributed.run hands no descriptors on; opened for both, so that it does not end before a writer comes
            pipe = os.path.join(scratch, "events")
            os.mkfifo(pipe, 0o600)
            events, events_end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK), -1
            ranked = ("-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1")
            argv = [wanted.interpreter, *ranked, f"--nproc-per-node={wanted.ranks}", "-m", name, pipe, work, *wanted.words]
        else:
            events, events_end = os.pipe()
            argv = [wanted.interpreter, "-c", BOOT, name, str(events_end), work, *wanted.words]
        request = {"argv": argv, "folder": work, "scratch": scratch, "events": events_end, "report": report_end}
        passed = [one for one in (events_end, report_end) if one >= 0]
        try:
            self.keeper = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", KEEPER, json.dumps(request)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=passed,
                start_new_session=True,
                env=environment(wanted, os.path.join(scratch, "path"), os.path.join(scratch, "tmp")),
            )
        finally:
            for one in passed:
                os.close(one)
        self.events, self.reports = events, report

    def __enter__(self) -> Watched:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        """Cut the life-line, wait for the keeper, and close what is open."""
        self.cut()
        try:
            self.keeper.wait(KEEPER_GRACE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.keeper.pid, signal.SIGKILL)
            self.keeper.wait()
        os.set_blocking(self.reports, False)
        with contextlib.suppress(BlockingIOError):
            self.report = os.read(self.reports, 4096).decode("utf-8", "replace")
        for one in (self.events, self.reports):
            os.close(one)
        if self.keeper.stdout is not None:
            self.keeper.stdout.close()

    def cut(self) -> None:
        """Close the life-line: the keeper ends everything."""
        if self.keeper.stdin is not None:
            with contextlib.suppress(OSError):
                self.keeper.stdin.close()

    def follow(self, until: float, on_event: Callable[[dict[str, Any]], None]) -> None:
        """Read events and output until the keeper has ended, or until time.monotonic() is ``until``."""
        output = self.keeper.stdout
        assert output is not None  # noqa: S101 - it was asked for
        with selectors.DefaultSelector() as selector:
            selector.register(self.events, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while True:
                over = self.keeper.poll() is not None
                left = min(until, self.stage_until) - time.monotonic()
                if left <= 0 and not self.late and not over:
                    self.late = True
                    self.cut()
                # the keeper is gone: what is still in the pipes is read, and nothing is waited for
                ready = selector.select(0 if over else min(max(left, 0.05), 0.25))
                for key, _ in ready:
                    data = read(key.fd)
                    if not data:
                        selector.unregister(key.fd)
                    elif key.fd == self.events:
                        self.hear(data, on_event)
                    else:
                        self.said += data
                        del self.said[:-MAX_SAID_BYTES]
                if over and not ready:
                    return

    def hear(self, data: bytes, on_event: Callable[[dict[str, Any]], None]) -> None:
        """Hand on every whole line that is an event; a line without end ends the worker."""
        self.line += data
        while b"\n" in self.line:
            line, _, rest = bytes(self.line).partition(b"\n")
            self.line = bytearray(rest)
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                event = None
            if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                self.complaint = "\nenvdoctor: the worker told something that is no event"
                continue
            if event["event"] == "phase":
                self.phase = str(event.get("name", ""))[:200]
                if isinstance(event.get("within_s"), (int, float)):
                    self.stage_until = time.monotonic() + event["within_s"] + STAGE_GRACE_S
            on_event(event)
        if len(self.line) > MAX_LINE_BYTES:
            self.line.clear()
            self.complaint = f"\nenvdoctor: the worker told more than {MAX_LINE_BYTES >> 20} MiB in one line, and was ended"
            self.cut()


def read(descriptor: int) -> bytes:
    """What is there; b"" at the end."""
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except BlockingIOError:
        return b""
