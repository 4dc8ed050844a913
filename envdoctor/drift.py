"""Whether an installed environment is what its lock says: packages, builds, files, interpreter, machine. Pure.

What could not be told is told as such: a lock without digests cannot say which build of a version is installed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.assumed import above, assumed
from envdoctor.compare import How, direction, place
from envdoctor.departures import Departure, Untold, What
from envdoctor.facts import NotObserved, Unknown
from envdoctor.locks.document import Lock
from envdoctor.views import distributions, metadata_path, normalized
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sized

    from envdoctor.facts import Distribution, Facts
    from envdoctor.linkage import RecordCheck
    from envdoctor.locks.document import Listed, LockedPackage

INSTALLERS = ("pip", "setuptools", "wheel", "uv", "distribute")
OURSELVES = "envdoctor"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How an environment departs from a lock."""

    departures: tuple[Departure, ...]
    """What counts, by :class:`What`, the training stack first."""
    mild: tuple[Departure, ...]
    """What is not in the lock by its nature (installers, envdoctor, the user's own project) or newer than it assumes."""
    untold: tuple[Untold, ...]
    locked: int
    """Packages of the lock."""
    as_locked: int
    """Of these, installed in that version."""
    proven: int
    """Of these, known to be that very build with its files untouched, but for what another package wrote over them."""
    by_size_only: int
    """Files of which only the size was compared, over all packages."""


def drift(sought: Lock | Listed, facts: Facts) -> Drift:
    """Compare.

    Args:
        sought: the lock, or a list of exact versions, which assumes no machine.
        facts: of the environment, with ``records`` where the probe was asked for them.
    """
    found: list[Departure] = []
    mild: list[Departure] = []
    untold: list[Untold] = []
    if isinstance(sought, Lock):
        for one in assumed(sought, facts):
            if isinstance(one, Untold):
                untold.append(one)
            else:
                (mild if above(one) else found).append(one)
    as_locked, proven, by_size_only = 0, 0, 0
    try:
        present = distributions(facts)
    except NotObserved as lack:
        untold.append(Untold("which packages are installed", lack.why))
    else:
        versions = tuple(_versions(sought, present))
        extras, gentle = _extras(sought, present)
        builds = _Builds(sought, facts, present)
        found += (*versions, *extras, *builds.departures)
        mild += gentle
        untold += builds.untold
        as_locked, proven, by_size_only = builds.as_locked, builds.proven, builds.by_size_only
    order = tuple(What)
    found.sort(key=lambda one: (order.index(one.what), place(one.name)))
    return Drift(
        departures=tuple(found),
        mild=tuple(mild),
        untold=tuple(untold),
        locked=len(sought.packages),
        as_locked=as_locked,
        proven=proven,
        by_size_only=by_size_only,
    )


def _versions(sought: Lock | Listed, present: Mapping[str, Distribution]) -> Iterator[Departure]:
    for one in sought.packages:
        here = present.get(one.name)
        if here is None:
            yield Departure(what=What.MISSING, name=one.name, locked=one.version, found=None, says="", via="not installed")
            continue
        how = direction(one.version, here.version)
        if how is None:
            continue
        what = What.BUILD if how is How.BUILD else What.VERSION
        says = how.value if how in {How.NEWER, How.OLDER} else ""
        yield Departure(what=what, name=one.name, locked=one.version, found=here.version, says=says, via=metadata_path(here))


def _extras(sought: Lock | Listed, present: Mapping[str, Distribution]) -> tuple[list[Departure], list[Departure]]:
    """What is installed and not locked: what counts, and what is mild."""
    locked = {one.name for one in sought.packages}
    ours = _brought_by(OURSELVES, present)
    counted: list[Departure] = []
    mild: list[Departure] = []
    for name, one in present.items():
        if name in locked:
            continue
        says = ""
        if name in INSTALLERS:
            says = "an installer, which environments are made with"
        elif name in ours:
            says = "envdoctor itself" if name == OURSELVES else "envdoctor needs it"
        elif one.direct_url is not None and one.direct_url.editable:
            says = "a working copy of yours (editable), which no lock can hold"
        extra = Departure(what=What.EXTRA, name=name, locked=None, found=one.version, says=says, via=metadata_path(one))
        (mild if says else counted).append(extra)
    return counted, mild


def _brought_by(name: str, present: Mapping[str, Distribution]) -> set[str]:
    """The installed packages that it needs, itself among them; what only an extra asks for is not needed."""
    waiting, found = [name] if name in present else [], set()
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for line in present[one].requires:
            asked = _NAME.match(line.strip())
            if asked is not None and "extra ==" not in line and normalized(asked[0]) in present:
                waiting.append(normalized(asked[0]))
    return found


class _Builds:
    """Which installed packages are the locked build, untouched."""

    def __init__(self, sought: Lock | Listed, facts: Facts, present: Mapping[str, Distribution]) -> None:
        self.departures: list[Departure] = []
        self.untold: list[Untold] = []
        self.unproven: set[str] = set()
        same = [one for one in sought.packages if one.name in present and _same(one.version, present[one.name].version)]
        self.as_locked, self.proven, self.by_size_only = len(same), 0, 0
        records = facts.records
        if isinstance(records, Unknown):
            self.untold.append(Untold("whether files were edited or deleted, and which builds are installed", records.why))
            return
        checked: dict[str, RecordCheck] = {}
        locked = {one.name: one for one in sought.packages} if isinstance(sought, Lock) else {}
        for record in records.value:
            checked.setdefault(normalized(record.name), record)
        versions = {one.name for one in same}
        for name, one in present.items():
            if name in checked:
                self.by_size_only += checked[name].by_size_only
                self._files(one, checked[name], records.via, locked.get(name))
        self._unread(sorted(versions), checked)
        self._digests([locked[name] for name in sorted(versions & locked.keys() & checked.keys())], checked, present, records.via)
        if not locked and versions:
            why = "a list of versions says nothing of builds; a lock of `envdoctor lock` does"
            told = f"whether {plural(len(versions), 'package')} {_are(versions)} the build that was meant"
            self.untold.append(Untold(told, why))

    def _files(self, here: Distribution, record: RecordCheck, via: str, locked: LockedPackage | None) -> None:
        name, altered = normalized(here.name), record.altered_count
        if locked is not None and locked.mislisted and locked.record == record.digest and altered <= locked.mislisted:
            # these differ from RECORD in the wheel already; more of them are an edit
            self._open(altered, name, f"the RECORD of {locked.file} lists other sizes for them than it holds")
            altered = 0
        self._open(record.unread_count, name, "reading failed: no permission, or a failing disk")
        parts = [
            f"{count} {word}: {_paths(paths, count)}"
            for count, word, paths in (
                (altered, "edited", record.altered),
                (record.missing_count, "deleted", record.missing),
            )
            if count
        ]
        if parts:
            says, read = "; ".join(parts), f"{via}, {here.metadata_dir}"
            self.departures.append(Departure(what=What.FILES, name=name, locked=None, found=here.version, says=says, via=read))

    def _open(self, count: int, name: str, why: str) -> None:
        """Files of which it cannot be told whether they were edited."""
        if count:
            self.unproven.add(name)
            are = "is" if count == 1 else "are"
            self.untold.append(Untold(f"whether {plural(count, 'file')} of {name} {are} as installed", why))

    def _unread(self, names: list[str], checked: Mapping[str, RecordCheck]) -> None:
        """Packages of which no RECORD tells anything, by reason."""
        reasons: dict[str, list[str]] = {}
        for name in names:
            why = checked[name].problem if name in checked else "no RECORD of it was read"
            if why is not None:
                reasons.setdefault(why, []).append(name)
        for why, unread in reasons.items():
            self.untold.append(Untold(f"whether the files of {_some(unread)} are as installed", why))

    def _digests(
        self, same: list[LockedPackage], checked: Mapping[str, RecordCheck], present: Mapping[str, Distribution], via: str
    ) -> None:
        edited = self.unproven | {one.name for one in self.departures}
        without = [one.name for one in same if one.record is None]
        unmade = [
            one.name
            for one in same
            if one.record is not None and checked[one.name].digest is None and not checked[one.name].problem
        ]
        for one in same:
            digest = checked[one.name].digest
            if one.record is None or digest is None:
                continue
            if digest == one.record:
                self.proven += one.name not in edited
                continue
            says = f"its RECORD is not that of {one.file}"
            departure = Departure(
                what=What.BUILD,
                name=one.name,
                locked=f"{one.version} (RECORD {_short(one.record)})",
                found=f"{present[one.name].version} (RECORD {_short(digest)})",
                says=says,
                via=via,
            )
            self.departures.append(departure)
        for names, why in (
            (without, "the lock has no digest of the RECORD of their files"),
            (unmade, "no digest of their RECORD could be made"),
        ):
            if names:
                self.untold.append(Untold(f"whether {_some(names)} {_are(names)} the locked build", why))


SHORT = 12
"""Digits of a digest on the page."""
NAMED = 6


def _some(names: list[str]) -> str:
    """``a, b and 3 more``; sorted, bounded."""
    return ", ".join(names) if len(names) <= NAMED else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:SHORT]


def _are(names: Sized) -> str:
    return "is" if len(names) == 1 else "are"


def _paths(paths: tuple[str, ...], count: int) -> str:
    shown = ", ".join(paths[:NAMED])
    rest = count - min(len(paths), NAMED)
    return f"{shown} and {rest} more" if shown and rest > 0 else shown or "which is not told"


def _same(locked: str, here: str) -> bool:
    return direction(locked, here) is None


def packages_of(found: Drift, *kinds: What) -> tuple[str, ...]:
    """Names of the packages that depart so, in the order of the page, each once."""
    return tuple(dict.fromkeys(one.name for one in found.departures if one.what in kinds))
