"""What the tests of the driver and GPU sections share beside recorded.py."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any, Protocol

from tests.probe.recorded import section
from tests.processes import alive

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.probe.machine import Machine

WAITS_S = 20.0
"""What waits for something that never comes takes longer; what does not is done long before, on a busy machine too."""
PYNVML = {"pynvml": "pynvml.py"}  # a recorded machine only needs to hear that it came along


class Live(Protocol):
    """Makes this machine with a fake driver in front, and more environment variables."""

    def __call__(self, **environ: str) -> Machine:
        """The machine."""


def real_pynvml() -> dict[str, Any]:
    """The request that sends the installed nvidia-ml-py along; it is not imported here."""
    spec = importlib.util.find_spec("pynvml")
    assert spec is not None
    return {"pynvml": spec.origin}


def filled(module: Any, machine: Machine, ask: dict[str, Any] | None = None) -> dict[str, Any]:
    """The leaves of a section on a machine to which pynvml came along."""
    return section(module, machine, PYNVML if ask is None else ask)


def values(leaves: dict[str, Any]) -> dict[str, Any]:
    """{leaf: its value, or the reason why it is unknown in brackets}."""
    return {name: leaf["value"] if leaf["is"] == "known" else f"[{leaf['why']}]" for name, leaf in leaves.items()}


def survivors(pids: Path, patience_s: float = WAITS_S) -> list[int]:
    """Which of the processes whose ids stand in ``pids`` still run.

    SIGKILL is sent, not served, when kill(2) returns: on a busy machine a grandchild, which nobody can wait for, needs a moment to die.
    """
    until = time.monotonic() + patience_s
    while True:
        left = [pid for pid in map(int, pids.read_text(encoding="ascii").split()) if alive(pid)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.01)
