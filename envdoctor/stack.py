"""The stack as layers, from GPU to trainer: what was found in each, and whether its joint holds. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.findings import Joint, Outcome, Severity
from envdoctor.views import ENGINES, TRAINERS, distributions, driver_version, torch_cuda
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envdoctor.facts import Facts, Gpu
    from envdoctor.findings import Verdict


NAMED = 3
"""Packages that are named in a row; the findings below it name them all."""
UNKNOWN = "unknown"
"""How a layer is written that could not be read."""


class State(enum.Enum):
    """Of a joint. ABSENT: the layer is not there, so there is nothing to hold."""

    HOLDS = "holds"
    WEAK = "weak"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    ABSENT = "absent"


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One row: the layer's name, what was found, the state of its joint, and the codes that made it so."""

    name: str
    found: str
    joint: Joint
    state: State
    codes: tuple[str, ...]


def layers(facts: Facts, verdicts: Iterable[Verdict]) -> tuple[Layer, ...]:
    """The rows from the machine up to the trainer."""
    verdicts = tuple(verdicts)
    rows = (
        ("machine", _machine(facts), Joint.MACHINE),
        ("driver", _driver(facts), Joint.DRIVER),
        ("cuda", _cuda(facts), Joint.CUDA),
        ("python", _python(facts), Joint.PYTHON),
        ("torch", _torch(facts), Joint.TORCH),
        ("engine", _packages(facts, ENGINES), Joint.ENGINE),
        ("trainer", _packages(facts, (*TRAINERS, "transformers")), Joint.TRAINER),
    )
    return tuple(_layer(name, found, joint, verdicts) for name, found, joint in rows)


def _layer(name: str, found: str | None, joint: Joint, verdicts: tuple[Verdict, ...]) -> Layer:
    # the error of a pasted report belongs to no layer by itself: what it means may lie anywhere below
    here = [verdict for verdict in verdicts if verdict.joint is joint and not verdict.code.startswith("ED8")]
    failed = [verdict for verdict in here if verdict.outcome is Outcome.FAIL]
    errors = [one.code for one in failed if any(finding.severity is Severity.ERROR for finding in one.findings)]
    warnings = [one.code for one in failed if any(finding.severity is Severity.WARNING for finding in one.findings)]
    open_questions = [one.code for one in here if one.doubts or one.outcome is Outcome.CRASH]
    if errors:
        state, codes = State.BROKEN, errors
    elif warnings:
        state, codes = State.WEAK, warnings
    elif found is None:
        state, codes = State.ABSENT, []
    elif open_questions or not here or found.startswith(UNKNOWN):
        state, codes = State.UNKNOWN, open_questions
    else:
        state, codes = State.HOLDS, []
    return Layer(name=name, found=found or _instead(failed), joint=joint, state=state, codes=tuple(codes))


def _instead(failed: list[Verdict]) -> str:
    """What to write where a layer has nothing of its own: that there is none, and whom the findings at its joint are about."""
    blamed = dict.fromkeys(name for verdict in failed for one in verdict.findings for name in one.subjects[:1])
    names = [name for name in blamed if not name.startswith("__")]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"none; found in {', '.join(names[:NAMED])}{more}" if names else "none"


def _machine(facts: Facts) -> str:
    host = facts.host
    parts = [leaf.value for leaf in (host.os_name, host.arch) if isinstance(leaf, Known)]
    if isinstance(host.libc, Known):
        parts.insert(1, f"{host.libc.value.name} {host.libc.value.version}")
    if isinstance(host.wsl, Known) and host.wsl.value:
        parts.append(f"WSL{host.wsl.value}")
    if isinstance(facts.container.runtime, Known) and facts.container.runtime.value:
        parts.append(f"in {facts.container.runtime.value}")
    return ", ".join(parts) or "unknown"


def gpu_summary(facts: Facts) -> str | None:
    """Say "8 x NVIDIA H100 80GB HBM3 (sm_90, 80 GiB)"; None if NVML lists none, "GPUs unknown" if it could not tell."""
    if isinstance(facts.gpus.devices, Unknown):
        return "GPUs unknown"
    kinds: dict[str, int] = {}
    for gpu in facts.gpus.devices.value:
        kind = _gpu(gpu)
        kinds[kind] = kinds.get(kind, 0) + 1
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items()) or None


def _gpu(gpu: Gpu) -> str:
    name = gpu.name.value if isinstance(gpu.name, Known) else "a GPU that did not answer"
    facts = []
    if isinstance(gpu.compute_capability, Known):
        facts.append("sm_" + gpu.compute_capability.value.replace(".", ""))
    if isinstance(gpu.memory_total_mib, Known):
        facts.append(f"{gpu.memory_total_mib.value / 1024:.0f} GiB")
    return f"{name} ({', '.join(facts)})" if facts else name


def _driver(facts: Facts) -> str | None:
    version, gpus = driver_version(facts), gpu_summary(facts)
    if isinstance(version, Unknown):
        return f"unknown; {gpus}" if gpus else "unknown"
    if version.value is None:
        return None
    return f"{version.value}; {gpus or 'no GPU'}"


def _cuda(facts: Facts) -> str | None:
    cuda, api = torch_cuda(facts), facts.driver.cuda_api
    reaches = f"; the driver goes up to {api.value}" if isinstance(api, Known) and api.value else ""
    if isinstance(cuda, Unknown):
        return f"unknown{reaches}"
    return f"{cuda.value} in torch{reaches}" if cuda.value else None


def _python(facts: Facts) -> str:
    if isinstance(facts.python, Unknown):
        return f"unknown: {facts.python.why}"
    python = facts.python.value
    threads = ", free-threaded" if python.free_threaded else ""
    try:
        count = f", {plural(len(distributions(facts)), 'distribution')}"
    except NotObserved:
        count = ""
    return f"{python.version} ({python.kind}{threads}){count}"


def _torch(facts: Facts) -> str | None:
    build = facts.builds.torch
    if isinstance(build, Unknown):
        return "unknown"
    if build.value is None:
        return None
    archs = build.value.gpu_archs
    span = f", {archs.value[0]} .. {archs.value[-1]}" if isinstance(archs, Known) and archs.value else ""
    kind = f"CUDA {build.value.cuda}" if build.value.cuda else f"ROCm {build.value.hip}" if build.value.hip else "CPU build"
    return f"{build.value.version} ({kind}{span})"


def _packages(facts: Facts, names: tuple[str, ...]) -> str | None:
    try:
        present = distributions(facts)
    except NotObserved:
        return "unknown"
    said = ", ".join(f"{name} {present[name].version}" for name in names if name in present) or None
    report = facts.report
    return UNKNOWN if said is None and report is not None and not report.complete_packages else said
