"""Run smokes with a fault in them: ``python -m tests.sabotage.child '[["advantage sign", {"seed": 0}], ...]'``, a line a run.

Runs in a Python that has torch; knows nothing of the doctor, which judges what is printed. "" is the run without a fault. Each
run has a process of its own, as the command gives it: what one has freed, the next would fill without its memory growing.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any, NoReturn

from envdoctor.smoke import grpo
from envdoctor.smoke.settings import Settings
from envdoctor.smoke.telling import Teller, finite

from .faults import FAULTS, Seam


def main() -> None:
    """Print the document of each run."""
    warnings.simplefilter("ignore")  # torch speaks of a NumPy that is not there
    for name, settings in json.loads(sys.argv[1]):
        process = os.fork()
        if not process:
            one(name, settings)
        elif os.waitpid(process, 0)[1]:
            sys.exit(f"the run with the fault {name!r} and {settings} died")


def one(name: str, settings: dict[str, Any]) -> NoReturn:
    """Run, print the document and end this process."""
    status = 1
    try:
        seam = Seam(FAULTS[name]) if name else grpo.untouched
        document = finite(grpo.run(Settings(**settings), Teller(-1), seam))
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)


def names() -> None:
    """Print every fault: name, what it does, the invariant that must name it."""
    sys.stdout.write(json.dumps([[name, fault.says, fault.names] for name, fault in FAULTS.items()]) + "\n")


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else names()
