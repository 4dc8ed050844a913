"""What a lock asks for: the profile's stack with what the user said over it, the moment it is resolved as of. Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from envdoctor.claims import exact_pin
from envdoctor.errors import UserError
from envdoctor.locks.document import Bound
from envdoctor.locks.stated import release_of
from envdoctor.resolver import Index
from envdoctor.stacks import Asked, table
from envdoctor.views import ENGINES, TRAINERS

if TYPE_CHECKING:
    from envdoctor.matrix import Matrix
    from envdoctor.targets import Profile

RELEASE = "release"
STACK_ENGINE = "vllm"
"""The engine whose stacks the data knows."""
STACK = "stack"
"""Basis of a bound that comes of the table of stacks."""
MOST_STACKS = 4
"""Stacks that are tried where engine or trainer are open; the newest may need what the index does not have yet."""
_AGO = re.compile(r"([1-9]\d{0,3})d")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})")
WHEN = "Write a day (2026-11-25), a moment (2026-11-25T12:00:00Z), or days back from now (7d)."


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What the user said beside the target's name."""

    packages: tuple[str, ...] = ()
    """PEP 508 lines that count more than the profile's: ("vllm==0.7.0", "liger-kernel")."""
    python: str | None = None
    exclude_newer: str | None = None
    """A day, a moment, or "7d"."""
    as_of: str | None = None
    """A day, or "release": of the engine (else the trainer) that was asked for by its exact version."""
    upgrade: tuple[str, ...] = ()
    upgrade_all: bool = False
    build: tuple[str, ...] = ()
    """Packages that may be locked as source distributions."""
    index: Index = Index()


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """The question: requirement lines, and which of them the user, or the profile, pinned to an exact version."""

    lines: tuple[str, ...]
    exact: dict[str, Version]
    names: tuple[str, ...]
    """Every package that was asked for, normalized, in order."""
    notes: tuple[str, ...] = ()


def stated(profile: Profile, ask: Ask, matrix: Matrix, python: str) -> Stated:
    """Put what the user said over the profile's stack.

    A version that the user names for one of the stack makes the profile's own choices void: the others are open then.

    Raises:
        UserError: a line that is no requirement, has an address, or a package that is named twice.
    """
    theirs = _by_name(ask.packages)
    ours = _by_name(profile.stack)
    notes: list[str] = []
    if _moves(theirs, ours):
        ours = {name: _without_version(one) for name, one in ours.items()}
        ours, notes = _without_trainer(theirs, ours, matrix, python)
    lines = {**ours, **theirs}
    exact = {name: version for name, one in lines.items() if (version := exact_pin(str(one.specifier))) is not None}
    return Stated(lines=tuple(str(one) for one in lines.values()), exact=exact, names=tuple(lines), notes=tuple(notes))


def _moves(theirs: dict[str, Requirement], ours: dict[str, Requirement]) -> bool:
    """Whether the user's ranges leave out what the profile pins."""
    for name, one in ours.items():
        pin = exact_pin(str(one.specifier))
        if pin is not None and name in theirs and not theirs[name].specifier.contains(pin, prereleases=True):
            return True
    # the profile leaves torch and transformers to the engine: who names one of them chooses the engine by it
    return any(name in ours and one.specifier and not ours[name].specifier for name, one in theirs.items())


def _without_trainer(
    theirs: dict[str, Requirement], ours: dict[str, Requirement], matrix: Matrix, python: str
) -> tuple[dict[str, Requirement], list[str]]:
    """The profile's lines without a trainer that the user did not ask for, if none goes with what was asked for."""
    trainer = next((name for name in TRAINERS if name in ours and name not in theirs), None)
    if trainer is None or STACK_ENGINE not in {*theirs, *ours}:
        return ours, []
    asked = {name: str(one.specifier) for name, one in theirs.items()}
    if table(matrix, Asked(packages={**asked, trainer: ""}, python=python)).stacks:
        return ours, []
    if not table(matrix, Asked(packages=asked, python=python)).stacks:
        return ours, []  # it is not the trainer
    said = ", ".join(f"{name}{spec}" for name, spec in asked.items() if spec)
    note = f"{trainer} is left out: the data knows no release of it that goes with {said}; --with {trainer}==VERSION asks for one"
    return {name: one for name, one in ours.items() if name != trainer}, [note]


def _without_version(one: Requirement) -> Requirement:
    bare = Requirement(str(one))
    bare.specifier &= ""
    return Requirement(f"{bare.name}[{','.join(sorted(bare.extras))}]" if bare.extras else bare.name)


def _by_name(lines: tuple[str, ...]) -> dict[str, Requirement]:
    found: dict[str, Requirement] = {}
    for line in lines:
        try:
            one = Requirement(line)
        except InvalidRequirement:
            raise UserError(
                f"{line!r} is no requirement", "Write NAME or NAME==VERSION, for instance --with liger-kernel"
            ) from None
        if one.url is not None:
            raise UserError(f"{one.name} is asked for by an address", "A lock holds releases of an index: write NAME==VERSION.")
        name = canonicalize_name(one.name)
        if name in found:
            raise UserError(f"{name} is asked for twice", "Give each package once.")
        found[name] = one
    return found


def candidates(profile: Profile, asked: Stated, matrix: Matrix, python: str, before: str | None) -> tuple[tuple[Bound, ...], ...]:
    """Versions for the engine and the trainer that were asked for without one, newest stack first; empty if there are none such.

    A resolver that may choose them takes pairs that no metadata forbids: years apart, or around a cap.
    """
    open_ones = [name for name in asked.names if name in {STACK_ENGINE, *TRAINERS} and name not in asked.exact]
    if not open_ones or STACK_ENGINE not in asked.names:
        return ()
    gpu = next((row for row in matrix.gpu_products() if row.key == profile.gpu), None)
    ranges = {name: str(Requirement(line).specifier) for name, line in zip(asked.names, asked.lines, strict=True)}
    found = table(matrix, Asked(packages=ranges, python=python, glibc=profile.glibc, gpu=gpu)).stacks
    made = []
    for stack in found:
        if all(name in stack.versions and _out_before(name, stack.versions[name], matrix, before) for name in open_ones):
            told = ", ".join(f"{name} {version}" for name, version in stack.versions.items() if name in asked.names)
            why = f"the newest engine and trainer of which the data knows that they go together are those of the stack {told}"
            source = f"envdoctor matrix show (read {stack.declared})"
            made.append(
                tuple(
                    Bound(package=name, specifier=f"=={stack.versions[name]}", why=why, source=source, basis=STACK)
                    for name in open_ones
                )
            )
    return tuple(made[:MOST_STACKS])


def _out_before(name: str, version: str, matrix: Matrix, before: str | None) -> bool:
    package = matrix.package(name) if before is not None else None
    release = None if package is None else release_of(package, Version(version))
    return before is None or (release is not None and release.uploaded is not None and release.uploaded < before[:10])


def moment(ask: Ask, asked: Stated, matrix: Matrix, today: str) -> str | None:
    """The moment from which on files do not count, RFC 3339 in UTC; None: all count. A day counts to its end.

    Raises:
        UserError: no day, both options, or the release day of what was asked for is not known.
    """
    if ask.exclude_newer is not None and ask.as_of is not None:
        raise UserError("--as-of and --exclude-newer say the same thing", "Give one of them.")
    text = ask.exclude_newer or ask.as_of
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None and ask.as_of is None:
        return _end_of(dt.date.fromisoformat(today) - dt.timedelta(days=int(ago[1]) + 1))
    if ask.as_of == RELEASE:
        return _end_of(_released(asked, matrix) + dt.timedelta(days=1))
    if _MOMENT.fullmatch(text):
        return text
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no day", WHEN) from None
    return _end_of(day)


def _end_of(day: dt.date) -> str:
    return f"{(day + dt.timedelta(days=1)).isoformat()}T00:00:00Z"


def _released(asked: Stated, matrix: Matrix) -> dt.date:
    """The day on which the engine (else the trainer, else the first package) that was asked for came out."""
    for name in (*ENGINES, *TRAINERS, *asked.exact):
        version = asked.exact.get(name)
        package = matrix.package(name) if version is not None else None
        release = release_of(package, version) if package is not None and version is not None else None
        if release is not None and release.uploaded is not None:
            return dt.date.fromisoformat(release.uploaded)
    hint = "Name an exact version of vllm or trl that `envdoctor matrix` knows, or give the day: --as-of 2025-01-31."
    raise UserError("--as-of release: the data knows no release day of what was asked for", hint)
