"""One package imported for real in this fresh process, then each of its compiled modules by itself."""

from __future__ import annotations

import importlib
import time
import traceback
from typing import TYPE_CHECKING, Sequence

from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller

FRAMES = 8


def main(teller: Teller, module: str, compiled: Sequence[str]) -> None:
    """Import and tell.

    Args:
        teller: told how it went.
        module: "vllm".
        compiled: import names of its compiled modules, "vllm._C".
    """
    teller.tell("phase", name=f"import {module}")
    began = time.monotonic()
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - a package may end Python by SystemExit, or raise what is no Exception
        trace = [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(error.__traceback__)]
        mine = [one for one in trace if "importlib" not in one and "/envdoctor_live/" not in one]
        seconds = time.monotonic() - began
        teller.tell("import", module=module, state="raised", seconds=seconds, error=one_line(error), trace=mine[-FRAMES:])
        teller.tell("done")
        return
    teller.tell("import", module=module, state="imported", seconds=time.monotonic() - began, error=None, trace=[])
    for name in compiled:
        teller.tell("phase", name=name)
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001
            teller.tell("module", name=name, error=one_line(error))
        else:
            teller.tell("module", name=name, error=None)
    teller.tell("done")
