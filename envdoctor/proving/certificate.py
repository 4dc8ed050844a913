"""The certificate of a smoke: what was proven, and on which facts; and whether those facts are still so. Pure.

It is signed by nobody: it says what was measured to whoever trusts the file, as a lock does. It holds no path, user or host name.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal

import msgspec

from envdoctor.facts import Known, Unknown
from envdoctor.leaf import decoded
from envdoctor.proving.proof import State
from envdoctor.requirements import in_stack
from envdoctor.traits import traits
from envdoctor.views import distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Distribution, Facts
    from envdoctor.proving.proof import Proof

SCHEMA_VERSION = 1
MAX_CERTIFICATE_BYTES = 1024 * 1024
"""One takes some 10 KB."""
TRAITS = (
    "driver",
    "GPUs",
    "compute capability",
    "C library",
    "kernel",
    "architecture",
    "Python",
    "implementation",
    "torch built for",
    "torch's C++ ABI",
)
"""What of a machine and its builds a proof rests on, by the names that `envdoctor diff` has for it."""
PACKAGE, ALL_PACKAGES, LOCK, IMAGE = "package ", "all packages", "lock", "image"
MILD = frozenset({"kernel"})
"""May differ: a kernel's patch does not unprove anything, since the driver's version is compared apart."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that the proof rests on."""

    name: str
    value: str | None
    """None: there is none, or it could not be told, and ``untold`` says why."""
    via: str = ""
    """Where it was read."""
    untold: str = ""


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One invariant as it was measured."""

    key: str
    title: str
    state: Literal["held", "unmeasured"]
    value: str
    bound: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document."""

    schema_version: int
    target: str
    """The profile it is for: "h100"."""
    given: str
    """When, UTC, ISO 8601."""
    envdoctor: str
    """Version of this program."""
    data_as_of: str | None
    """Day of its compatibility data."""
    engine: str
    loss: str
    reward: str
    device: str
    """As torch names it."""
    model: str
    """Its class and size; no path."""
    seed: int
    steps: int
    """That were made."""
    settings: dict[str, str | int | float | None]
    reward_untrained: float | None
    reward_trained: float | None
    """Mean reward of held-out prompts, 0 to 1."""
    times_s: dict[str, float]
    versions: dict[str, str]
    """As the worker imported them."""
    facts: tuple[Fact, ...]
    invariants: tuple[Held, ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a verification."""

    name: str
    how: Literal["same", "differs", "cannot tell"]
    was: str | None
    now: str | None
    via: str
    """Where the value of now was read; or why it could not be."""
    counts: bool
    """Whether the proof is void when it differs."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A verification."""

    certificate: Certificate
    lines: tuple[Compared, ...]

    @property
    def matches(self) -> bool:
        """Nothing that counts differs or could not be told."""
        return all(one.how == "same" or not one.counts for one in self.lines)


def certify(  # what it rests on, and where and when it was given
    proof: Proof, facts: tuple[Fact, ...], *, target: str, given: str, envdoctor: str, data_as_of: str | None
) -> Certificate:
    """The certificate of a proven run.

    Raises:
        ValueError: it was not proven.
    """
    measured = proof.measured
    if not proof.passed or measured is None:
        raise ValueError("only a proven run has a certificate")
    asked = msgspec.structs.asdict(measured.asked)
    kept = {name: value for name, value in asked.items() if name not in {"engine", "loss", "reward", "seed", "model"}}
    return Certificate(
        schema_version=SCHEMA_VERSION,
        target=target,
        given=given,
        envdoctor=envdoctor,
        data_as_of=data_as_of,
        engine=measured.asked.engine,
        loss=measured.asked.loss,
        reward=measured.asked.reward,
        device=measured.device_name,
        model=f"{measured.model_kind}, {measured.parameters:,} parameters, "
        + ("random weights" if measured.asked.model is None else "from a folder"),
        seed=measured.asked.seed,
        steps=len(measured.steps),
        settings=kept,
        reward_untrained=measured.untrained.mean,
        reward_trained=measured.trained.mean,
        times_s={name: round(value, 3) for name, value in sorted(measured.times_s.items())},
        versions=dict(sorted(measured.versions.items())),
        # where it was read may be somebody's home
        facts=tuple(msgspec.structs.replace(one, via="") for one in facts),
        invariants=tuple(
            Held(
                key=one.key,
                title=one.title,
                state="held" if one.state is State.HELD else "unmeasured",
                value=one.value if one.state is State.HELD else one.why,
                bound=one.bound,
            )
            for one in proof.invariants
        ),
    )


def encode(certificate: Certificate) -> bytes:
    """The file: indented, in the order of the fields, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(certificate), indent=2) + b"\n"


def decode(document: bytes) -> Certificate:
    """Read a certificate; it may come from anywhere.

    Raises:
        ValueError: too large, of another version or shape, or not of a proven run; says where.
    """
    found = decoded(document, Certificate, max_bytes=MAX_CERTIFICATE_BYTES, schema_version=SCHEMA_VERSION)
    names = [one.name for one in found.facts]
    if not names or len(set(names)) != len(names) or not any(one.state == "held" for one in found.invariants):
        raise ValueError("it names no facts, one of them twice, or no invariant that held")
    return found


def resting_on(facts: Facts, *, lock: Fact, image: str | None) -> tuple[Fact, ...]:
    """What a proof in this target rests on.

    Args:
        facts: of the target.
        lock: see :func:`locked`.
        image: "sha256:..." of the image that it runs in, where somebody says so.
    """
    said = {one.name: one.said for one in traits(facts, ())}
    machine = (fact(name, said[name]) for name in TRAITS)
    return (*machine, *packages(facts), lock, fact(IMAGE, Known(image, "ENVDOCTOR_IMAGE")))


def packages(facts: Facts) -> Iterator[Fact]:
    """The version of each package of the stack, and a digest over all that is installed."""
    leaf = facts.packages.distributions
    if isinstance(leaf, Unknown):
        yield Fact(name=ALL_PACKAGES, value=None, untold=leaf.why)
        return
    installed = distributions(facts)
    for name in sorted(name for name in installed if in_stack(name)):
        yield Fact(name=f"{PACKAGE}{name}", value=installed[name].version, via="its metadata")
    digest = hashlib.sha256("\n".join(sorted(map(build_of, installed.values()))).encode()).hexdigest()
    yield Fact(name=ALL_PACKAGES, value=f"{len(installed)}, sha256:{digest}", via="their metadata")


def build_of(one: Distribution) -> str:
    """A distribution as it goes into the digest: name, version, wheel tags, and the commit of one that came from a repository."""
    origin = one.direct_url
    source = "" if origin is None else f"{origin.kind} {origin.commit or ''} {'editable' if origin.editable else ''}"
    return " ".join((one.name, one.version, ",".join(sorted(one.wheel_tags)), source)).strip()


def fact(name: str, said: Known[str | None] | Unknown) -> Fact:
    """One fact of a leaf."""
    if isinstance(said, Unknown):
        return Fact(name=name, value=None, untold=said.why)
    return Fact(name=name, value=said.value, via=said.via)


def compared(certificate: Certificate, now: tuple[Fact, ...]) -> Verified:
    """Line by line, what is still so; facts of now that the certificate does not know are lines too."""
    was = {one.name: one for one in certificate.facts}
    is_now = {one.name: one for one in now}
    return Verified(
        certificate=certificate,
        lines=tuple(line(name, was.get(name), is_now.get(name)) for name in dict.fromkeys((*was, *is_now))),
    )


def line(name: str, was: Fact | None, now: Fact | None) -> Compared:
    """One fact then and now; both None cannot be."""
    untold = next((one.untold for one in (now, was) if one is not None and one.untold), "")
    before, after = was.value if was is not None else None, now.value if now is not None else None
    how: Literal["same", "differs", "cannot tell"] = "same" if before == after else "differs"
    if untold:
        # what could be told neither then nor now is no reason to doubt the proof
        how = "same" if was is not None and now is not None and was.untold and now.untold else "cannot tell"
    return Compared(
        name=name,
        how=how,
        was=before,
        now=after,
        via=untold or (now.via if now is not None else ""),
        counts=name not in MILD,
    )
