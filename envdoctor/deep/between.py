"""Between devices: copies of each pair of GPUs, and an all-reduce over all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.deep.devices import SAME_ORDER, TORCH_S
from envdoctor.deep.hearing import hear
from envdoctor.facts import Known, Unknown
from envdoctor.loaded import CollectiveTried, PairTried
from envdoctor.workers import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.deep.hearing import Heard

PAIR_S, PAIRS_S = 30.0, 90.0
"""For one pair, the first touch of its GPUs included, and for all 56 of 8 GPUs: 4 copies of 256 MiB take 0.1 s over PCIe."""
REDUCE_S = 60.0
"""For an all-reduce once torch is imported: NCCL's start on eight GPUs that nothing keeps awake is most of it."""
ENDING_S = 30.0
"""More, in which the processes say which of them keeps the others waiting, and end."""
COPYING = re.compile(r"copy cuda:(\d+) to cuda:(\d+)")
CPU_RANKS = 2
NCCL = re.compile(r"NCCL (?:WARN|ERROR)")
TELLING = re.compile(r"NCCL (?:WARN|ERROR)|Watchdog|timed? ?out|Error:|error_file|rank +:|Signal", re.IGNORECASE)
"""Lines that say why an all-reduce ended, among what torch.distributed.run prints around them."""


def excerpt(heard: Heard, lines: re.Pattern[str]) -> str:
    """The last lines of such a kind among what the processes printed, as the end of a sentence."""
    last = dict.fromkeys(line.strip() for line in heard.ended.said.splitlines() if lines.search(line))
    return f"; it said: {' | '.join(list(last)[-3:])[:1000]}" if last else ""


def pairs(interpreter: str, count: int, say: Callable[[str], None]) -> Known[tuple[PairTried, ...]] | Unknown:
    """Every pair of so many GPUs. Raises UserError when the interpreter cannot be started."""
    wanted = Wanted(interpreter, "live", ("pairs", str(count), str(PAIR_S)), TORCH_S + PAIRS_S, SAME_ORDER)
    heard = hear(wanted, say)
    found = heard.of("pair", PairTried)
    fate = heard.fate(TORCH_S + PAIRS_S)
    copying = COPYING.fullmatch(heard.during())
    if fate is not None and copying is not None:  # the copy that hung or killed is a result, and the ones before it stay
        first, second = map(int, copying.groups())
        hung = PairTried(first=first, second=second, peer_access=None, link=None, gb_per_s=None, says=fate)
        found = (*found, hung)
    if fate is None or found:
        return Known(found, f"copies between {count} GPUs, by torch in the target's Python")
    return Unknown(f"{fate}, during: {heard.during()}")


def collective(interpreter: str, devices: int, backend: str, say: Callable[[str], None]) -> Known[CollectiveTried | None]:
    """An all-reduce, one process a device. Raises UserError when the interpreter cannot be started.

    Args:
        interpreter: the target's Python.
        devices: how many processes.
        backend: nccl, or gloo on CPUs.
        say: told what is done now.
    """
    # the words of NCCL's own warnings are the only trace of a hang inside it
    environ = {**SAME_ORDER, "NCCL_DEBUG": "WARN"}
    words, limit = ("collective", backend, str(REDUCE_S)), TORCH_S + REDUCE_S + ENDING_S
    wanted = Wanted(interpreter, "live", words, limit, environ, ranks=devices)
    heard = hear(wanted, say)
    via = f"an all-reduce by {backend} over {devices} processes of the target's Python"
    found = heard.of("collective", CollectiveTried)
    if found:
        one = found[0]
        told = excerpt(heard, NCCL) if one.state in {"failed", "late"} else ""
        return Known(msgspec.structs.replace(one, says=one.says + told), via)
    fate = heard.fate(limit) or "nothing was told"
    state = "late" if fate.startswith("no answer") else "failed"
    says = f"{fate}, during: {heard.during()}{excerpt(heard, TELLING)}"
    return Known(CollectiveTried(backend=backend, devices=devices, state=state, bus_gb_per_s=None, says=says), via)
