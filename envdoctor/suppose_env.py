"""Facts as they would be with another environment: what variables let in, what a report says no longer. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from envdoctor.facts import Facts, Interpreter, Known, LibCuda, Library
from envdoctor.suppose_link import without_folders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from envdoctor.facts import Leaf

Found = TypeVar("Found", Library, LibCuda)
LOADER = {"LD_LIBRARY_PATH", "LD_PRELOAD"}


def told_besides(facts: Facts, *, python: bool, packages: bool) -> Facts:
    """A report's facts, ready to take what its author told elsewhere: of Python, or of packages, where the text says nothing.

    Of an environment that could not be read this is not done: there it is known to somebody, and looking again tells it.
    """
    if facts.report is None:
        return facts
    if python and not isinstance(facts.python, Known):
        facts = msgspec.structs.replace(
            facts, python=Known(Interpreter.named("", "of the report", facts.python, facts.python), "supposed")
        )
    if packages and not isinstance(facts.packages.distributions, Known):
        known = msgspec.structs.replace(facts.packages, distributions=Known((), "supposed"))
        facts = msgspec.structs.replace(facts, packages=known)
    return facts


def with_variable(facts: Facts, name: str, value: str | None, via: str) -> Facts:
    """The facts with one variable set, or unset for None.

    Folders that LD_LIBRARY_PATH or PYTHONPATH no longer names lose what was found by them; a library in a folder that is
    named now comes first. What a newly named folder holds beyond the copies already seen is not known.
    """
    before = facts.environ.value if isinstance(facts.environ, Known) else {}
    after = {key: old for key, old in before.items() if key != name} | ({} if value is None else {name: value})
    facts = msgspec.structs.replace(facts, environ=Known(after, via))
    if name == "CUDA_HOME":
        return _toolkit(facts, value)
    if name in LOADER:
        gone = {entry if name == "LD_LIBRARY_PATH" else entry.rpartition("/")[0] for entry in _entries(before.get(name))}
        kept = {entry if name == "LD_LIBRARY_PATH" else entry.rpartition("/")[0] for entry in _entries(value)}
        return without_folders(_loader(facts, name, _entries(value)), gone - kept, via)
    if name == "PYTHONPATH":
        gone = set(_entries(before.get(name))) - set(_entries(value))
        return _without_folders(facts, gone)
    if name == "PYTHONNOUSERSITE" and value and isinstance(facts.python, Known):
        user = facts.python.value.user_site
        if isinstance(user, Known) and user.value is not None:
            python = msgspec.structs.replace(facts.python.value, user_site=Known(None, via))
            facts = msgspec.structs.replace(facts, python=Known(python, facts.python.via))
            return _without_folders(facts, {user.value})
    return facts


def _entries(value: str | None) -> list[str]:
    return [entry.rstrip("/") for entry in re.split("[:; ]", value or "") if entry]


def _toolkit(facts: Facts, home: str | None) -> Facts:
    """The toolkits, found by CUDA_HOME where it points now."""
    leaf = facts.cuda.toolkits
    if not isinstance(leaf, Known):
        return facts
    moved = []
    for one in leaf.value:
        ways = [way for way in one.found_by.split(", ") if way and way != "CUDA_HOME"]
        ways += ["CUDA_HOME"] if home is not None and one.path == home.rstrip("/") else []
        moved.append(msgspec.structs.replace(one, found_by=", ".join(ways)))
    return msgspec.structs.replace(facts, cuda=msgspec.structs.replace(facts.cuda, toolkits=Known(tuple(moved), leaf.via)))


def _loader(facts: Facts, name: str, entries: list[str]) -> Facts:
    libraries, libcuda = facts.cuda.libraries, facts.driver.libcuda
    if isinstance(libraries, Known):
        order = Known(_in_order(libraries.value, name, entries), libraries.via)
        facts = msgspec.structs.replace(facts, cuda=msgspec.structs.replace(facts.cuda, libraries=order))
    if isinstance(libcuda, Known):
        loaded = Known(_in_order(libcuda.value, name, entries), libcuda.via)
        facts = msgspec.structs.replace(facts, driver=msgspec.structs.replace(facts.driver, libcuda=loaded))
    return facts


def _in_order(found: tuple[Found, ...], origin: str, entries: list[str]) -> tuple[Found, ...]:
    """The copies that the variable names, in its order, then the others; those it named before are gone."""

    def place(one: Found) -> int | None:
        named = one.path if origin == "LD_PRELOAD" else one.path.rpartition("/")[0]
        return entries.index(named) if named in entries else None

    first = sorted((at, index) for index, one in enumerate(found) if (at := place(one)) is not None)
    named = tuple(msgspec.structs.replace(found[index], origin=origin) for _, index in first)
    return named + tuple(one for one in found if one.origin != origin and place(one) is None)


def _without_folders(facts: Facts, folders: Collection[str]) -> Facts:
    leaf = facts.packages.distributions
    if isinstance(leaf, Known):
        kept = Known(tuple(one for one in leaf.value if one.location.rstrip("/") not in folders), leaf.via)
        facts = msgspec.structs.replace(facts, packages=msgspec.structs.replace(facts.packages, distributions=kept))
    if isinstance(facts.python, Known):
        python = facts.python.value
        python = msgspec.structs.replace(
            python,
            pythonpath=_less(python.pythonpath, folders),
            site_dirs=_less_leaf(python.site_dirs, folders),
            sys_path=_less_leaf(python.sys_path, folders),
        )
        facts = msgspec.structs.replace(facts, python=Known(python, facts.python.via))
    return facts


def _less(paths: tuple[str, ...], folders: Collection[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if path.rstrip("/") not in folders)


def _less_leaf(leaf: Leaf[tuple[str, ...]], folders: Collection[str]) -> Leaf[tuple[str, ...]]:
    return Known(_less(leaf.value, folders), leaf.via) if isinstance(leaf, Known) else leaf


SEEN_WITH = frozenset({"driver", "gpu", "torch"})
"""What torch's own word of the GPU, in a pasted report, was said of."""


def not_seen(facts: Facts, changes: Iterable[str]) -> Facts:
    """A report without what torch said of the GPU there, where one of these is supposed to be another."""
    report = facts.report
    if report is None or report.asked_for_gpu is None or SEEN_WITH.isdisjoint(changes):
        return facts
    told = msgspec.structs.replace(report, asked_for_gpu=None)
    return msgspec.structs.replace(facts, pasted=msgspec.structs.replace(facts.pasted, value=told))
