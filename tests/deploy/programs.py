"""Programs that stand for envdoctor and for what a system has, in tests of the scripts that call them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def program(path: Path, body: str) -> Path:
    """A shell script that can be run; ``$log`` in it is a file beside it that takes what it was called with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\nlog={shlex.quote(str(path))}.log\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def recording(path: Path, status: int = 0, says: str = "") -> Path:
    """A program that notes its arguments, one a line and NUL-free, prints ``says``, and exits with ``status``."""
    return program(path, f"printf '%s\\n' \"$@\" > \"$log\"\nprintf '%s' {shlex.quote(says)}\nexit {status}")


def calls(path: Path) -> list[str] | None:
    """The arguments of the last call of a recording program; None: it was not called."""
    log = Path(f"{path}.log")
    return log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else None


def envdoctor(path: Path) -> Path:
    """This checkout's own envdoctor as a program at that path."""
    code = "from envdoctor.cli import main; main()"
    return program(path, f'PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -c "{code}" "$@"')
