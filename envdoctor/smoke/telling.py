"""How a worker tells what it does: JSON lines on a file descriptor that nothing else writes to. Standard library only.

Events: ``{"event": "phase", "name": ...}`` (what is done now: "import torch", "start the engine", "train"),
``{"event": "step", "step": 3, "of": 40, "reward": 0.41}``, ``{"event": "done", "measured": {...}}`` and
``{"event": "failed", "phase": ..., "type": ..., "message": ..., "trace": [...]}``. Numbers that are not finite travel as null.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any, List, Optional


class Teller:
    """Writes events to a file descriptor; one that is closed (the doctor is gone) is no error."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.phase_name = "start"

    def phase(self, name: str) -> None:
        """Say what is done from now on."""
        self.phase_name = name
        self.tell("phase", name=name)

    def tell(self, event: str, **values: Any) -> None:  # noqa: ANN401 - what JSON can hold
        """Write one event."""
        line = json.dumps(finite({"event": event, **values}), allow_nan=False) + "\n"
        data = line.encode()
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            return


def finite(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    """The value with numbers that are not finite as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return value


def whole_message(error: BaseException) -> str:
    """The error's words and those of what caused it, the cause first: it is what went wrong."""
    told: List[str] = []
    seen = set()
    one: Optional[BaseException] = error
    while one is not None and id(one) not in seen and len(told) < 6:  # noqa: PLR2004
        seen.add(id(one))
        told.append(f"{type(one).__name__}: {one}")
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(reversed(told))
