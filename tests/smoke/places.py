"""Which Python runs what needs torch, and where our own code is."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def has(interpreter: str, *modules: str) -> bool:
    """Whether this Python can import them."""
    done = subprocess.run([interpreter, "-c", f"import {', '.join(modules)}"], capture_output=True, timeout=120, check=False)
    return done.returncode == 0


def torch_python() -> str:
    """The Python that is named for tests with torch, or this one; the test is skipped where neither has it."""
    interpreter = os.environ.get("ENVDOCTOR_TORCH_PYTHON", sys.executable)
    if not has(interpreter, "torch"):
        pytest.skip("needs torch: name a Python that has it by ENVDOCTOR_TORCH_PYTHON")
    return interpreter
