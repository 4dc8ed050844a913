"""A preflight while it goes: what is asked, what the tiers have found so far, and how a finding gets its final form."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor.findings import Severity
from envdoctor.preflight.baseline import marked
from envdoctor.preflight.waivers import expired, sorted_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envdoctor.config import Config
    from envdoctor.facts import Facts
    from envdoctor.findings import Verdict
    from envdoctor.preflight.asked import Required
    from envdoctor.preflight.baseline import Baseline
    from envdoctor.preflight.outcome import Crash, Price, Problem, Question, Tier, Waived
    from envdoctor.preflight.places import Repository
    from envdoctor.proving.proof import Proof
    from envdoctor.session import Plan


class Asked(NamedTuple):
    """What the user asked for; what stands in the configuration is in the plan."""

    target: str | None = None
    profile: str | None = None
    lock: str | None = None
    """As lock:NAME takes it, without "lock:"."""
    required: tuple[Required, ...] = ()
    dockerfiles: tuple[str, ...] = ()
    smoke: bool = False
    static: bool = False
    """Run nothing of the target: lint, check and drift alone."""
    budget_s: float = 300.0
    price: Price | None = None
    baseline: Baseline | None = None
    strict: bool = False


class Stand(NamedTuple):
    """What a tier came to, before its state is known."""

    said: str
    untold: str | None = None
    """Why it could not answer; None: it did."""


class Going:
    """What is known so far. Each tier adds to it."""

    def __init__(self, asked: Asked, plan: Plan, repository: Repository, say: Callable[[Tier, str], None]) -> None:
        self.asked, self.plan, self.repository = asked, plan, repository
        self.say = say
        """Told in a few words what is done now."""
        self.problems: list[Problem] = []
        self.waived: list[Waived] = []
        self.questions: list[Question] = []
        self.crashes: list[Crash] = []
        self.notes: list[str] = []
        self.verdicts: tuple[Verdict, ...] = ()
        self.facts: Facts | None = None
        """As judged."""
        self.probed: Facts | None = None
        """As the probe gave them; what is run is told in these too."""
        self.interpreter: str | None = None
        """The target's Python, where it can be run."""
        self.proof: Proof | None = None

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.plan.config

    @property
    def today(self) -> dt.date:
        """The date against which waivers are held."""
        return dt.date.fromisoformat(self.plan.today)

    def add(self, tier: Tier, found: Iterable[Problem], *, lapse: bool = False) -> None:
        """Take what a tier found: waived, known from the baseline, too mild to count, and where it can be mended.

        Args:
            tier: which.
            found: all that it found.
            lapse: also judge the dates of the waivers of what this tier judges.
        """
        kept, waived = sorted_out(found, self.config, self.today)
        self.waived += waived
        if lapse and self.config.path is not None:
            kept = (*expired(self.config, self.today, self.repository.shown(self.config.path), kept, tier, self.waived), *kept)
        severities = tuple(Severity)
        limit = severities.index(self.plan.fail_on)
        for one in marked(kept, self.asked.baseline):
            counts = one.counts and severities.index(one.severity) <= limit
            self.problems.append(self.repository.placed(msgspec.structs.replace(one, counts=counts)))

    def failed(self, tier: Tier) -> bool:
        """Whether a tier found something that counts."""
        return any(one.counts and one.tier is tier for one in self.problems)
