"""Run smokes with a fault in them: ``python -m tests.sabotage.child '[["advantage sign", 0], ...]'``, one document a line.

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
    """Print {"fault", "seed", "measured"} for each pair of the argument."""
    warnings.simplefilter("ignore")  # torch speaks of a NumPy that is not there
    for name, seed in json.loads(sys.argv[1]):
        seam = Seam(FAULTS[name]) if name else grpo.untouched
        measured = grpo.run(Settings(seed=seed), Teller(-1), seam)
        sys.stdout.write(json.dumps(finite({"fault": name, "seed": seed, "measured": measured})) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
