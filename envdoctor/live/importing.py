"""One package imported for real in this fresh process, then parts of it that it imports late, then its compiled modules."""

from __future__ import annotations

import importlib
import time
import traceback
from typing import TYPE_CHECKING, Sequence

from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller

FRAMES = 8


def main(teller: Teller, module: str, more: Sequence[str]) -> None:
    """Import and tell.

    Args:
        teller: told how it went.
        module: "vllm".
        more: "+vllm.entrypoints.llm" for a part that is imported as a user's program would, and the import names of compiled
            modules, "vllm._C".
    """
    if imported(teller, module):
        for name in more:
            if name.startswith("+"):
                imported(teller, name[1:])
        for name in more:
            if not name.startswith("+"):
                compiled(teller, name)
    teller.tell("done")


def imported(teller: Teller, module: str) -> bool:
    """Import a module and tell it; the frames of Python's own import are left out."""
    teller.tell("phase", name=f"import {module}")
    began = time.monotonic()
    state, error, trace = "imported", None, []
    try:
        importlib.import_module(module)
    except BaseException as raised:  # noqa: BLE001 - a package may end Python by SystemExit, or raise what is no Exception
        state, error = "raised", one_line(raised)
        frames = [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(raised.__traceback__)]
        trace = [one for one in frames if "importlib" not in one and "/envdoctor_live/" not in one][-FRAMES:]
    teller.tell("import", module=module, state=state, seconds=round(time.monotonic() - began, 3), error=error, trace=trace)
    return state == "imported"


def compiled(teller: Teller, module: str) -> None:
    """Import a compiled module by itself and tell it."""
    teller.tell("phase", name=module)
    error = None
    try:
        importlib.import_module(module)
    except BaseException as raised:  # noqa: BLE001
        error = one_line(raised)
    teller.tell("module", name=module, error=error)
