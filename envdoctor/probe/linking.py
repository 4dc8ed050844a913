"""Section ``linking``."""

from .machine import unknown

LEAVES = (
    "torch",
    "modules",
    "copies",
    "driver_libraries",
)


def probe(out, machine, ask):
    """Fill the section."""
    out.update(dict.fromkeys(LEAVES, unknown("not built yet")))
