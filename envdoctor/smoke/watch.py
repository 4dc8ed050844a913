"""Which rank is missing: each writes down what it does, and a rank that waits too long reads it and ends the run."""

from __future__ import annotations
