"""How a worker tells what it does: JSON lines on a file descriptor that nothing else writes to. Standard library only.

Events: ``{"event": "phase", "name": ...}`` (what is begun now, so that a hang has a name; with ``"within_s"``
a stage begins, and the worker is ended when it takes longer), ``{"event": "device", ...}``,
``{"event": "check", ...}`` (the fields of :class:`envdoctor.loaded.KernelTried`), ``{"event": "pair", ...}``,
``{"event": "collective", ...}``, ``{"event": "import", ...}``, ``{"event": "module", ...}``, and ``{"event": "done"}``.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any


class Teller:
    """Writes events to a file descriptor; one that is closed (the doctor is gone) is no error."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def tell(self, event: str, **values: Any) -> None:  # noqa: ANN401 - what JSON can hold
        """Write one event; numbers that are not finite travel as null."""
        for key, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                values[key] = None
        data = (json.dumps({"event": event, **values}) + "\n").encode()
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            return


def one_line(error: BaseException, most: int = 400) -> str:
    """An error in one line: "RuntimeError: CUDA error: ..."."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= most else text[: most - 3] + "..."
