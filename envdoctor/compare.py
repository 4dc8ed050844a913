"""Two targets compared: which findings only one of them has and what that is about, then everything else that differs. Pure.

What is Unknown on either side is said and is neither equal nor different.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.check import check
from envdoctor.diagnose import diagnose
from envdoctor.examine import explained_by
from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.findings import Outcome, Severity
from envdoctor.requirements import in_stack
from envdoctor.traits import Area, Says, Trait, has_image, traits, variables_of
from envdoctor.views import ENGINES, TRAINERS, distributions, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envdoctor.facts import DirectUrl, Distribution, Facts
    from envdoctor.findings import Finding, Verdict
    from envdoctor.matrix import Matrix

FIRST = ("torch", *ENGINES, *TRAINERS, "transformers")
"""Packages that lead the list of changes, in this order."""


class How(enum.Enum):
    """In which way something of B is not what it is in A."""

    NEWER = "newer"
    OLDER = "older"
    OTHER = "other"
    """Another value of no order."""
    BUILD = "other build"
    """The same release with another local version: 2.13.0+cpu for 2.13.0+cu126."""
    SOURCE = "other source"
    """The same version, from another commit, or editable on one side only."""
    ADDED = "added"
    GONE = "gone"


class PackageChange(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution that differs. ``before`` is A's version, ``after`` B's; None where it is not installed."""

    name: str
    """Normalized."""
    before: str | None
    after: str | None
    how: How
    stack: bool
    """Of the training stack."""


class TraitChange(msgspec.Struct, frozen=True, kw_only=True):
    """A property of machine, interpreter, builds, limits or variables that differs; None: there is none."""

    area: Area
    name: str
    before: str | None
    after: str | None
    how: How
    subjects: tuple[str, ...] = ()


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be compared, and why: a reason for each side that does not know it."""

    name: str
    why_a: str | None
    why_b: str | None


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that only one side has."""

    only: str
    """"a" or "b"."""
    finding: Finding
    follows: tuple[Finding, ...]
    """Other findings of that side alone that follow from it."""
    packages: tuple[PackageChange, ...]
    """The changed packages that it is about."""
    traits: tuple[TraitChange, ...]
    same: tuple[tuple[str, str], ...]
    """The packages it is about that are the same on both sides, with their version."""
    newest: str | None
    """Day (ISO date) of the newest release that it is about, where the data knows it."""
    untold: str | None
    """Why the other side could not tell, or None: the other side does not have it."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Which target, as the page names it."""

    spec: str
    chosen: str
    taken_at: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs between A and B."""

    a: Side
    b: Side
    clashes: tuple[Clash, ...]
    """Errors before warnings before infos, in each the newest pair first."""
    shared: int
    """Findings that both have."""
    packages: tuple[PackageChange, ...]
    """Those of the stack first."""
    traits: tuple[TraitChange, ...]
    untold: tuple[Untold, ...]

    @property
    def same(self) -> bool:
        """Whether nothing that could be compared differs."""
        return not (self.clashes or self.packages or self.traits)


def compare(a: Facts, b: Facts, matrix: Matrix) -> Difference:
    """Compare two targets; both are judged by the rules. ``matrix`` is the compatibility data that judges and dates releases."""
    packages, lacking = _packages(a, b)
    changed, untold = _traits(a, b)
    clashes, shared = _clashes((a, b), packages, changed, matrix)
    return Difference(
        a=_side(a),
        b=_side(b),
        clashes=clashes,
        shared=shared,
        packages=packages,
        traits=changed,
        untold=(*lacking, *untold),
    )


def _side(facts: Facts) -> Side:
    return Side(spec=facts.target.spec, chosen=facts.target.chosen, taken_at=facts.taken_at)


def _packages(a: Facts, b: Facts) -> tuple[tuple[PackageChange, ...], tuple[Untold, ...]]:
    leaves = (a.packages.distributions, b.packages.distributions)
    whys = [leaf.why if isinstance(leaf, Unknown) else None for leaf in leaves]
    if any(why is not None for why in whys):
        return (), (Untold(name="packages", why_a=whys[0], why_b=whys[1]),)
    before, after = dict(distributions(a)), dict(distributions(b))
    found = [
        change
        for name in before.keys() | after.keys()
        if (change := _package(name, before.get(name), after.get(name))) is not None
    ]
    found.sort(key=lambda one: place(one.name))
    return tuple(found), ()


_RANK = {name: number for number, name in enumerate(FIRST)}


def place(name: str) -> tuple[bool, int, bool, str]:
    """Sorts packages for a page: torch, engines and trainers, the rest of the stack, NVIDIA's wheels, everything else."""
    return not in_stack(name), _RANK.get(name, len(_RANK)), name.startswith("nvidia-"), name


def _package(name: str, a: Distribution | None, b: Distribution | None) -> PackageChange | None:
    before, after = (None if one is None else one.version for one in (a, b))
    if a is None or b is None:
        how: How | None = How.ADDED if a is None else How.GONE
    else:
        how = direction(a.version, b.version)
        if how is None and a.location and b.location and _source(a.direct_url) != _source(b.direct_url):
            how = How.SOURCE
            before, after = (f"{one.version} ({_source(one.direct_url)})" for one in (a, b))
    return None if how is None else PackageChange(name=name, before=before, after=after, how=how, stack=in_stack(name))


def _source(url: DirectUrl | None) -> str:
    """What tells two installs of one version apart: a commit, and whether it is a working copy."""
    if url is None or not (url.editable or url.commit):
        return "released"
    return ", ".join(([f"commit {url.commit[:12]}"] if url.commit else []) + (["editable"] if url.editable else []))


def direction(before: str, after: str) -> How | None:
    """How one version follows another; None where they are the same (1.0 and 1.0.0 are)."""
    if before == after:
        return None
    old, new = parsed(before), parsed(after)
    if old is None or new is None:
        return How.OTHER
    if old == new:
        return None
    if old.public == new.public or Version(old.public) == Version(new.public):
        return How.BUILD
    return How.NEWER if new > old else How.OLDER


def _traits(a: Facts, b: Facts) -> tuple[tuple[TraitChange, ...], tuple[Untold, ...]]:
    variables = variables_of(a) | variables_of(b)
    changed, untold = [], []
    images = has_image(a) and has_image(b)
    for old, new in zip(traits(a, variables, image=images), traits(b, variables, image=images), strict=True):
        if isinstance(old.said, Known) and isinstance(new.said, Known):
            how = _moved(old, new)
            if how is not None:
                change = TraitChange(
                    area=old.area, name=old.name, before=_told(old), after=_told(new), how=how, subjects=old.subjects
                )
                changed.append(change)
        else:
            whys = [one.said.why if isinstance(one.said, Unknown) else None for one in (old, new)]
            untold.append(Untold(name=old.name, why_a=whys[0], why_b=whys[1]))
    return tuple(changed), tuple(untold)


def _told(one: Trait) -> str | None:
    value = one.said.value if isinstance(one.said, Known) else None
    return f"{value} or newer" if one.says is Says.LEAST and value is not None else value


def _moved(old: Trait, new: Trait) -> How | None:
    """How the value of B follows that of A, None where they agree."""
    before, after = (one.said.value if isinstance(one.said, Known) else None for one in (old, new))
    if before == after:
        return None
    if before is None or after is None:
        return How.ADDED if before is None else How.GONE
    # "glibc 2.35": the name must be the same, the version may be ordered
    (kind_a, _, number_a), (kind_b, _, number_b) = before.rpartition(" "), after.rpartition(" ")
    versions = parsed(number_a), parsed(number_b)
    if kind_a != kind_b or None in versions or old.area not in {Area.MACHINE, Area.PYTHON, Area.BUILD}:
        return How.OTHER
    how = direction(number_a, number_b)
    fits = (
        (how is How.NEWER and (old.says, new.says) == (Says.LEAST, Says.EXACTLY))
        or (how is How.OLDER and (old.says, new.says) == (Says.EXACTLY, Says.LEAST))
        or (Says.MINOR in {old.says, new.says} and minor(number_a) == minor(number_b))
    )
    return None if fits else how


def minor(version: str) -> tuple[str, ...]:
    """The first two numbers: ("3", "12")."""
    return tuple(version.split(".")[:2])


def _key(finding: Finding) -> tuple[object, ...]:
    """What makes findings of two sides the same one: not their versions."""
    return finding.code, finding.cause, frozenset(finding.subjects)


def _clashes(
    sides: tuple[Facts, Facts], packages: tuple[PackageChange, ...], changed: tuple[TraitChange, ...], matrix: Matrix
) -> tuple[tuple[Clash, ...], int]:
    verdicts = tuple(check(facts, matrix) for facts in sides)
    keys = tuple({_key(finding) for verdict in ended for finding in _findings(verdict)} for ended in verdicts)
    found = []
    for here, there, only in ((1, 0, "b"), (0, 1, "a")):
        told = {verdict.code: verdict for verdict in verdicts[there]}
        for finding, follows in _roots(verdicts[here], keys[there]):
            about = set(finding.subjects)
            clash = Clash(
                only=only,
                finding=finding,
                follows=follows,
                packages=tuple(one for one in packages if one.name in about),
                traits=tuple(one for one in changed if about & set(one.subjects)),
                same=_same(sides[here], finding, packages),
                newest=_newest(sides[here], finding, matrix),
                untold=_silence(told.get(finding.code), finding),
            )
            found.append(clash)
    # stable sorts, the last one counts most: of equal ones B's come first, and what is of no known day comes last
    found.sort(key=lambda one: one.newest or "", reverse=True)
    found.sort(key=lambda one: tuple(Severity).index(one.finding.severity))
    return tuple(found), len(keys[0] & keys[1])


def _findings(verdict: Verdict) -> Iterable[Finding]:
    return verdict.findings if verdict.outcome is Outcome.FAIL else ()


def _roots(verdicts: tuple[Verdict, ...], others: set[tuple[object, ...]]) -> Iterator[tuple[Finding, tuple[Finding, ...]]]:
    """The findings that the other side does not have; a root cause with those that follow from it."""
    for one in diagnose(verdicts, explained_by):
        own = tuple(finding for finding in one.symptoms if _key(finding) not in others)
        if _key(one.root) not in others:
            yield one.root, own
        else:
            yield from ((finding, ()) for finding in own)


def _same(facts: Facts, finding: Finding, packages: tuple[PackageChange, ...]) -> tuple[tuple[str, str], ...]:
    present, changed = _present(facts), {one.name for one in packages}
    return tuple((name, present[name].version) for name in finding.subjects if name in present and name not in changed)


def _present(facts: Facts) -> Mapping[str, Distribution]:
    try:
        return distributions(facts)
    except NotObserved:
        return {}


def _newest(facts: Facts, finding: Finding, matrix: Matrix) -> str | None:
    """Day of the newest release that the finding is about."""
    present, days = _present(facts), []
    for name in finding.subjects:
        package = matrix.package(name) if name in present else None
        version = parsed(present[name].version) if package is not None else None
        if package is None or version is None:
            continue
        days += [one.uploaded for one in package.releases if one.uploaded and Version(one.version) == Version(version.public)]
    return max(days, default=None)


def _silence(verdict: Verdict | None, finding: Finding) -> str | None:
    """Why the other side's rule did not come to an answer about this, or None: it did."""
    if verdict is None:
        return None
    if verdict.crash is not None:
        return f"the rule crashed, which is a bug of envdoctor: {verdict.crash}"
    about = set(finding.subjects)
    return next((doubt.why for doubt in verdict.doubts if not doubt.subjects or set(doubt.subjects) & about), None)
