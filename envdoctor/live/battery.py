"""Checks one after the other: each is announced before it runs and told at once, so that a hang has a name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, List, NamedTuple, Optional, Tuple

from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller


class Skip(Exception):  # noqa: N818 - it is no error
    """A check cannot run on this device; says why."""


class Measured(NamedTuple):
    """What a check came to; without ``bound`` it passes when it does not raise."""

    says: str
    """What was compared with what."""
    value: Optional[float] = None
    bound: Optional[float] = None
    unit: str = ""
    wrong: bool = False
    """The result is not what it must be."""


class Bench(NamedTuple):
    """What every check is given."""

    torch: Any
    device: str
    """cuda:0 or cpu."""
    capability: Tuple[int, int]
    """Compute capability; (0, 0) for a CPU."""
    scratch: str

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device != "cpu"

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        if self.on_gpu:
            self.torch.cuda.synchronize(self.device)


Check = Tuple[str, Callable[[Bench], Measured]]


def run(teller: Teller, bench: Bench, checks: List[Check], broken: str = "") -> str:
    """Run and tell every check.

    Args:
        teller: told each result.
        bench: what every check is given.
        checks: names, and what is run.
        broken: the check since which the device answers nothing; then none is run.

    Returns:
        the check since which the device answers nothing, or "".
    """
    for name, check in checks:
        if broken:
            tell(teller, name, "skipped", Measured(f"not tried: the device answers nothing since {broken} failed"), 0.0)
            continue
        teller.tell("phase", name=name)
        failed = False
        began = time.monotonic()
        try:
            measured = check(bench)
            bench.wait()
        except Skip as why:
            tell(teller, name, "skipped", Measured(str(why)), time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - whatever a kernel raises is the result
            tell(teller, name, "failed", Measured(one_line(error)), time.monotonic() - began)
            failed = True
        else:
            late = measured.value is not None and measured.bound is not None and not measured.value <= measured.bound
            tell(teller, name, "wrong" if measured.wrong or late else "passed", measured, time.monotonic() - began)
        # asked here, where the frames of the error, and the memory that they hold, are gone
        broken = name if failed and not alive(bench) else ""
    return broken


def alive(bench: Bench) -> bool:
    """Whether the device still adds one and one: after an illegal access a CUDA context answers every call with that error."""
    if not bench.on_gpu:
        return True
    try:
        return float((bench.torch.ones(1, device=bench.device) + 1).item()) == 2.0  # noqa: PLR2004
    except Exception as error:  # noqa: BLE001 - any error is the answer
        return "out of memory" in str(error)  # somebody else took it; the context lives


def tell(teller: Teller, name: str, state: str, measured: Measured, seconds: float) -> None:
    """One result."""
    teller.tell(
        "check", name=name, state=state, value=measured.value, bound=measured.bound, unit=measured.unit,
        says=measured.says, seconds=round(seconds, 4),
    )  # fmt: skip
