"""Runs that really happened, on a CPU (torch 2.13.0+cpu, 2026-11-26, seed 0): a healthy one, and one of each fault of the sabotage.

``python -m tests.sabotage.child`` printed them; numbers are rounded to six places, and those of the faults keep their first three
steps only. Their broken invariants are those of the whole runs.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

from envdoctor.measured import Measured, decode
from envdoctor.proving.broken import of_broken
from envdoctor.proving.proof import Invariant, Proof, State
from envdoctor.proving.verdict import judge, proven
from tests.proving.made import invariant

FOLDER = Path(__file__).resolve().parent / "recorded"


class Faulty(NamedTuple):
    """A run with a fault."""

    fault: str
    broken: tuple[Invariant, ...]
    measured: Measured


def run(name: str) -> Measured:
    """What a whole run measured."""
    return decode((FOLDER / f"{name}.json").read_bytes())


def proof(name: str) -> Proof:
    """The run, judged as it is judged today."""
    measured = run(name)
    invariants = judge(measured)
    return Proof(
        engine=measured.asked.engine,
        passed=proven(invariants),
        measured=measured,
        invariants=invariants,
        failure=None,
        cause=of_broken(invariants, measured),
        seconds=8.2,
    )


def faults() -> list[Faulty]:
    """Every fault of the sabotage."""
    lines = gzip.decompress((FOLDER / "faults.jsonl.gz").read_bytes()).splitlines()
    return [
        Faulty(
            one["fault"],
            tuple(invariant(key, key, State.BROKEN) for key in one["broken"]),
            decode(json.dumps(one["measured"]).encode()),
        )
        for one in map(json.loads, lines)
    ]
