"""``check --deep`` as a user meets it: what it refuses, what it shows while it works, and that Ctrl-C leaves nothing behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import venv
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.cli.deepening import Progress, deepened, refuse
from envdoctor.errors import UserError
from tests.cli.test_cli import run
from tests.factory import healthy
from tests.processes import alive, gone

if TYPE_CHECKING:
    from pathlib import Path

HANGS = "import os, time\nopen({pids!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)\n"
BROKEN = "raise ImportError('cannot import name nothing')\n"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it."""
    folder = tmp_path_factory.mktemp("deep") / "env"
    venv.create(folder, symlinks=True)
    return folder


def put(environment: Path, **modules: str) -> None:
    """Packages of these names, each with one module that does what its text says."""
    (site,) = environment.glob("lib/python3.*/site-packages")
    for name, text in modules.items():
        information = site / f"{name}-1.0.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (site / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("lock:h100", "Install it, then: envdoctor check --deep .venv"),
        ("root:a b", "a b' envdoctor check --deep"),
        ("saved:record", "envdoctor check --deep --record DIR"),
        ("image:train:1", "docker run --rm --gpus all train:1 envdoctor check --deep"),
    ],
)
def test_of_what_does_not_run_here_it_says_where_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    (tmp_path / "record").mkdir()
    with pytest.raises(UserError, match="--deep runs and imports what is installed") as raised:
        refuse(target)
    assert hint in str(raised.value.hint)
    done = run("check", "--deep", target, cwd=tmp_path)
    assert done.returncode == 2
    assert "--deep runs and imports what is installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_or_the_active_environment_is_not_refused(empty: Path) -> None:
    refuse(str(empty))
    refuse(None)


@pytest.mark.parametrize("broken", [None, "its Python does not start: exec format error"])
def test_a_target_without_a_python_that_runs_is_not_tried(broken: str | None) -> None:
    facts = healthy()
    facts = msgspec.structs.replace(facts, target=msgspec.structs.replace(facts.target, broken=broken))
    pending: Any = SimpleNamespace(running=None)
    with pytest.raises(UserError, match=broken or "it has no interpreter"):
        deepened(facts, pending)


def test_in_a_log_nothing_is_shown_and_at_a_terminal_what_is_done_is_harmless() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.say("import torch")
    assert stream.getvalue() == ""
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    with Progress(terminal) as progress:
        progress.say("cuda:0: [red]\x1b[2Jmatmul")
        time.sleep(0.3)
    assert "cuda:0: [red]\\x1b[2Jmatmul" in terminal.getvalue()


def test_an_environment_without_torch_says_that_nothing_was_tested(empty: Path) -> None:
    done = run("check", "--deep", str(empty))
    said = " ".join(done.stdout.split())
    assert "devices: not tested, because torch is not installed in this environment" in said
    live = json.loads(run("check", "--deep", "--format", "json", str(empty)).stdout)["live"]
    assert (live["devices"], live["pairs"], live["collective"]) == (None, None, None)
    assert live["unknown"]["devices"].startswith("torch is not installed")
    assert live["imports"] == []


def test_an_import_that_fails_is_on_the_page_and_in_the_document(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    put(tmp_path / "env", accelerate=BROKEN, peft="")
    done = run("check", "--deep", str(tmp_path / "env"))
    said = " ".join(done.stdout.split())
    assert "imports, each in a process of its own: 1 of 2 worked" in said
    assert "ED706 accelerate cannot be imported: ImportError: cannot import name nothing" in said
    assert "accelerate FAILED accelerate: see ED706 above" in said
    assert done.returncode == 1


def shown(terminal: int) -> bytes:
    """What a terminal shows next, if anything within a moment."""
    if not select.select([terminal], [], [], 0.05)[0]:
        return b""
    with contextlib.suppress(OSError):  # nobody writes to it any more
        return os.read(terminal, 65536)
    time.sleep(0.05)
    return b""


def interrupted(environment: Path, pids: Path, number: int) -> tuple[int, str, list[int]]:
    """(Exit status, standard error, processes of the target) of a check at a terminal that got a signal while it worked."""
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "envdoctor", "check", "--deep", str(environment)]
    said = b""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        until = time.monotonic() + 120
        while time.monotonic() < until and not (pids.exists() and pids.read_text().count("\n") == 2 and b"import" in said):
            said += shown(terminal)
        running = [int(line) for line in pids.read_text().split()]
        working = all(map(alive, running))
        process.send_signal(number)
        while process.poll() is None and time.monotonic() < until:
            said += shown(terminal)
        process.kill()
        status = process.wait()
    os.close(terminal)
    assert working
    return status, said.decode(), running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_ends_it_and_every_process_at_once(tmp_path: Path, number: signal.Signals) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    pids = tmp_path / "pids"
    hangs = HANGS.format(pids=str(pids))
    put(tmp_path / "env", accelerate=hangs, peft=hangs)
    began = time.monotonic()
    status, said, running = interrupted(tmp_path / "env", pids, number)
    assert gone(running)
    assert "import accelerate" in said or "import peft" in said  # what it does now is shown
    assert "Traceback" not in said
    assert status != 0
    assert time.monotonic() - began < 100
