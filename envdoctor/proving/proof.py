"""What a smoke run came to. Types only."""

from __future__ import annotations

import enum

from envdoctor.findings import Evidence, Source  # noqa: TC001 - msgspec reads them
from envdoctor.leaf import Part
from envdoctor.measured import Measured  # noqa: TC001


class State(enum.Enum):
    """How an invariant ended."""

    HELD = "held"
    BROKEN = "broken"
    UNMEASURED = "unmeasured"


class Invariant(Part, frozen=True):
    """One thing that is so in every healthy run."""

    key: str
    """ "ratio-is-one": stable, for machines and for `--verify`."""
    title: str
    """What must be so: "the ratio is 1 on the first inner step"."""
    state: State
    value: str
    """What was measured, with its unit: "2.4e-06"."""
    bound: str
    """ "at most 1e-05 (float32)"."""
    why: str
    """What is broken where it does not hold, or why it could not be measured."""
    required: bool = True
    """Whether a run is no proof without it."""


class Failure(Part, frozen=True):
    """A run that did not come to its end."""

    phase: str
    """What it was doing: "start the engine"."""
    how: str
    """ "ImportError: ...", "killed by SIGILL", "no answer in 120 s"."""
    kind: str | None
    """The exception's type; None without one."""
    message: str
    trace: tuple[str, ...]
    """Frames, "file:line function", the last one last."""
    said: str
    """The end of what it printed."""
    seconds: float
    late: bool = False


class Cause(Part, frozen=True):
    """The one root cause of a failure, or of a broken invariant."""

    title: str
    """The headline."""
    why: str
    evidence: tuple[Evidence, ...]
    """How we know: value and where it was read."""
    says: str
    """What to do, one sentence."""
    commands: tuple[tuple[str, ...], ...] = ()
    code: str | None = None
    """The rule that found it ("ED310"), where a rule did."""
    signature: str | None = None
    """The signature in data/signatures that was recognised."""
    sources: tuple[Source, ...] = ()


class Proof(Part, frozen=True):
    """The whole of a run: measured and judged, or failed and diagnosed."""

    engine: str
    passed: bool
    measured: Measured | None
    invariants: tuple[Invariant, ...]
    failure: Failure | None
    cause: Cause | None
    """None where it passed."""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
