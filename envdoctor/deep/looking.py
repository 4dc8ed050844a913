"""Everything that is run for ``check --deep``, one after the other, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envdoctor.deep.between import CPU_RANKS, collective, pairs
from envdoctor.deep.devices import devices_of, tried
from envdoctor.deep.imports import imported
from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.loaded import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.facts import Facts, Leaf
    from envdoctor.loaded import CollectiveTried, DeviceTried, ImportTried, PairTried


class Asked(NamedTuple):
    """What of the deep check is wanted."""

    devices: bool = True
    imports: bool = True


def look(facts: Facts, interpreter: str, asked: Asked, say: Callable[[str], None]) -> Live:
    """Run it all.

    Args:
        facts: of the environment, as probed.
        interpreter: the target's Python.
        asked: which parts.
        say: told in a few words what is done now.

    Raises:
        UserError: the interpreter cannot be started.
    """
    devices: Leaf[tuple[DeviceTried, ...]] = Unknown("it was not asked for")
    between: Leaf[tuple[PairTried, ...]] = Unknown("it was not asked for")
    reduced: Leaf[CollectiveTried | None] = Unknown("it was not asked for")
    if asked.devices:
        devices, between, reduced = _devices(facts, interpreter, say)
    imports: Leaf[tuple[ImportTried, ...]] = Unknown("it was not asked for")
    if asked.imports:
        try:
            imports = Known(imported(facts, interpreter, say), "imported in fresh processes of the target's Python")
        except NotObserved as lack:
            imports = Unknown(lack.why)
    return Live(devices=devices, pairs=between, collective=reduced, imports=imports)


def well(one: DeviceTried) -> bool:
    """Whether a device works by itself; a package that ended the process when it was imported for it says nothing of that."""
    begun = bool(one.checks) and one.checks[0].state == "passed"
    return begun and (one.ended is None or (one.during or "").startswith("import "))


def _devices(
    facts: Facts, interpreter: str, say: Callable[[str], None]
) -> tuple[Leaf[tuple[DeviceTried, ...]], Leaf[tuple[PairTried, ...]], Leaf[CollectiveTried | None]]:
    """Each device by itself, one after the other, since they share the host's memory and its links; then all together."""
    names = devices_of(facts)
    if isinstance(names, Unknown):
        return names, names, names
    found = tuple(tried(facts, interpreter, name, say, first=name == names[0]) for name in names)
    devices = Known(found, "kernels run by torch in the target's Python")
    sick = [one for one in found if not well(one)]
    if sick:
        # NCCL would hang on it until its own deadline, and tell nothing new
        how = sick[0].ended or "it cannot be started"
        why = Unknown(f"{sick[0].device} does not work by itself ({how}), so nothing was tried with others")
        return devices, why, why
    if names == ("cpu",):
        return devices, Known((), "there is no GPU"), collective(interpreter, CPU_RANKS, "gloo", say)
    if len(names) == 1:
        return devices, Known((), "there is one GPU"), Known(None, "there is one GPU")
    return devices, pairs(interpreter, len(names), say), collective(interpreter, len(names), "nccl", say)
