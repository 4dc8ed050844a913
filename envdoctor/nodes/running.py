"""Ask many nodes at once: one command each, so many at a time, each with a deadline and ended with its process group.

One thread and one loop: whatever ends the loop (an answer from all, an error, Ctrl-C, SIGTERM as the exception that the
command line makes of it) passes the place where everything that was started is ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING, NamedTuple

from envdoctor.errors import UserError
from envdoctor.nodes.hearing import Hearing
from envdoctor.nodes.via import EXAMPLES
from envdoctor.workers.running import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

TICK_S = 0.02
"""How often it is looked whether a command has ended whose pipes another process holds open (a master connection of ssh does)."""
AFTERMATH_S = 0.5
"""How long a command that has ended is still listened to, and how long one may take to end that has told everything."""
POLITE_S = 0.5
"""Between SIGTERM, at which srun ends its step on the node, and SIGKILL."""
CHUNK_BYTES = 1 << 18
NO_PROGRAM = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC}


class Answer(NamedTuple):
    """What came of one node."""

    node: str
    document: bytes | None
    why: str
    """Why there is no document; "" where there is one."""
    seconds: float


class Errand(NamedTuple):
    """What is started on every node, and how it is waited for."""

    command: Callable[[str], list[str]]
    """From a node's name."""
    python: str
    """How the program that is started on the node is called, for messages."""
    program: bytes
    """On its standard input."""
    mark: bytes
    parallel: int
    deadline_s: float


def ask(nodes: Iterable[str], errand: Errand) -> Generator[Answer, None, None]:
    """One answer for every node, as they come.

    Raises:
        UserError: the command cannot be started.
    """
    with tempfile.TemporaryFile(prefix="envdoctor-") as program:
        program.write(errand.program)
        program.flush()
        running = _Running(errand, f"/proc/self/fd/{program.fileno()}")
        try:
            yield from running.all(iter(nodes))
        finally:
            running.end_all()


class _Child:
    """One command that runs."""

    def __init__(self, node: str, process: subprocess.Popen[bytes], mark: bytes, deadline_s: float) -> None:
        self.node = node
        self.process = process
        self.hearing = Hearing(mark)
        self.started = time.monotonic()
        self.until = self.started + deadline_s
        self.open: set[IO[bytes]] = {stream for stream in (process.stdout, process.stderr) if stream is not None}
        self.late = False
        self.ended: float | None = None
        self.told: float | None = None

    def look(self, now: float) -> bool:
        """Whether nothing more is to be waited for."""
        # WNOWAIT leaves it a zombie: its number, and so that of its group, stays its own until the group has been killed
        if self.ended is None and os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            self.ended = now
        if self.told is None and self.hearing.document is not None:
            self.told = now
        if self.hearing.over:
            return True
        if self.ended is not None and (not self.open or self.told is not None or now - self.ended > AFTERMATH_S):
            return True
        if self.told is not None:
            return now - self.told > AFTERMATH_S
        self.late = now >= self.until
        return self.late

    def signal(self, number: int) -> None:
        """Send it to the whole group; there is one until the child has been reaped."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def reap(self, patience_s: float) -> bool:
        """Whether it has ended; its status is known then, and what is left of its group is killed."""
        until = time.monotonic() + patience_s
        while os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() >= until:
                return False
            time.sleep(TICK_S / 4)
        self.signal(signal.SIGKILL)
        self.process.wait()
        return True


class _Running:
    def __init__(self, errand: Errand, program: str) -> None:
        self.errand = errand
        self.program = program
        self.children: list[_Child] = []
        self.leaving: list[tuple[_Child, float]] = []
        """Those that were told to end, each with when it is killed."""
        self.selector = selectors.DefaultSelector()

    def all(self, waiting: Iterator[str]) -> Iterator[Answer]:
        """Start, listen, and give each answer as soon as it is known."""
        more = True
        while more or self.children or self.leaving:
            while more and len(self.children) < self.errand.parallel:
                node = next(waiting, None)
                if node is None:
                    more = False
                    break
                failed = self.start(node)
                if failed is not None:
                    yield failed
                self.listen(0)
            self.listen(TICK_S)
            now = time.monotonic()
            for child in [one for one in self.children if one.look(now)]:
                self.children.remove(child)
                if not self.leave(child, now):
                    yield self.answer(child)
            yield from self.gone(now)

    def start(self, node: str) -> Answer | None:
        """Start the command of a node; gives its answer where this machine cannot.

        Raises:
            UserError: there is no such program.
        """
        argv = self.errand.command(node)
        try:
            # each has an open file of its own: they read it at their own pace
            with open(self.program, "rb") as program:
                process = subprocess.Popen(  # noqa: S603 - the prefix is what the user asked to run
                    argv, stdin=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
                )
        except OSError as error:
            if error.errno in NO_PROGRAM:
                raise UserError(f"{argv[0]} cannot be started: {error.strerror}", EXAMPLES) from error
            return Answer(
                node, None, f"{argv[0]} could not be started here: {error.strerror}; a smaller --parallel may help", 0.0
            )
        child = _Child(node, process, self.errand.mark, self.errand.deadline_s)
        self.children.append(child)
        for stream in child.open:
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream, selectors.EVENT_READ, child)
        return None

    def listen(self, seconds: float) -> None:
        """Take what has come, waiting at most that long for the first of it."""
        if not self.selector.get_map():
            time.sleep(seconds)
            return
        for key, _ in self.selector.select(seconds):
            child: _Child = key.data
            stream = key.fileobj
            data = os.read(key.fd, CHUNK_BYTES)
            if stream is child.process.stdout:
                child.hearing.out(data)
            else:
                child.hearing.err(data)
            if not data:
                self.selector.unregister(stream)
                child.open -= {stream}

    def leave(self, child: _Child, now: float) -> bool:
        """Stop listening to it; whether its end must be waited for, since it runs and was asked to end."""
        for stream in child.open:
            self.selector.unregister(stream)
        for pipe in (child.process.stdout, child.process.stderr):
            if pipe is not None:
                pipe.close()
        if child.ended is not None:
            child.reap(0)
            return False
        child.signal(signal.SIGTERM)
        self.leaving.append((child, now + POLITE_S))
        return True

    def gone(self, now: float) -> Iterator[Answer]:
        """The answers of those that have ended since they were asked to, or that are killed now."""
        for one in list(self.leaving):
            child, until = one
            if not child.reap(0):
                if now < until:
                    continue
                child.signal(signal.SIGKILL)
                # one that the kernel holds (a dead network file system) is left to it
                child.reap(POLITE_S)
            self.leaving.remove(one)
            yield self.answer(child)

    def answer(self, child: _Child) -> Answer:
        """What came of a child that is gone."""
        seconds = time.monotonic() - child.started
        heard = child.hearing
        if heard.document is not None:
            return Answer(child.node, heard.document, "", seconds)
        status = child.process.returncode
        late_s = self.errand.deadline_s if child.late else None
        program = os.path.basename(child.process.args[0])  # type: ignore[index,arg-type]
        why = heard.why_none(status, late_s, program, self.errand.python)
        return Answer(child.node, None, nameless(why, child.node), seconds)

    def end_all(self) -> None:
        """End every group that is left, all at once: asked to first, then killed."""
        left = [*self.children, *(child for child, _ in self.leaving)]
        for child in left:
            child.signal(signal.SIGTERM)
        until = time.monotonic() + POLITE_S
        for child in left:
            if not child.reap(max(0.0, until - time.monotonic())):
                child.signal(signal.SIGKILL)
                child.reap(POLITE_S)
        for child in left:
            for pipe in (child.process.stdout, child.process.stderr):
                if pipe is not None:
                    pipe.close()
        self.children.clear()
        self.leaving.clear()
        self.selector.close()


def nameless(text: str, node: str) -> str:
    """What a command said, without home folders, secrets and the name of the user that it logged in as."""
    bare = node.rpartition("@")[2]
    if bare == node:
        text = re.sub(rf"[\w.+-]+@(?={re.escape(bare)}\b)", "$USER@", text)
    return str(masked(text))
