"""Section ``names``."""

from .machine import unknown

LEAVES = (
    "pairs",
    "missing",
)


def probe(out, machine, ask):
    """Fill the section."""
    out.update(dict.fromkeys(LEAVES, unknown("not built yet")))
