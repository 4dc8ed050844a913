"""envdoctor: what is wrong with this GPU environment, and the one change that mends it."""

__version__ = "0.1.0"
