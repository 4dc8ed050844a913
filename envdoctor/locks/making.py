"""Making a lock: resolve, bound what the metadata leaves open, judge, and again; only what the rules find clean is a lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor import __version__
from envdoctor.claims import admits
from envdoctor.errors import UserError
from envdoctor.locks.asking import STACK, candidates, moment, stated
from envdoctor.locks.bounds import LATER_NEED, bounds, needs, tightest
from envdoctor.locks.choosing import chosen
from envdoctor.locks.document import Bound, Lock, LockedPackage
from envdoctor.locks.files import sealed
from envdoctor.locks.judging import contradiction, judged, mends
from envdoctor.locks.machine import machine
from envdoctor.resolver import Question, Unresolvable, resolve
from envdoctor.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envdoctor.locks.asking import Ask, Stated
    from envdoctor.locks.judging import Judged
    from envdoctor.locks.wheels import Measured
    from envdoctor.matrix import Matrix
    from envdoctor.resolver import File, Pinned
    from envdoctor.targets import Profile

    Tell = Callable[[str], None]
    Measure = Callable[[Mapping[str, File], Callable[[int, int], None]], Mapping[str, Measured]]

TOLD_EVERY = 50
_PYTHON = re.compile(r"3\.\d{1,2}(?:\.\d{1,2})?")
ROUNDS = 8
"""Resolutions until the bounds must have settled; three are the most that was seen."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A lock that the rules find clean, and how it came about."""

    lock: Lock
    pins: tuple[Pinned, ...]
    judged: Judged
    notes: tuple[str, ...]
    rounds: int
    """How often it was resolved."""
    same: bool
    """Whether it is what the previous lock says, so that nothing has to be written."""


def make(
    profile: Profile,
    ask: Ask,
    matrix: Matrix,
    *,
    today: str,
    previous: Lock | None = None,
    measure: Measure | None = None,
    tell: Tell = lambda _: None,
) -> Made:
    """Resolve and judge a lock for a target.

    Args:
        profile: the target.
        ask: what the user said.
        matrix: the compatibility data.
        today: ISO date, which the lock bears if it says anything new.
        previous: the lock that is there; its versions are kept where nothing speaks against them.
        measure: reads the sizes of files; None leaves them open.
        tell: is told what is being done, one line each.

    Raises:
        Unresolvable: no versions fit together.
        UserError: the question makes no sense, or what fits together is known to break and no range mends it.
    """
    return _Making(profile, ask, matrix, today, previous, tell).done(measure)


class _Making:
    """One lock in the making: the bounds that are in force, and what the last resolution gave."""

    def __init__(self, profile: Profile, ask: Ask, matrix: Matrix, today: str, previous: Lock | None, tell: Tell) -> None:
        self.profile, self.ask, self.matrix, self.today, self.previous, self.tell = profile, ask, matrix, today, previous, tell
        self.python = ask.python or profile.python
        self._refuse_words()
        self.asked: Stated = stated(profile, ask, matrix, self.python)
        self.before = moment(ask, self.asked, matrix, today)
        self.bounds: dict[tuple[str, str], Bound] = {}
        self.needs: dict[str, Bound] = {}
        self.index = (
            ask.index if ask.index.torch_backend else msgspec.structs.replace(ask.index, torch_backend=profile.torch_backend)
        )
        self.driver: Version | None = None
        self.rounds = 0
        self._refuse_sources()
        self.settled_before = previous is not None and previous.asked == self.asked.lines and not ask.upgrade_all
        if previous is not None and self.settled_before:
            self._add(one for one in previous.bounds if one.basis != STACK or one.package not in ask.upgrade)
        self._add(bounds(self.asked.exact, self.asked.exact, matrix, self.python))

    def done(self, measure: Measure | None) -> Made:
        pins, lock, found = self._settled()
        previous = self.previous
        known = {} if previous is None else {one.sha256: one for one in previous.packages if one.installed_bytes is not None}
        if measure is not None:
            lock = self._measured(lock, pins, known, measure)
        same = previous is not None and self._as_before(lock, previous)
        lock = sealed(lock) if previous is None or not same else previous
        return Made(lock=lock, pins=pins, judged=found, notes=self.notes, rounds=self.rounds, same=same)

    def _as_before(self, lock: Lock, previous: Lock) -> bool:
        """Whether it says what the previous lock says, the day aside; "7d" names another moment each day."""
        moves = self.ask.exclude_newer is not None and self.ask.exclude_newer.endswith("d") and previous.exclude_newer is not None
        kept = {"made": previous.made, **({"exclude_newer": previous.exclude_newer} if moves else {})}
        return sealed(msgspec.structs.replace(lock, **kept)) == previous

    def _settled(self) -> tuple[tuple[Pinned, ...], Lock, Judged]:
        """Resolve until no bound is new and the rules find nothing."""
        pins = self._first()
        while True:
            versions = {one.name: Version(one.version) for one in pins}
            if self._tightened(versions):
                pins = self._resolved()
                continue
            lock = self._draft(pins)
            found = judged(lock, self.matrix)
            if self._driver_raised(found):
                continue
            if found.clean():
                return pins, msgspec.structs.replace(lock, verdict=found.verdict, data_as_of=found.data_as_of), found
            mended = self._mended(found)
            if mended is None:
                what, hint = contradiction(found)
                raise UserError(f"no lock is made, because what fits together by its metadata is known to break. {what}", hint)
            pins = mended

    def _first(self) -> tuple[Pinned, ...]:
        """The first resolution, with engine and trainer chosen by the data where they are open."""
        if any(one.basis == STACK for one in self.bounds.values()):
            return self._resolved()
        for choice in candidates(self.profile, self.asked, self.matrix, self.python, self.before):
            versions = {one.package: Version(one.specifier.removeprefix("==")) for one in choice}
            kept = dict(self.bounds)
            self._add(
                (*choice, *bounds({**self.asked.exact, **versions}, {*self.asked.exact, *versions}, self.matrix, self.python))
            )
            try:
                return self._resolved()
            except Unresolvable:
                self.bounds = kept
        return self._resolved()

    def _driver_raised(self, found: Judged) -> bool:
        """Whether a newer driver than the floor mends what was found: PTX needs the driver that CUDA came with."""
        for finding in (*found.errors, *found.warnings):
            for change in finding.changes:
                driver = change.suppose.get("driver")
                if driver is not None and self.profile.gpu is not None and (self.driver is None or self.driver < Version(driver)):
                    self.driver = Version(driver)
                    return True
        return False

    def _tightened(self, versions: Mapping[str, Version]) -> bool:
        """Add what the data says of these versions; whether they break any of it."""
        pinned = {*self.asked.exact, *(one.package for one in self.bounds.values() if one.basis == STACK)}
        new = self._add(bounds(versions, pinned, self.matrix, self.python))
        lacking = [one for one in needs(versions, self.matrix, self.python) if one.package not in self.needs]
        self.needs.update({one.package: one for one in lacking})
        broken = [one for one in new if one.package in versions and not admits(one.specifier, versions[one.package])]
        return bool(broken) or any(one.package not in versions for one in lacking)

    def _add(self, found: Iterable[Bound]) -> list[Bound]:
        """Put bounds into force; gives those that were not."""
        new = []
        for one in found:
            if one.basis == LATER_NEED:
                self.needs.setdefault(one.package, one)
            elif (one.package, one.specifier) not in self.bounds:
                self.bounds[one.package, one.specifier] = one
                new.append(one)
        return new

    def _mended(self, found: Judged) -> tuple[Pinned, ...] | None:
        """What comes of the first range that mends what the rules found and can be resolved; it is then in force."""
        for choice in mends(found, frozenset(self.asked.exact)):
            new = [one for one in choice if (one.package, one.specifier) not in self.bounds]
            if not new or self.rounds >= ROUNDS:
                continue
            self._add(new)
            try:
                return self._resolved()
            except Unresolvable:
                for one in new:
                    del self.bounds[one.package, one.specifier]
        return None

    def _resolved(self) -> tuple[Pinned, ...]:
        self.rounds += 1
        if self.rounds > ROUNDS:
            raise UserError(
                f"the bounds have not settled after {ROUNDS} resolutions",
                "Name the version of vllm or trl that you want: envdoctor lock TARGET --vllm VERSION",
            )
        again = f", with {len(self.bounds)} bounds" if self.bounds else ""
        self.tell(f"resolving for Python {self.python}, x86_64 Linux with glibc {self.profile.glibc}{again} ...")
        question = Question(
            requirements=(*self.asked.lines, *(f"{one.package}{one.specifier}" for one in self.needs.values())),
            constraints=tuple(f"{one.package}{one.specifier}" for one in self.bounds.values()),
            python=self.python,
            platform=self.profile.platform,
            preferences=self._preferences(),
            may_build=self.ask.build,
            exclude_newer=self.before,
            index=self.index,
        )
        try:
            return resolve(question)
        except Unresolvable as error:
            raise self._explained(error) from error

    def _explained(self, error: Unresolvable) -> Unresolvable:
        """The solver's words, and which of its premises are ours."""
        ours = [one for one in self.bounds.values() if one.package in error.says]
        if not ours:
            return error
        said = "\n".join(f"{one.package}{one.specifier} is asked for by envdoctor: {one.why} [{one.source}]" for one in ours)
        return Unresolvable(
            f"{error.says}\n{said}\nA version that you name yourself overrules it: --with {ours[0].package}==VERSION"
        )

    def _preferences(self) -> dict[str, str]:
        if self.previous is None or self.ask.upgrade_all:
            return {}
        return {one.name: one.version for one in self.previous.packages if one.name not in self.ask.upgrade}

    def _draft(self, pins: tuple[Pinned, ...]) -> Lock:
        profile = self.profile
        versions = {one.name: one.version for one in pins}
        here = machine(profile, versions.get("torch"), self.index.torch_backend, self.matrix)
        self.notes = (*self.asked.notes, *here.notes)
        packages = tuple(self._package(one) for one in pins)
        self.notes += tuple(_of_source(one) for one in packages if not one.file.endswith(".whl"))
        in_force = [one for one in (*self.bounds.values(), *self.needs.values()) if one.package in versions]
        return Lock(
            target=profile.name,
            gpu=profile.gpu,
            compute_capability=profile.compute_capability,
            driver_floor=str(self.driver) if self.driver is not None else here.driver_floor,
            cuda=here.cuda,
            glibc=profile.glibc,
            python=self.python,
            base_image=here.base_image,
            torch_backend=self.index.torch_backend,
            asked=self.asked.lines,
            stack={name: versions[name] for name in (*self.asked.names, "torch") if name in versions},
            bounds=tightest(in_force),
            exclude_newer=self.before,
            made=self.today,
            data_as_of=None,
            envdoctor=__version__,
            verdict="",
            requirements_sha256="",
            packages=packages,
        )

    def _package(self, pin: Pinned) -> LockedPackage:
        file = chosen(pin, self.python, self.profile.glibc)
        return LockedPackage(
            name=pin.name, version=pin.version, file=file.name, sha256=file.sha256 or "", size_bytes=file.size_bytes
        )

    def _counted(self, done: int, of_all: int) -> None:
        if done % TOLD_EVERY == 0 and done < of_all:
            self.tell(f"  {done} of {of_all}")

    def _measured(self, lock: Lock, pins: tuple[Pinned, ...], known: Mapping[str, LockedPackage], measure: Measure) -> Lock:
        """The lock with the sizes of its files; what the previous lock knows of the same file is not read again."""
        unknown = {
            pin.name: next(file for file in pin.files if file.name == one.file)
            for pin, one in zip(pins, lock.packages, strict=True)
            if one.sha256 not in known
        }
        if unknown:
            self.tell(f"reading the sizes of {len(unknown)} files ...")
        sizes = measure(unknown, self._counted) if unknown else {}
        packages = []
        for one in lock.packages:
            before, now = known.get(one.sha256), sizes.get(one.name)
            if before is not None:
                one = msgspec.structs.replace(  # noqa: PLW2901
                    one,
                    size_bytes=before.size_bytes,
                    installed_bytes=before.installed_bytes,
                    record=before.record,
                    mislisted=before.mislisted,
                )
            elif now is not None:
                size = now.size_bytes if now.size_bytes is not None else one.size_bytes
                one = msgspec.structs.replace(  # noqa: PLW2901
                    one,
                    size_bytes=size,
                    installed_bytes=now.installed_bytes,
                    record=now.record,
                    mislisted=now.mislisted or None,
                )
            packages.append(one)
        return msgspec.structs.replace(lock, packages=tuple(packages))

    def _refuse_words(self) -> None:
        """Refuse a Python that is none, and a package to upgrade that is not locked: a misspelling, that is."""
        if _PYTHON.fullmatch(self.python) is None:
            raise UserError(f"--python {self.python!r} is no version of Python", "Write it like this: --python 3.12")
        known = [] if self.previous is None else [one.name for one in self.previous.packages]
        for name in self.ask.upgrade:
            if known and name not in known:
                raise UserError(f"--upgrade {name}: it is not in the lock", nearest(name, known))

    def _refuse_sources(self) -> None:
        """Say early that a package has no wheel at all: uv says only that there is no solution."""
        for name in self.asked.names:
            package = self.matrix.package(name)
            rows = [] if package is None else [one for one in package.releases if not one.yanked]
            if package is None or not rows or name in self.ask.build or any(one.file.endswith(".whl") for one in rows):
                continue
            attention = (
                " You may not need it: vLLM brings its own FlashAttention kernels, and transformers computes attention with "
                "torch's SDPA where nothing else is asked for."
            )
            raise UserError(
                f"{name} has no wheel on the package index: its {len(rows)} releases are source distributions (read "
                f"{package.read}), and an installer builds them on the machine, where no hash of the result can be locked",
                f"Lock its source by hash and let the machine build it, with a compiler and CUDA there: --build {name}."
                + (attention if name == "flash-attn" else ""),
            )


def _of_source(one: LockedPackage) -> str:
    """What the user must know of a package that is locked as its source."""
    return (
        f"{one.name} {one.version} is locked as its source: it is built where it is installed, which needs a compiler (and for "
        "CUDA code nvcc), and what comes of the build has no hash; if its build imports torch, install the rest first and then "
        "this with --no-build-isolation"
    )
