"""The stack as the HTML page draws it: layers from the trainer down to the machine, and what is known of each joint. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envdoctor.facts import Known, NotObserved
from envdoctor.findings import Joint, Layer, Severity
from envdoctor.render.preflight.html_facts import told
from envdoctor.render.preflight.html_problems import MAX_WAIVED, about
from envdoctor.render.preflight.html_words import BAD, GOOD, LEVELS, NONE, OPEN, WEAK, capped, truth
from envdoctor.stack import State
from envdoctor.views import ENGINES, TRAINERS, distributions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envdoctor.facts import Facts
    from envdoctor.preflight.outcome import JointRow, Preflight, Problem
    from envdoctor.render.preflight.html_problems import Named

STYLES = {State.HOLDS: GOOD, State.WEAK: WEAK, State.BROKEN: BAD, State.UNKNOWN: OPEN, State.ABSENT: NONE}
WORDS = {State.HOLDS: "holds", State.WEAK: "weak", State.BROKEN: "broken", State.UNKNOWN: "unknown", State.ABSENT: "absent"}
MEANS = {
    State.HOLDS: "Nothing was found wrong at this joint.",
    State.WEAK: "Something here can cost a run.",
    State.BROKEN: "Something here stops a run.",
    State.UNKNOWN: "Not all that had to be known of this joint could be read.",
    State.ABSENT: "There is no such layer here, so there is nothing to hold.",
}
BETWEEN = {
    Joint.MACHINE: "system, C library, limits",
    Joint.DRIVER: "driver and GPU",
    Joint.CUDA: "CUDA against the driver",
    Joint.PYTHON: "interpreter and packages",
    Joint.TORCH: "torch and its family",
    Joint.ENGINE: "engine against torch",
    Joint.TRAINER: "trainer against engine",
}
"""What meets at each joint."""
GRAVITY = (State.BROKEN, State.WEAK)
READ = {
    Joint.MACHINE: ("operating system", "C library", "kernel", "container", "shared memory", "device nodes"),
    Joint.DRIVER: ("driver", "GPUs", "compute capability", "libcuda", "fabric manager"),
    Joint.CUDA: ("torch built for", "driver", "CUDA toolkits"),
    Joint.PYTHON: ("Python", "kind of environment", "packages of the system"),
    Joint.TORCH: ("torch built for", "torch's GPU code", "torch's C++ ABI", "torchvision built as", "torchaudio built as"),
    Joint.ENGINE: ("vllm's CUDA runtime",),
    Joint.TRAINER: (),
}
"""Machine facts that a joint rests on, by their names in :mod:`envdoctor.traits`."""
PACKAGES = {
    Joint.TORCH: ("torch",),
    Joint.ENGINE: (*ENGINES, "torch"),
    Joint.TRAINER: (*TRAINERS, "transformers"),
}
"""Distributions that it rests on."""
ON_DEVICES = frozenset({Joint.DRIVER, Joint.CUDA, Joint.TORCH})
MAX_HERE = 3
"""Problems that a joint tells itself; all of them stand among the root causes."""
MAX_CODES = 6
MAX_READ = 12


def stack(found: Preflight, known: Mapping[str, Named]) -> list[dict[str, Any]]:
    """The layers from the top down; each with the joint below it."""
    return [_layer(row, found, known) for row in reversed(found.stack)]


def _layer(row: JointRow, found: Preflight, known: Mapping[str, Named]) -> dict[str, Any]:
    joint = next((one for one in Joint if one.value == row.name), None)
    here = [one for one in found.problems if joint is not None and one.joint is joint]
    state, layer = _judged(row, here)
    told_here, left = capped(here, MAX_HERE)
    codes, codes_left = capped(tuple(dict.fromkeys((*row.codes, *(one.code for one in here)))), MAX_CODES)
    return {
        "name": row.name,
        "found": row.found,
        "state": WORDS[state],
        "style": STYLES[state],
        "means": MEANS[state],
        "between": row.name if joint is None else BETWEEN[joint],
        "truth": truth(layer),
        "codes": codes,
        "codes_left": codes_left,
        "problems": [about(one) | _reference(one, known) for one in told_here],
        "problems_left": left,
        "waived": [
            {"id": f"waived-{number}", "code": one.problem.code, "title": one.problem.title}
            for number, one in enumerate(found.waived[:MAX_WAIVED], 1)
            if joint is not None and one.problem.joint is joint
        ][:MAX_HERE],
        "questions": [
            {"question": one.question, "why": one.why} for one in found.questions if one.code in row.codes
        ][:MAX_HERE],
        "read": list(_read(joint, found.facts))[:MAX_READ] if joint is not None and found.facts is not None else [],
    }  # fmt: skip


def _reference(problem: Problem, known: Mapping[str, Named]) -> dict[str, Any]:
    card = known.get(problem.fingerprint)
    return {"id": card.id if card else None, "number": card.number if card else None, "known": problem.known}


def _judged(row: JointRow, here: list[Problem]) -> tuple[State, Layer | None]:
    """The state with the layer of truth that spoke: what a later tier found here is not overruled by the rules' silence."""
    grave = {Severity.ERROR: State.BROKEN, Severity.WARNING: State.WEAK}
    spoken = [(grave[one.severity], one.layer) for one in here if one.severity in grave]
    states = [state for state, _ in spoken] + ([row.state] if row.state in GRAVITY else [])
    if not states:
        return row.state, row.truth
    worst = min(states, key=GRAVITY.index)
    layers = [layer for state, layer in spoken if state is worst]
    if row.state is worst and row.truth is not None:
        layers.append(row.truth)
    return worst, max(layers, key=lambda layer: LEVELS[layer], default=None)


def _read(joint: Joint, facts: Facts) -> Iterator[dict[str, Any]]:
    """What was read of a joint, each with where: packages, machine facts, and what was really run."""
    try:
        present = distributions(facts)
    except NotObserved:
        present = {}
    for name in PACKAGES.get(joint, ()):
        if name in present:
            one = present[name]
            yield {"what": name, "value": one.version, "via": f"{one.location}/{one.metadata_dir}"}
    traits = told(facts)
    for name in READ[joint]:
        if name in traits:
            yield {"what": name, "value": traits[name]["value"], "via": traits[name]["via"]}
    yield from _ran(joint, facts)


def _ran(joint: Joint, facts: Facts) -> Iterator[dict[str, Any]]:
    devices, imports = facts.live.devices, facts.live.imports
    if joint in ON_DEVICES and isinstance(devices, Known):
        for device in devices.value:
            passed = sum(one.state == "passed" for one in device.checks)
            yield {"what": f"ran on {device.device}", "value": f"{passed} of {len(device.checks)} passed", "via": devices.via}
    if isinstance(imports, Known):
        for tried in imports.value:
            if tried.package in PACKAGES.get(joint, ()):
                yield {"what": f"import {tried.module}", "value": tried.error or tried.state, "via": imports.via}
