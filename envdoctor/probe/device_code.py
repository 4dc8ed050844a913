"""Section ``device_code``."""

from .machine import unknown

LEAVES = ("libraries",)


def probe(out, machine, ask):
    """Fill the section."""
    out.update(dict.fromkeys(LEAVES, unknown("not built yet")))
