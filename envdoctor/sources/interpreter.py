"""``venv:PATH``: run the probe under the target's own interpreter, as ``[python, -I, -S, -c, ...]``.

``-I -S`` keeps the target's .pth files, sitecustomize and PYTHON* variables from running anything. The probe is read
from our own package folder; it is started as early as possible, and the doctor's imports go on while it works.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
import time
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, NamedTuple

from envdoctor.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
DEADLINE_S = 9.5
GRACE_S = 1.5
"""Between the probe's own deadline (8 s, or what was asked for) and when it is given up."""
AFTERMATH_S = 0.5
"""How long the pipes of an interpreter that has ended are still listened to."""
MAX_STDERR_BYTES = 1024 * 1024
OLDEST = (3, 8)
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
TOO_OLD = "envdoctor: too old"
NO_ISOLATION = "Unknown option: -I"
"""What Pythons before 3.4 say of the first option."""

# Appended, not inserted: no file of ours may shadow the target's standard library.
BOOTSTRAP = (
    "import sys\n"
    f"if sys.version_info < {OLDEST}: sys.exit('{TOO_OLD} %d.%d' % sys.version_info[:2])\n"
    "sys.path.append(sys.argv.pop(1))\n"
    "sys.dont_write_bytecode = sys.implementation.cache_tag != sys.argv.pop(1)\n"
    "from probe.__main__ import main\n"
    "main()\n"
)


class Running(NamedTuple):
    """A probe that was started and whose answer is still out."""

    child: subprocess.Popen[bytes]
    interpreter: str
    started: float
    broken: str | None
    patience_s: float = DEADLINE_S


def start(path: str, wanted: Mapping[str, str] = NOTHING_MORE) -> Running:
    """Start the probe for an interpreter or an environment's folder; ``wanted`` are further words of its request.

    Raises:
        UserError: there is no interpreter, the file is no program, or it cannot be started and there is no environment folder to
            read without it.
    """
    interpreter = find_interpreter(path)
    ask = request(wanted)
    broken = dead_interpreter(interpreter)
    if broken is None:
        try:
            return launch(interpreter, ask, None)
        except OSError as error:
            if error.errno == errno.ENOEXEC and interpreter == path:
                # a text on a disk of Windows, where every file may be executed
                raise UserError(f"{path} is not a program: {error.strerror}", instead(path)) from error
            broken = f"{interpreter} cannot be started: {error.strerror}"
    environment = environment_folder(path)
    if environment is None:
        raise UserError(broken, "Name an interpreter that starts: envdoctor check /path/to/python3")
    return launch(sys.executable, {**ask, "venv": environment}, broken)


def finish(running: Running, path: str, wanted: Mapping[str, str] = NOTHING_MORE) -> tuple[bytes, str | None]:
    """Wait for the document. Gives it with the reason why the target's own interpreter could not be used, if so.

    Raises:
        UserError: no answer in time, or something else than a document.
    """
    out, err, late = collect(running)
    if out.endswith(b"}\n"):
        return out, running.broken
    said = err.decode("utf-8", "replace").strip().splitlines()
    last = said[-1] if said else "it printed nothing"
    if late:
        raise UserError(
            f"the probe under {running.interpreter} gave no answer in {running.patience_s:g} s",
            "Its file system may hang: try `ls` on it. Another interpreter can be named: envdoctor check PATH",
        )
    if last.startswith(TOO_OLD) or NO_ISOLATION in "\n".join(said):
        version = last[len(TOO_OLD) :].strip() if last.startswith(TOO_OLD) else "2, or 3.3 or older"
        raise UserError(
            f"{running.interpreter} is Python {version}; the probe needs {OLDEST[0]}.{OLDEST[1]} or newer",
            "Nothing of today's GPU stack runs on it. Name an environment of a newer Python: envdoctor check PATH",
        )
    environment = environment_folder(path)
    if environment is None or running.broken is not None:
        raise UserError(
            f"{running.interpreter} did not run the probe (exit status {running.child.returncode}): {last}",
            "Is it a Python interpreter? Try: " + running.interpreter + " --version",
        )
    # the environment is there but its Python does not run (a library of the base is gone, another CPU ...)
    broken = f"{running.interpreter} does not start (exit status {running.child.returncode}): {last}"
    again = launch(sys.executable, {**request(wanted), "venv": environment}, broken)
    return finish(again, path)


def request(wanted: Mapping[str, str]) -> dict[str, str]:
    """What the probe is asked for (its __main__ says what the keys mean)."""
    pynvml = travelling_pynvml()
    return {**wanted, **({"pynvml": pynvml} if pynvml else {})}


def launch(interpreter: str, ask: dict[str, str], broken: str | None) -> Running:
    """Start the probe in a process group of its own. Raises OSError."""
    words = [f"{key}={value}" for key, value in ask.items()]
    child = subprocess.Popen(  # noqa: S603 - the target's interpreter is what the user asked to run
        [interpreter, "-I", "-S", "-c", BOOTSTRAP, PACKAGE, str(sys.implementation.cache_tag), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    return Running(child, interpreter, time.monotonic(), broken, patience_s(ask))


def patience_s(ask: Mapping[str, str]) -> float:
    """How long an answer is waited for: longer than the probe's own deadline, where one was asked for."""
    return float(ask["deadline_s"]) + GRACE_S if "deadline_s" in ask else DEADLINE_S


def collect(running: Running) -> tuple[bytes, bytes, bool]:
    """Read until the document's newline, the end, or the deadline; then the group is killed.

    The end of the pipe is not waited for: a thread that hangs in the kernel keeps it open.
    """
    from envdoctor.facts import MAX_DOCUMENT_BYTES  # noqa: PLC0415 - the probe works already; by now this may cost time

    child = running.child
    streams: dict[IO[bytes] | None, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    late = False
    ended = 0.0
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and not streams[child.stdout].endswith(b"\n"):
            left = running.started + running.patience_s - time.monotonic()
            if left <= 0:
                late = True
                break
            for key, _ in selector.select(min(left, AFTERMATH_S)):
                chunk = os.read(key.fd, 1 << 20)
                if chunk:
                    streams[key.fileobj] += chunk  # type: ignore[index]
                else:
                    selector.unregister(key.fileobj)
            # a program that is no probe may print for ever
            if len(streams[child.stdout]) > MAX_DOCUMENT_BYTES or len(streams[child.stderr]) > MAX_STDERR_BYTES:
                break
            if child.poll() is not None and not ended:
                # what it left behind may keep the pipes open
                ended = time.monotonic()
            if ended and time.monotonic() - ended > AFTERMATH_S:
                break
    stop(child)
    return bytes(streams[child.stdout]), bytes(streams[child.stderr]), late


def stop(child: subprocess.Popen[bytes]) -> None:
    """End the probe and all it started; a process in an uninterruptible wait is left to the kernel."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.05)
    with contextlib.suppress(ProcessLookupError):
        # its group, even if it has ended itself: it may have left others behind
        os.killpg(child.pid, signal.SIGKILL)
    try:
        child.wait(0.5)
    except subprocess.TimeoutExpired:
        return
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def find_interpreter(path: str) -> str:
    """The interpreter of a target path: the file itself, or bin/python3 or bin/python of a folder (dead links too).

    Raises:
        UserError: the folder holds no interpreter, or the file may not be executed.
    """
    if os.path.isdir(path):
        for name in ("bin/python3", "bin/python"):
            inside = os.path.join(path, name)
            if os.path.lexists(inside):
                return inside
        raise UserError(
            f"{path} is not a Python environment: it holds neither bin/python3 nor bin/python",
            f"To judge a record write saved:{path}"
            if os.path.exists(os.path.join(path, "facts.json"))
            else "Give the environment's folder (the one with pyvenv.cfg or conda-meta in it) or an interpreter.",
        )
    if os.path.exists(path) and not os.access(path, os.X_OK):
        raise UserError(f"{path} is not a program: it may not be executed", instead(path))
    return path


def instead(path: str) -> str:
    """What to write for a file that is no program: the likeliest first, by its ending."""
    try:
        near = os.path.relpath(path)
        path = path if near.startswith("..") else near
    except OSError:
        pass  # the working folder is gone
    report = f"a text that somebody pasted, or a log, write report:{path}"
    lock = f"a list of versions or a lock write lock:{path}"
    saved = f"a record (what `envdoctor facts` wrote) write saved:{path}"
    ending = os.path.splitext(path)[1].lower()
    likely = {".toml": (lock, report), ".json": (saved, report), ".txt": (report, lock)}.get(ending, (report, saved))
    return f"For {likely[0]}; for {likely[1]}"


def dead_interpreter(interpreter: str) -> str | None:
    """Why the link cannot be followed (its base Python is gone, or it loops), or None if it leads to a file."""
    if os.path.exists(interpreter):
        return None
    try:
        goal = os.readlink(interpreter)
        os.stat(interpreter)
    except FileNotFoundError:
        from envdoctor.facts import BASE_IS_GONE  # noqa: PLC0415 - start-up time

        return f"{interpreter} links to {goal}, which does not exist: {BASE_IS_GONE}"
    except OSError as error:
        loop = error.errno == errno.ELOOP
        return f"{interpreter} is a loop of links" if loop else f"{interpreter} cannot be read: {error.strerror}"
    return None


def environment_folder(path: str) -> str | None:
    """The environment a target path belongs to, if it is one that can be read without its interpreter."""
    for folder in (path, os.path.dirname(os.path.dirname(path))):
        if os.path.isfile(os.path.join(folder, "pyvenv.cfg")) or os.path.isdir(os.path.join(folder, "conda-meta")):
            return folder
    return None


def travelling_pynvml() -> str | None:
    """Where nvidia-ml-py's single module lies; found without importing it."""
    for folder in sys.path:
        file = os.path.join(folder, "pynvml.py")
        if os.path.isfile(file):
            return file
    return None
