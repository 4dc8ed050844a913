"""Facts without what differs from moment to moment: equal nodes are found equal, and judged once. Pure.

What is left out is read by no rule (a test holds it against their source), so that one judgement holds for all whose rest is
equal.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from envdoctor.facts import Known, Unknown

if TYPE_CHECKING:
    from envdoctor.facts import Facts, Gpu, Gpus
    from envdoctor.leaf import Leaf

S = TypeVar("S", int, "int | None")

LEFT_OUT = ("taken_at", "probe_seconds", "target", "caches", "memory_free_mib")
"""Fields of the facts: when and how long it was looked, how it was named, free space, free memory of GPUs."""
ROUND_BYTES = 1 << 30
"""Two machines of one kind differ by some pages of memory; rules ask for less than ten times this."""
_NOT_COMPARED = Unknown("not compared between nodes")


def digest(facts: Facts) -> bytes:
    """32 bytes, the same for facts that differ only in what is left out."""
    return hashlib.sha256(msgspec.json.encode(quieted(facts), order="deterministic")).digest()


def quieted(facts: Facts) -> Facts:
    """The facts without what is left out, and with large sizes of memory rounded to GiB."""
    replace = msgspec.structs.replace
    return replace(
        facts,
        taken_at="",
        probe_seconds=0.0,
        target=replace(facts.target, spec="", chosen="", broken=None),
        host=replace(facts.host, memory_bytes=_rounded(facts.host.memory_bytes), caches=_NOT_COMPARED),
        gpus=_gpus(facts.gpus),
        container=replace(facts.container, shm_bytes=_rounded(facts.container.shm_bytes)),
        linking=replace(facts.linking, seconds=0.0),
        names=replace(facts.names, seconds=0.0),
    )


def _rounded(leaf: Leaf[S]) -> Leaf[S]:
    if isinstance(leaf, Known) and leaf.value is not None and leaf.value > 10 * ROUND_BYTES:
        return Known(round(leaf.value / ROUND_BYTES) * ROUND_BYTES, leaf.via)
    return leaf


def _gpus(gpus: Gpus) -> Gpus:
    devices = gpus.devices
    if isinstance(devices, Unknown):
        return gpus
    return msgspec.structs.replace(gpus, devices=Known(tuple(map(_gpu, devices.value)), devices.via))


def _gpu(gpu: Gpu) -> Gpu:
    return msgspec.structs.replace(gpu, memory_free_mib=_NOT_COMPARED)
