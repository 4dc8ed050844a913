"""A setup hook for Ray's workers: a static preflight of the worker's own environment, before any task or actor runs in it.

::

    ray.init(runtime_env={"worker_process_setup_hook": "envdoctor.hooks.ray.preflight"})

Ray calls it once in every worker process (``worker_process_setup_hook`` of a runtime environment: a function without arguments,
or its name). Where the preflight fails it raises, the worker does not start, and the driver gets the one root cause. The worst
place to learn of a broken node is the tenth minute of a run, from a worker that died of something else.

The first process of a node pays for it (about a second); the others read what it found, from a file of the user's own. What
cannot be told stops nothing: envdoctor missing, called wrongly, out of time or crashed is said on standard error, and the
worker starts.

Settings are environment variables (``runtime_env={"env_vars": {...}}``):

- ``ENVDOCTOR``: the program, where envdoctor is not installed in the worker's own environment: /opt/envdoctor/bin/envdoctor
- ``ENVDOCTOR_OPTIONS``: more options of ``envdoctor preflight``, as a shell would read them: --require gpu,trl,vllm

This file needs the standard library alone: copied into ``working_dir`` as NAME.py, it is "NAME.preflight".

Sources:
- https://docs.ray.io/en/latest/ray-core/api/doc/ray.runtime_env.RuntimeEnv.html (read 2026-11-26), and Ray 2.60.0
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

DEADLINE_S = 30.0
GOOD_FOR_S = 600.0
"""How long a pass holds for the other workers of the node."""
BAD_FOR_S = 20.0
"""How long a failure does: Ray starts workers again at once, and whoever mends the node should not have to wait."""
FAILED = 1
"""The one exit status of ``envdoctor preflight`` that is proof of a fault."""
MAX_LINE, MAX_KEPT = 600, 65536
"""Characters of a line that is shown, and of what is remembered."""


class BrokenNodeError(RuntimeError):
    """This node, or this environment, fails its preflight."""


class Found(NamedTuple):
    """What a preflight came to."""

    status: int
    """Its exit status; -1: it could not be run or did not end."""
    said: str
    """The root cause and what to do, or why it could not be told; empty where it passed."""


def preflight() -> None:
    """Raise if the environment of this process fails a static preflight, judged once for all processes of the node.

    Raises:
        BrokenNodeError: it fails; the message is the root cause and what to do.
    """
    argv = command()
    found = remembered(argv)
    if found.status == FAILED:
        raise BrokenNodeError(found.said)
    if found.status != 0:
        sys.stderr.write(f"envdoctor: this worker was not judged: {found.said}\n")


def command() -> list[str]:
    """The preflight of this process's own environment, as an argument list."""
    program = os.environ.get("ENVDOCTOR")
    words = [program] if program else [sys.executable, "-m", "envdoctor"]
    more = shlex.split(os.environ.get("ENVDOCTOR_OPTIONS", ""))
    return [*words, "preflight", "--static", *more, "--report", "json=-", "--", sys.executable]


def remembered(argv: list[str]) -> Found:
    """What the preflight comes to, or came to a moment ago in another process of this user on this node."""
    key = hashlib.sha256("\0".join([boot(), *argv]).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    try:
        folder = own_folder()
        handle = os.open(os.path.join(folder, f"ray-{key}.json"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return run(argv)  # nowhere to remember it: each process pays
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the others wait for the first, which has a deadline
        old = read(file.read(MAX_KEPT))
        if old is not None:
            return old
        found = run(argv)
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"at": time.time(), "status": found.status, "said": found.said}))
        return found


def read(text: str) -> Found | None:
    """What stands in the file, if it still holds."""
    try:
        kept = json.loads(text)
        at, status, said = float(kept["at"]), int(kept["status"]), str(kept["said"])
    except (ValueError, KeyError, TypeError):
        return None
    age_s = time.time() - at
    return Found(status, said) if 0 <= age_s < (GOOD_FOR_S if status == 0 else BAD_FOR_S) else None


def own_folder() -> str:
    """A folder in the node's temporary one that this user alone may use. Raises OSError."""
    folder = os.path.join(tempfile.gettempdir(), f"envdoctor-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's own")
    return folder


def boot() -> str:
    """This start of this machine: what was found before a reboot, or on another node with a shared /tmp, is not of it."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def run(argv: list[str]) -> Found:
    """Run the preflight: its exit status, with the root cause where it fails, else why it was not told."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=DEADLINE_S, check=False)  # noqa: S603 - what the user has set
    except OSError as error:
        return Found(-1, f"{argv[0]} cannot be run: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Found(-1, f"no answer in {DEADLINE_S:g} s")
    if done.returncode == 0:
        return Found(0, "")
    said = told(done.stdout) if done.returncode == FAILED else None
    if said is not None:
        return Found(FAILED, said)
    # a Python that has no envdoctor ends with 1 too, and leaves no report
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    status = -1 if done.returncode == FAILED else done.returncode
    return Found(status, printable(last) or f"exit status {done.returncode}")


def told(report: bytes) -> str | None:
    """The first root cause of a JSON report (preflight-1.json) that fails it, and what to do; None where it is no such report."""
    try:
        problems = [one for one in json.loads(report)["problems"] if one["counts"]]
        first = problems[0]
        lines = [
            f"{first['code']}: {first['title']}",
            first["why"],
            first["says"],
            *(shlex.join(argv) for argv in first["commands"]),
        ]
        if len(problems) > 1:
            lines.append(f"{len(problems) - 1} more: envdoctor preflight --static {sys.prefix}")
        return "\n".join(printable(line) for line in lines if line)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def printable(text: str) -> str:
    """One line without control characters, cut where it is long: texts come from what is judged."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_LINE])
