"""The door to uv as an installer."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from envdoctor.applying import installer
from envdoctor.errors import UserError
from tests.probe.machines import WAITS_S
from tests.processes import gone

if TYPE_CHECKING:
    from pathlib import Path


def test_a_uv_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installer, "uv_program", lambda: str(tmp_path / "uv"))
    with pytest.raises(UserError, match="uv could not be started: No such file or directory") as told:
        installer.run_uv(("--version",), None)
    assert told.value.hint == "Install it beside envdoctor: pip install uv"


def test_what_a_uv_that_has_ended_left_behind_is_ended_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {pid}\n")
    uv.chmod(0o755)
    monkeypatch.setattr(installer, "uv_program", lambda: str(uv))

    def interrupt() -> None:
        until = time.monotonic() + WAITS_S
        while not (pid.exists() and pid.read_text()) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2)  # so that uv itself has ended
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        installer.run_uv(("--version",), None)
    assert gone([int(pid.read_text())])
