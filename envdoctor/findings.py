"""What the rules say: findings, doubts, outcomes, diagnoses, remedies. Types only, no I/O."""

from __future__ import annotations

import enum
from datetime import date
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from envdoctor.facts import Known


class Severity(enum.Enum):
    """How bad it is if true: an error stops a run, a warning can cost one, info is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Layer(enum.Enum):
    """The layer of truth that spoke, weakest first; confidence follows from it, severity does not."""

    DECLARED = "declared"
    """Metadata of a package or a vendor's table."""
    LINKED = "linked"
    """Bytes on disk or a reading of the running system (driver, mounts, limits)."""
    LOADED = "loaded"
    TRAINED = "trained"


class Joint(enum.Enum):
    """The place in the stack a rule judges: a layer, or the joint below that layer."""

    MACHINE = "machine"
    """Operating system, glibc, container, limits."""
    DRIVER = "driver"
    """GPU and kernel driver, user-mode driver libraries, fabric."""
    CUDA = "cuda"
    """Driver against the CUDA runtime in use."""
    PYTHON = "python"
    """Interpreter, its paths, the state of the package folders."""
    TORCH = "torch"
    """CUDA and GPU against torch and its family."""
    ENGINE = "engine"
    """torch against vLLM and other compiled packages."""
    TRAINER = "trainer"
    """Engine and transformers against the trainers."""


class Kind(enum.Enum):
    """What sort of change a remedy is."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    SET_ENV = "set-env"
    SYSTEM = "system"
    """A command for the machine's administrator."""
    REBOOT = "reboot"
    REPLACE_IMAGE = "replace-image"
    """Start the container, or choose the image, otherwise."""
    HARDWARE = "hardware"


class Safety(enum.Enum):
    """safe: cannot break what works. ask: changes versions. manual: a person must do it."""

    SAFE = "safe"
    ASK = "ask"
    MANUAL = "manual"


class Evidence(msgspec.Struct, frozen=True):
    """One observed value: ``what`` it is, the ``value``, and where it was read (``via``)."""

    what: str
    value: str
    via: str


def seen(what: str, leaf: Known[object], value: str | None = None) -> Evidence:
    """Evidence from a leaf; ``value`` overrides how the leaf's value is written."""
    return Evidence(what, str(leaf.value) if value is None else value, leaf.via)


class Source(msgspec.Struct, frozen=True):
    """Where a claim comes from: an address or a document, and the day it was read (ISO date)."""

    where: str
    read: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change a rule proposes. ``prescribe`` turns it into commands and proves it before it is offered."""

    kind: Kind
    says: str
    """One imperative sentence with versions in it."""
    install: dict[str, str] = {}
    """Distribution name -> PEP 440 specifier ("==2.5.1"), for kind INSTALL."""
    torch_backend: str | None = None
    """"cpu" or "cu126": the builds to install are on PyTorch's own index of that name, which uv knows (--torch-backend)."""
    remove: tuple[str, ...] = ()
    """Distribution names, for kind UNINSTALL."""
    env: dict[str, str | None] = {}
    """Variable -> value, None to unset, for kind SET_ENV."""
    argv: tuple[tuple[str, ...], ...] = ()
    """Commands for the other kinds."""
    suppose: dict[str, str] = {}
    """What to suppose to prove it, in the terms of --suppose: {"driver": "580.65.06"}."""


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A change made concrete for one target. ``proven``: the rules come back clean of it on the supposed facts."""

    kind: Kind
    safety: Safety
    says: str
    commands: tuple[tuple[str, ...], ...]
    proven: bool


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something is wrong. Texts are plain sentences with values in them."""

    code: str
    title: str
    """The headline: what is wrong, with the two values that clash. At most about 90 characters."""
    severity: Severity
    layer: Layer
    cause: str
    """Slug of the cause ("driver-too-old-for-cuda"): stable, for counting and for machines."""
    subjects: tuple[str, ...]
    """What it is about, most blamed first: normalized distribution names or __driver, __gpu, ..."""
    why: str
    """What happens because of it: the error the user will see, in one or two sentences."""
    evidence: tuple[Evidence, ...]
    sources: tuple[Source, ...]
    changes: tuple[Change, ...] = ()


class Doubt(msgspec.Struct, frozen=True):
    """A question a rule could not answer, and why."""

    question: str
    why: str
    subjects: tuple[str, ...] = ()
    """What it is about, where it is not the whole question: a remedy for something else may still be proven."""


class Outcome(enum.Enum):
    """The five ways a rule can end."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"
    CRASH = "crash"
    IGNORED = "ignored"


DATA_IS_OLD_AFTER_DAYS = 60
"""Two vLLM releases, or one of torch: data of that age may not know what is installed."""


def age_days(day: str, today: str) -> int:
    """Days from one ISO date to another."""
    return (date.fromisoformat(today) - date.fromisoformat(day)).days


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule ended on one target."""

    code: str
    title: str
    joint: Joint
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    crash: str | None = None
    ignored_because: str | None = None
    data_as_of: str | None = None
    """The day (ISO date) on which the oldest compatibility data that it rests on was read; None if it rests on none."""

    def rests_on_old_data(self, today: str) -> bool:
        """Whether that day is too long past. ``today`` is an ISO date."""
        return self.data_as_of is not None and age_days(self.data_as_of, today) > DATA_IS_OLD_AFTER_DAYS


class Standing(msgspec.Struct, frozen=True):
    """Of a pasted report: why a diagnosis stands where it does."""

    beside: bool
    """It is wrong too, and not what failed there."""
    why: str
    """One sentence, with the line of the report that decides."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One root cause, the findings that follow from it, and what mends it."""

    root: Finding
    symptoms: tuple[Finding, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    rejected: tuple[str, ...] = ()
    """Changes that were weighed and not offered, each with what would still be or newly become wrong."""
    standing: Standing | None = None
    """Only of a pasted report."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole check: what every renderer gets."""

    diagnoses: tuple[Diagnosis, ...]
    asides: tuple[Diagnosis, ...] = ()
    """Of a pasted report: what is worth knowing and no error in it names; a healthy report has no diagnosis."""
    verdicts: tuple[Verdict, ...]
    supposed: dict[str, str]
    seconds: float
