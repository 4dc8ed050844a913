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
    from envdoctor.engine.containers import Ran
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

GPU_NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
LOOK = ("/opt/envdoctor/bin/envdoctor", "facts", "/opt/venv")
DEADLINE_S = 60.0
SCRATCH = "/tmp"  # noqa: S108 - in the container, of its own
CACHES = ("HOME", "XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "VLLM_CACHE_ROOT", "FLASHINFER_WORKSPACE_BASE")
SMOKE = (
    "/usr/bin/env",
    *(f"{name}={SCRATCH}" for name in CACHES),
    *("/opt/envdoctor/bin/envdoctor", "smoke", "/opt/venv", "--device", "cuda", "--format", "json", "--no-certificate"),
)
"""Nothing but /tmp can be written to there."""
SMOKE_DEADLINE_S = 900.0
"""The budget, twice, and what a cold vLLM may take to start (envdoctor.proving.asked)."""
SCRATCH_BYTES = 8 << 30
MAX_REPORT_BYTES = 8 << 20


class _Cause(msgspec.Struct, frozen=True):
    title: str


class _Invariant(msgspec.Struct, frozen=True):
    key: str
    state: str
    value: str


class _Report(msgspec.Struct, frozen=True):
    """What is read of smoke-1.json; a container's words are hostile."""

    schema_version: Literal[1]
    engine: str
    passed: bool
    cause: _Cause | None
    invariants: tuple[_Invariant, ...]
    seconds: float


class Tried(msgspec.Struct, frozen=True):
    """What came of it."""

    state: Literal["passed", "failed", "not run"]
    says: str
    gpus: tuple[str, ...] = ()
    """Their names as seen in the container."""


def tried(engine: Engine, reference: str, *, wanted: bool, gpu: str | None, matrix: Matrix) -> Tried:
    """Start the image with all GPUs, look from inside at what is there, and train by GRPO in it for some seconds.

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
    found = seen(facts, matrix, started)
    if found.state != "passed":
        return found
    smoked = run(
        engine, reference, SMOKE, gpus=True, scratch_bytes=SCRATCH_BYTES, deadline_s=SMOKE_DEADLINE_S, max_bytes=MAX_REPORT_BYTES
    )
    return trained(smoked, found)


def trained(ran: Ran, found: Tried) -> Tried:
    """What the smoke in the container came to.

    Args:
        ran: how it ended; it prints its report as JSON.
        found: what was seen before it.
    """
    try:
        report = msgspec.json.decode(ran.out, type=_Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        said = harmless(ran.err.decode("utf-8", "replace").strip()[-200:])
        what = f"envdoctor smoke in the container (exit status {ran.status}) gave no report: {harmless(str(bad))}. {said}"
        return Tried("failed", what, found.gpus)
    broken = [one for one in report.invariants if one.state == "broken"]
    if not report.passed or broken or ran.status:
        cause = harmless(report.cause.title[:300]) if report.cause is not None else f"exit status {ran.status}"
        named = "; ".join(f"{one.key} {one.value}" for one in broken[:3])
        return Tried(
            "failed", f"GRPO does not train in the container: {cause}{harmless(f' ({named})') if named else ''}", found.gpus
        )
    held = sum(one.state == "held" for one in report.invariants)
    engine = harmless(report.engine[:40])
    return Tried(
        "passed", f"{found.says}; GRPO trains there ({engine}, {held} invariants held, {report.seconds:.0f} s)", found.gpus
    )


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
    return Tried("passed", f"inside the container: {plural(len(names), 'GPU')} ({names[0]}), no error", names)
