"""The one door to uv as an installer. It never outlives us, and it holds the environment's lock as long as it lives."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from envdoctor.errors import UserError
from envdoctor.postponing import postponed
from envdoctor.resolver import uv_program, without_addresses

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.applying.journal import Step

_OFF = frozenset(
    {
        "UV_COMPILE_BYTECODE",
        "UV_CONSTRAINT",
        "UV_OVERRIDE",
        "UV_EXCLUDE",
        "UV_PREFIX",
        "UV_TARGET",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_DRY_RUN",
    }
)
"""Settings of the user that would make uv do something else than what was planned; those about indexes and caches stay."""
_PR_SET_PDEATHSIG = 1


def install_words(python: str, prefix: str, file: str, *, hashes: bool) -> tuple[str, ...]:
    """The arguments that install the pins in ``file``, for that interpreter, into a folder laid out like its prefix."""
    words = ("pip", "install", "--python", python, "--prefix", prefix, "--no-deps", "--no-compile-bytecode", *QUIET)
    return (*words, *(("--require-hashes",) if hashes else ()), "--requirements", file)


def uninstall_words(python: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments that remove distributions; ones that are not there are passed over."""
    return ("pip", "uninstall", "--no-config", "--python", python, "--break-system-packages", *QUIET, *names)


QUIET = ("--no-progress", "--color", "never", "--no-python-downloads")


def requirement_lines(steps: tuple[Step, ...]) -> str:
    """``name==version`` with the hashes of what may come, a line each."""
    come = (one for one in steps if one.after is not None)
    words = ((f"{one.name}=={one.after}", *(f"--hash=sha256:{each}" for each in one.sha256)) for one in come)
    return "".join(f"{' '.join(line)}\n" for line in words)


def build_words(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Which of them uv may build: those that the plan took as source distributions."""
    built = tuple(one.name for one in steps if one.build)
    return ("--only-binary", ":all:", *(word for name in built for word in ("--no-binary", name)))


def run_uv(words: tuple[str, ...], lock: int | None) -> str:
    """Run uv to its end; what it said, made harmless, without addresses. Broken off, it is ended with all it started.

    Raises:
        UserError: it failed, or could not be started.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OFF}
    child = None
    try:
        with postponed():
            child = subprocess.Popen(  # noqa: S603 - argv of our own making
                (uv_program(), *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us: uv is ended by us, and waited for
                pass_fds=() if lock is None else (lock,),
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - prctl only
            )
        said = child.communicate()[0].decode("utf-8", "replace")
    except BaseException as error:
        if child is None and isinstance(error, OSError):
            why = f"uv could not be started: {error.strerror}"
            raise UserError(why, "Install it beside envdoctor: pip install uv") from error
        if child is not None and child.returncode is None:
            # asked without reaping: as long as it is not, its number, and so that of its group, is nobody else's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child is not None and child.stdout is not None:
            child.stdout.close()
        raise
    if child.returncode != 0:
        raise UserError(f"uv {' '.join(words[:2])} failed", without_addresses(said) or f"Its exit status is {child.returncode}.")
    return without_addresses(said)


def _die_with(parent: int) -> Callable[[], None]:
    library = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        # after kill -9 of envdoctor an orphaned uv would go on changing what the next call restores
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
