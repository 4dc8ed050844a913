"""Run smokes with a fault in them: ``python -m tests.sabotage.child '[["advantage sign", {"seed": 0}], ...]'``, a line a run.

Runs in a Python that has torch; knows nothing of the doctor, which judges what is printed. "" is the run without a fault.
"""

from __future__ import annotations

import json
import sys
import warnings

from envdoctor.smoke import grpo
from envdoctor.smoke.settings import Settings
from envdoctor.smoke.telling import Teller, finite

from .faults import FAULTS, Seam


def main() -> None:
    """Print the document of each run."""
    warnings.simplefilter("ignore")  # torch speaks of a NumPy that is not there
    for name, settings in json.loads(sys.argv[1]):
        seam = Seam(FAULTS[name]) if name else grpo.untouched
        sys.stdout.write(json.dumps(finite(grpo.run(Settings(**settings), Teller(-1), seam))) + "\n")
        sys.stdout.flush()


def names() -> None:
    """Print every fault: name, what it does, the invariant that must name it."""
    sys.stdout.write(json.dumps([[name, fault.says, fault.names] for name, fault in FAULTS.items()]) + "\n")


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else names()
