"""The image on a real GPU. The engine's word is not enough: some say yes and give none, so it is looked at from inside."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal

import msgspec

from envdoctor.engine.containers import run
from envdoctor.examine import Wishes, examine
from envdoctor.facts import MAX_DOCUMENT_BYTES, BadDocument, Known, decode
from envdoctor.findings import Severity
from envdoctor.wording import harmless, plural

if TYPE_CHECKING:
    from envdoctor.engine.client import Engine
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

GPU_NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
LOOK = ("/opt/envdoctor/bin/envdoctor", "facts", "/opt/venv")
DEADLINE_S = 60.0
NO_SMOKE = "the training smoke is not part of this envdoctor yet"


class Tried(msgspec.Struct, frozen=True):
    """What came of it."""

    state: Literal["passed", "failed", "not run"]
    says: str
    gpus: tuple[str, ...] = ()
    """Their names as seen in the container."""


def tried(engine: Engine, reference: str, *, wanted: bool, gpu: str | None, matrix: Matrix) -> Tried:
    """Start the image with all GPUs and look from inside at what is there.

    Args:
        engine: where it is loaded.
        reference: the image.
        wanted: False: --no-smoke.
        gpu: the GPU that the lock is for; None: for none.
        matrix: the compatibility data.

    Raises:
        UserError: the engine cannot hand out its GPUs; says what is lacking.
    """
    if not wanted:
        return Tried("not run", "left out by --no-smoke")
    if gpu is None:
        return Tried("not run", "the lock is for a machine without a GPU")
    if not engine.socket.startswith("unix:") or not any(os.path.exists(node) for node in GPU_NODES):
        return Tried("not run", "no GPU is on this machine")
    started = time.monotonic()
    ran = run(engine, reference, LOOK, gpus=True, deadline_s=DEADLINE_S, max_bytes=MAX_DOCUMENT_BYTES)
    try:
        facts = decode(ran.out)
    except BadDocument as bad:
        said = harmless(ran.err.decode("utf-8", "replace").strip()[-200:])
        return Tried("failed", f"envdoctor in the container (exit status {ran.status}) gave no answer: {bad}. {said}")
    return seen(facts, matrix, started)


def seen(facts: Facts, matrix: Matrix, started: float) -> Tried:
    """What the facts from inside the container say: GPUs must be there, and the rules must find no error on them."""
    devices = facts.gpus.devices
    if not isinstance(devices, Known):
        return Tried("failed", f"whether the container has a GPU could not be told: {devices.why}")
    if not devices.value:
        return Tried("failed", "the engine started the container as if with its GPUs, and inside there is none")
    names = tuple(one.name.value if isinstance(one.name, Known) else "a GPU that does not say its name" for one in devices.value)
    _, report = examine(facts, matrix, Wishes(), started, remedies=False)
    errors = [one.root for one in report.diagnoses if one.root.severity is Severity.ERROR]
    if errors:
        return Tried("failed", f"on this GPU the rules find {errors[0].code} {errors[0].title}", names)
    return Tried("passed", f"inside the container: {plural(len(names), 'GPU')} ({names[0]}), no error; {NO_SMOKE}", names)
