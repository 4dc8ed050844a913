"""How an environment comes back to its lock: commands for this interpreter. Pure; nothing is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.departures import What
from envdoctor.drift import packages_of
from envdoctor.facts import Known, NotObserved
from envdoctor.locks.document import Lock
from envdoctor.views import distributions, inside

if TYPE_CHECKING:
    from envdoctor.drift import Drift
    from envdoctor.facts import Facts
    from envdoctor.locks.document import Listed

MANY = 20
"""Packages to reinstall that are named one by one; of more, all are reinstalled."""
_SAFE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
"""A normalized name: what a hostile record calls a package must not become an option or a path."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do: a sentence and the commands for it (argv lists)."""

    says: str
    commands: tuple[tuple[str, ...], ...] = ()


def steps(found: Drift, sought: Lock | Listed, facts: Facts, requirements: str) -> tuple[Step, ...]:
    """What brings the environment back, in the order in which it is to be done; empty where nothing drifted.

    Args:
        found: the drift.
        sought: what the environment should be.
        facts: of the environment.
        requirements: path of the lock's requirements file, as it is to be pasted.
    """
    made: list[Step] = []
    source = _source(sought, requirements)
    rebuilt = packages_of(found, What.PYTHON)
    locked = {one.name for one in sought.packages}
    wrong = locked.intersection(packages_of(found, What.VERSION, What.BUILD, What.MISSING, What.FILES))
    run = ("RUN",) if inside(facts) else ()
    if rebuilt and isinstance(sought, Lock):
        made.append(_beside(sought, facts, source, run))
    elif wrong:
        again = _again(found, sought)
        says = "Install what the lock says" + (", and again what is another build or was edited." if again else ".")
        made.append(Step(says=says, commands=((*run, "uv", "pip", "install", "--python", python(facts), *again, *source),)))
    extras = _removable(found, facts)
    if extras and not rebuilt:
        made.append(
            Step(
                says="Uninstall what the lock does not have.",
                commands=((*run, "uv", "pip", "uninstall", "--python", python(facts), *extras),),
            )
        )
    foreign = [one.name for one in found.departures if one.what is What.EXTRA and one.name not in extras]
    if foreign and not rebuilt:
        made.append(
            Step(says="What lies outside of the environment's own folder is not removed by a command of it: see where it is.")
        )
    if isinstance(sought, Lock):
        made += _machine(found, sought)
    return tuple(made)


def python(facts: Facts) -> str:
    """The interpreter for a command; what is no path in a record could be read as an option."""
    executable = facts.python.value.executable if isinstance(facts.python, Known) else ""
    return executable if executable.startswith(("/", "~/", "$USER")) else "python3"


def _source(sought: Lock | Listed, requirements: str) -> tuple[str, ...]:
    """The options that name the lock's files; it names every package, so that dependencies need not be asked for again."""
    path = (
        requirements if requirements.startswith(("/", "~/", "./", "../")) or requirements[:1].isalnum() else f"./{requirements}"
    )
    if isinstance(sought, Lock):
        backend = () if sought.torch_backend is None else (f"--torch-backend={sought.torch_backend}",)
        return (*backend, "--no-deps", "--require-hashes", "-r", path)
    hashed = all(one.sha256 for one in sought.packages)
    return ("--no-deps", *(("--require-hashes",) if hashed else ()), "-r", path)


def _again(found: Drift, sought: Lock | Listed) -> tuple[str, ...]:
    """Options for packages whose version is right already: an installer would keep them."""
    locked = {one.name for one in sought.packages}
    names = [name for name in packages_of(found, What.BUILD, What.FILES) if name in locked]
    if len(names) > MANY:
        return ("--reinstall",)
    return tuple(word for name in names for word in ("--reinstall-package", name))


def _beside(lock: Lock, facts: Facts, source: tuple[str, ...], run: tuple[str, ...]) -> Step:
    prefix = facts.python.value.prefix if isinstance(facts.python, Known) else ""
    old = prefix if prefix.startswith(("/", "~/")) and len(prefix) > len("~/") else "./venv"
    new = f"{old.rstrip('/')}-python{lock.python}"
    return Step(
        says=f"The lock's files are for Python {lock.python}: make a new environment beside this one.",
        commands=(
            (*run, "uv", "venv", "--python", lock.python, new),
            (*run, "uv", "pip", "install", "--python", f"{new}/bin/python", *source),
        ),
    )


def _removable(found: Drift, facts: Facts) -> tuple[str, ...]:
    """Extra packages that lie in the environment's own folder."""
    prefix = facts.python.value.prefix if isinstance(facts.python, Known) else None
    try:
        present = distributions(facts)
    except NotObserved:
        return ()
    if not prefix:
        return ()
    extras = packages_of(found, What.EXTRA)
    return tuple(name for name in extras if _SAFE.fullmatch(name) and present[name].location.startswith(f"{prefix.rstrip('/')}/"))


def _machine(found: Drift, lock: Lock) -> list[Step]:
    kinds = {one.what for one in found.departures}
    made = []
    if What.GLIBC in kinds:
        says = f"The C library is the system's: use an image with glibc {lock.glibc} or newer, for instance {lock.base_image}."
        made.append(Step(says=says))
    if What.DRIVER in kinds:
        says = f"The driver is the machine's: its administrator installs {lock.driver_floor} or newer."
        made.append(Step(says=says))
    if kinds & {What.DRIVER, What.GPU}:
        wishes = [f"{name}={value}" for name, value in (("gpu", lock.gpu), ("driver", lock.driver_floor)) if value is not None]
        words = " ".join(f"--suppose {wish}" for wish in wishes)
        made.append(Step(says=f"This machine need not be the one that runs it: to judge the packages alone, add {words}."))
    return made
