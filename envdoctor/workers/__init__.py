"""Programs of ours that run in the target's own Python: started, watched, and never left behind.

``run`` puts one room of ours (``smoke`` or ``live``) on the target's path under a name of its own (``envdoctor_smoke``,
``envdoctor_live``), so that no module of the doctor is in reach of the patient, starts it in a scratch folder under a keeper
that ends every descendant when the doctor goes (kill -9 included), hands on its events, and keeps the tail of what it prints.
"""

from envdoctor.workers.running import Ended, Wanted, masked, run

__all__ = ["Ended", "Wanted", "masked", "run"]
