"""Runs in the Python that has torch, judged here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envdoctor.measured import decode
from envdoctor.proving.proof import State
from envdoctor.proving.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.measured import Measured
    from envdoctor.proving.proof import Invariant

ROOT = Path(__file__).resolve().parent.parent.parent
TORCH_PYTHON = os.environ.get("ENVDOCTOR_TORCH_PYTHON", "")
"""A Python with torch: `make smoke-cpu` makes one."""


def child(*words: str) -> Iterator[str]:
    """Lines that the child prints.

    Raises:
        RuntimeError: it ended otherwise than with status 0.
    """
    argv = [TORCH_PYTHON, "-m", "tests.sabotage.child", *words]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from process.stdout
    if process.returncode:
        raise RuntimeError(f"the child ended with {process.returncode}")


def faults() -> list[tuple[str, str, str]]:
    """(name, what it does, key of the invariant that must name it)."""
    (line,) = child()
    return [(name, says, names) for name, says, names in json.loads(line)]


def measured(runs: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[Measured]:
    """The document of each run, (fault, settings)."""
    for line in child(json.dumps(list(runs))):
        yield decode(line.encode())


def broken(told: Measured) -> dict[str, Invariant]:
    """The invariants that did not hold, those included that a proof needs and the run could not measure."""
    return {one.key: one for one in judge(told) if one.state is State.BROKEN or (one.state is State.UNMEASURED and one.required)}
