"""What a preflight came to: its tiers, the problems each found, what was waived, and what was not run. Types only."""

from __future__ import annotations

import enum

import msgspec

from envdoctor.facts import Facts  # noqa: TC001 - msgspec reads them, here and below
from envdoctor.findings import Evidence, Joint, Layer, Severity, Source  # noqa: TC001
from envdoctor.proving.proof import Proof  # noqa: TC001
from envdoctor.stack import State as JointState  # noqa: TC001


class Tier(enum.Enum):
    """What is looked at, in the order in which it is: cheapest first."""

    LINT = "lint"
    """Files of the repository: Dockerfiles."""
    CHECK = "check"
    """The rules on the environment, what is required of it, and the dates of the waivers; nothing is run."""
    DRIFT = "drift"
    """Versions and builds against the lock."""
    FILES = "files"
    """Every installed file against the hash that its package lists; very large ones by their size."""
    DEEP = "deep"
    """Really loaded, really computed."""
    SMOKE = "smoke"
    """Really trained."""


class State(enum.Enum):
    """How a tier ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNTOLD = "could not tell"
    """It was begun and could not answer: its deadline passed, or it could not be run here."""
    NOT_RUN = "not run"
    """It was asked for; a tier before it failed, or the budget was spent."""
    NOT_ASKED = "not asked for"


class Verdict(enum.Enum):
    """Of the whole preflight; ``EXIT_CODES`` gives each its exit status."""

    PASSED = "passed"
    FAILED = "failed"
    UNTOLD = "could not tell"
    CRASHED = "crashed"
    """A rule of ours crashed, and nothing failed."""


EXIT_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.UNTOLD: 3, Verdict.CRASHED: 4}


class Place(msgspec.Struct, frozen=True):
    """A line of a file of the repository that a problem can be mended in."""

    path: str
    """Relative to the working folder, with forward slashes; a file above it keeps its whole path."""
    line: int
    """1-based."""


class Symptom(msgspec.Struct, frozen=True):
    """What follows from a problem, folded under it."""

    code: str
    title: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One root cause. Texts are plain sentences with values in them; they come from the target and are hostile until printed."""

    tier: Tier
    code: str
    """A rule's ("ED201"), or DRIFT-VERSION, REQUIRE-GPU, WAIVER-EXPIRED, SMOKE-ratio-is-one."""
    title: str
    why: str
    severity: Severity
    layer: Layer
    """The layer of truth that spoke."""
    joint: Joint | None
    """Where in the stack; None: nowhere (a Dockerfile, a waiver)."""
    cause: str
    """Slug of the cause: stable, for counting and for machines."""
    subjects: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    sources: tuple[Source, ...] = ()
    says: str = ""
    """What to do, in one imperative sentence; empty where nothing is known."""
    commands: tuple[tuple[str, ...], ...] = ()
    """Argument lists to run, in this order."""
    write: tuple[str, ...] = ()
    """Lines to write into the file at ``places[0]`` instead of what stands there."""
    places: tuple[Place, ...] = ()
    """Where it can be mended, the best one first; may be empty."""
    symptoms: tuple[Symptom, ...] = ()
    fingerprint: str
    """32 hexadecimal digits, the same in every run that finds the same."""
    counts: bool
    """Whether it fails its tier: grave enough, and not in the baseline."""
    known: bool = False
    """Whether the baseline has it."""


class Waived(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that the configuration waives."""

    problem: Problem
    reason: str
    until: str | None
    """ISO date, that day included; None: for ever."""


class Question(msgspec.Struct, frozen=True):
    """What could not be told, and why."""

    tier: Tier
    code: str
    question: str
    why: str


class Crash(msgspec.Struct, frozen=True):
    """A rule of ours that crashed: a bug of envdoctor, not of the target."""

    tier: Tier
    code: str
    said: str


class TierResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one tier ended."""

    tier: Tier
    state: State
    seconds: float
    """0 where it was not run."""
    said: str
    """What it came to in a few words: "36 rules, 1 error"; why it was not run."""


class JointRow(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of the stack and the joint below it."""

    name: str
    """ "driver", "torch"."""
    found: str
    state: JointState
    truth: Layer | None
    """The strongest layer of truth that spoke of it; None where nothing did."""
    codes: tuple[str, ...]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as the baseline has it. None: it was not, or is not, there."""

    what: str
    """ "torch", "driver", "torch's CUDA"."""
    before: str | None
    after: str | None


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since the baseline."""

    taken_at: str | None
    """When the baseline was made, as it says (ISO)."""
    new: tuple[str, ...]
    """Fingerprints of problems that the baseline does not have."""
    gone: tuple[Symptom, ...]
    """Problems that only the baseline has."""
    moves: tuple[Move, ...]
    untold: str | None
    """Why more cannot be compared; None where all was."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """How long a tier that was not run would have taken."""

    tier: Tier
    seconds: float
    via: str
    """Where that number is from."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What the node costs."""

    per_hour: float
    currency: str
    """As it was written: "$", "EUR"; empty where none was."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What the preflight took, and what stopping early spared."""

    price: Price | None
    spent_s: float
    spared: tuple[Estimate, ...]
    """The tiers that a failure spared, each with how long it would have taken; empty where nothing failed."""


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """A whole preflight: what every renderer gets."""

    target: str
    """As it is named on a page."""
    chosen: str
    """Why that one."""
    profile: str | None
    lock: str | None
    """Path of its requirements file, as it is shown."""
    began: str
    """ISO date and time, UTC."""
    seconds: float
    budget_s: float
    verdict: Verdict
    tiers: tuple[TierResult, ...]
    """All six, in their order."""
    problems: tuple[Problem, ...]
    """Those that count first; then by tier, gravest first."""
    waived: tuple[Waived, ...]
    questions: tuple[Question, ...]
    crashes: tuple[Crash, ...]
    notes: tuple[str, ...]
    stack: tuple[JointRow, ...]
    """From the machine up to the trainer; empty where the check tier was not reached."""
    since: Since | None
    """None: no baseline was given."""
    cost: Cost
    facts: Facts | None
    """Of the target; None where the check tier was not reached. Not a part of the JSON."""
    proof: Proof | None
    """Of the smoke tier."""

    def counted(self) -> tuple[Problem, ...]:
        """The problems that fail it."""
        return tuple(one for one in self.problems if one.counts)
