"""What a lock assumes of the interpreter and the machine, against what is here. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.compare import minor
from envdoctor.departures import Departure, Untold, What
from envdoctor.facts import Unknown
from envdoctor.views import driver_version, parsed, virtual

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.locks.document import Lock

ABOVE = "newer than the lock was judged for; `envdoctor check` of the environment says whether its packages have code for it"


def assumed(lock: Lock, facts: Facts) -> Iterator[Departure | Untold]:
    """The interpreter and the machine, against what the lock assumes."""
    python = facts.python
    if isinstance(python, Unknown):
        yield Untold(f"whether the interpreter is Python {lock.python}", python.why)
    elif minor(python.value.version) != minor(lock.python):
        found = python.value.version
        yield Departure(what=What.PYTHON, name="Python", locked=lock.python, found=found, says="", via=python.via)
    libc = facts.host.libc
    if isinstance(libc, Unknown):
        yield Untold(f"whether the C library is glibc {lock.glibc} or newer", libc.why)
    elif libc.value.name != "glibc" or _below(libc.value.version, lock.glibc):
        found = f"{libc.value.name} {libc.value.version}"
        yield Departure(what=What.GLIBC, name="C library", locked=f"glibc {lock.glibc}", found=found, says="", via=libc.via)
    if lock.gpu is not None:
        yield from _gpu(lock, facts)


def _gpu(lock: Lock, facts: Facts) -> Iterator[Departure | Untold]:
    driver = driver_version(facts)
    if lock.driver_floor is not None:
        if isinstance(driver, Unknown):
            yield Untold(f"whether the driver is {lock.driver_floor} or newer", driver.why)
        elif driver.value is None or _below(driver.value, lock.driver_floor):
            yield Departure(
                what=What.DRIVER, name="driver", locked=lock.driver_floor, found=driver.value, says="", via=driver.via
            )
    if lock.compute_capability is None:
        return
    lowest = virtual(facts, "__sm")
    wanted = parsed(lock.compute_capability)
    if isinstance(lowest, Unknown):
        yield Untold(f"whether the GPU is of compute capability {lock.compute_capability}", lowest.why)
    elif wanted is None or lowest.value != wanted:
        above = lowest.value is not None and wanted is not None and lowest.value > wanted
        yield Departure(
            what=What.GPU,
            name="GPU",
            locked=f"{lock.gpu} (compute capability {lock.compute_capability})",
            found=None if lowest.value is None else f"compute capability {lowest.value}",
            says=ABOVE if above else "",
            via=lowest.via,
        )


def _below(found: str, floor: str) -> bool:
    """Whether the version is lower; one that cannot be read is taken as lower, since nothing speaks for it."""
    here, least = parsed(found), parsed(floor)
    return here is None or (least is not None and here < least)


def above(one: Departure) -> bool:
    """A GPU newer than the lock's is no drift by itself: whether the stack has code for it is for the rules."""
    return one.what is What.GPU and one.says == ABOVE
