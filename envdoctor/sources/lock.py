"""``lock:NAME``: an environment that is locked and perhaps nowhere installed, as facts. The same rules judge it.

Known is what the lock pins, what the compatibility data knows of those releases, and the machine that the lock assumes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envdoctor.facts import Distribution, Known, Target, Unknown
from envdoctor.linkage import Linking, Names
from envdoctor.locks import files
from envdoctor.locks.document import Listed
from envdoctor.sources.plan import nothing
from envdoctor.suppose import known_pins, known_pythons, supposing
from envdoctor.views import by_the_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envdoctor.facts import Facts
    from envdoctor.locks.document import Lock
    from envdoctor.matrix import Matrix

SCHEME = "lock:"
BUILT = ("numpy", "torch", "vllm")
"""Packages of whose builds the data knows more than what they require."""
UNSAID = "a lock does not say it: it shows on the machine, by `envdoctor check` there"
UNREAD = Unknown("nothing is installed yet: files are judged once they are there, by `envdoctor check` of the environment")
NO_CHANGE: Mapping[str, str] = {}


def read(spec: str) -> Lock | Listed:
    """What ``lock:SPEC`` names: a lock by its target's name or a path, or a requirements file with no TOML beside it.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if spec.endswith(".txt") and not os.path.lexists(os.path.expanduser(f"{spec.removesuffix('.txt')}.toml")):
        return files.read_requirements(spec)
    return files.read(spec)


def requirements_of(sought: Lock | Listed, spec: str) -> str:
    """Path of the requirements file of what ``lock:SPEC`` names. Raises UserError: it has gone."""
    return sought.path if isinstance(sought, Listed) else f"{os.path.splitext(files.locate(spec))[0]}.txt"


def facts_of(spec: str, matrix: Matrix, shown: str | None = None) -> Facts:
    """The facts of what ``lock:SPEC`` names; ``shown`` is the SPEC as they may hold it, without a home folder.

    Raises:
        UserError: there is none, it is damaged, or it assumes a GPU that the data does not know.
    """
    found, shown = read(spec), shown or spec
    if isinstance(found, Listed):
        return facts_of_listed(msgspec.structs.replace(found, path=shown), matrix)
    return facts_of_lock(found, matrix, named=f"{shown.removesuffix('.txt')}.toml" if shown.endswith(".txt") else shown)


def facts_of_lock(lock: Lock, matrix: Matrix, suppose: Mapping[str, str] = NO_CHANGE, named: str | None = None) -> Facts:
    """The facts of the locked environment on the machine that the lock assumes.

    Args:
        lock: as read.
        matrix: the data, which knows what the locked releases require.
        suppose: what is otherwise, as ``--suppose`` takes it.
        named: how it was named, as in ``lock:NAME``; None for its target's name.

    Raises:
        UserError: a supposition that makes no sense, or a GPU that the data does not know.
    """
    gpu = f"GPU {lock.gpu}, driver {lock.driver_floor} or newer" if lock.gpu else "no GPU"
    chosen = f"a lock of {lock.made} for {gpu}, Python {lock.python}, glibc {lock.glibc}"
    machine = {"gpu": lock.gpu or "none", "driver": lock.driver_floor if lock.gpu else "none", "glibc": lock.glibc}
    target = Target(spec=f"{SCHEME}{named or lock.target}", chosen=chosen)
    releases = {one.name: (one.version, one.file) for one in lock.packages}
    said = {name: value for name, value in machine.items() if value is not None}
    facts = _facts(target, releases, matrix, python=lock.python, read=lock.made, machine=said)
    return supposing(facts, suppose, matrix)


def facts_of_listed(listed: Listed, matrix: Matrix) -> Facts:
    """The facts of an environment of which only the releases are known."""
    target = Target(spec=f"{SCHEME}{listed.path}", chosen="a list of exact versions, which assumes no machine")
    releases = {one.name: (one.version, "") for one in listed.packages}
    days = matrix.packages()
    read_on = min((days[name] for name in releases if name in days), default="")
    return _facts(target, releases, matrix, python=None, read=read_on, machine={})


def _facts(
    target: Target,
    releases: Mapping[str, tuple[str, str]],
    matrix: Matrix,
    *,
    python: str | None,
    read: str,
    machine: Mapping[str, str],
) -> Facts:
    """Facts of these releases; name -> (version, file or "")."""
    facts = nothing(python, read, Unknown(UNSAID), target.spec)
    distributions = Known(tuple(_distributions(releases, matrix, target.spec)), target.spec)
    packages = msgspec.structs.replace(facts.packages, distributions=distributions)
    linking = Linking(torch=UNREAD, modules=UNREAD, copies=UNREAD, driver_libraries=UNREAD)
    facts = msgspec.structs.replace(
        facts, target=target, packages=packages, linking=linking, names=Names(pairs=UNREAD, missing=UNREAD)
    )
    built = {name: releases[name][0] for name in BUILT if name in releases}
    facts = supposing(facts, {**built, **machine}, matrix, says=f"{target.spec} says")
    builds = msgspec.structs.replace(
        facts.builds, extensions=UNREAD, numpy1_modules=UNREAD, module_owners=UNREAD, built_as=UNREAD
    )
    # supposing drops what it supposes and puts it last: the lock's own lines say more
    return msgspec.structs.replace(facts, packages=packages, builds=builds, overwritten=UNREAD)


def _distributions(releases: Mapping[str, tuple[str, str]], matrix: Matrix, via: str) -> Iterable[Distribution]:
    for name, (version, file) in releases.items():
        pins = known_pins(name, version, matrix)
        yield Distribution(
            name=name,
            version=version,
            location="",
            metadata_dir=via,
            installer=None,
            requires_python=known_pythons(name, version, matrix),
            # another build than the index's own (+cpu) may do without what that one requires
            requires=tuple(f"{package}{spec}" for package, spec in pins.items() if package in releases or "+" not in version),
            wheel_tags=_tags(file),
            direct_url=None,
            requires_from=by_the_data(name, version),
        )


def _tags(file: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(str(tag) for tag in parse_wheel_filename(file)[3]))
    except InvalidWheelFilename:
        return ()
