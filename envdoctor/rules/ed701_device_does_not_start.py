"""A device does not start: CUDA's context fails, hangs or kills the process.

## What it checks
With `check --deep`: whether each GPU (or the CPU, where there is none) could be started by torch in a process of its own, and
answered one small computation in time. One GPU that hangs does not hide the others.

## Why it breaks
A driver that does not fit, a fabric that is not set up, a GPU that fell off the bus or is held in exclusive mode: CUDA then
fails at its very first call, or never comes back from it, and so does every program that uses that GPU.

## What to do
Mend the cause that the error names; where it names none, look for the GPU's Xid errors in the kernel's log, and leave that
GPU out.

## Sources
- https://docs.nvidia.com/deploy/xid-errors/index.html
- https://docs.nvidia.com/datacenter/dcgm/latest/reference/command-line-reference/dcgmi/dcgmi-diag.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor import ran
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Doubt, Evidence, Finding, Joint, Kind, Layer, Severity
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.loaded import DeviceTried
    from envdoctor.matrix import Matrix

CODE = "ED701"
CAUSE = "device-does-not-start"
JOINT = Joint.DRIVER
QUESTION = "Can every device be started?"
EXPLAINED_BY = ("ED101", "ED104", "ED105", "ED106", "ED502", "ED102", "ED103", "ED505", "ED309", "ED706")

START = ("context", "its start", "import torch")
"""What a worker does before it has a device."""
XID = ("sudo", "dmesg", "--level", "err,warn")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding | Doubt]:  # noqa: ARG001 - the shape of every rule
    """One finding for all devices that fail with the same words."""
    devices = need(facts.live.devices)
    by_words: dict[str, list[DeviceTried]] = {}
    for one in devices:
        words = failure(one)
        if words is not None and one.during == "import torch" and torch_fails(facts):
            yield Doubt(QUESTION, f"{one.device} is tried with torch, which cannot be imported", (ran.subject(one.device),))
        elif words is not None:
            by_words.setdefault(words, []).append(one)
        elif one.ended is None and not one.checks:
            yield Doubt(QUESTION, f"nothing was told of {one.device}", (ran.subject(one.device),))
    for words, sick in by_words.items():
        yield finding(facts, words, sick, len(devices))


def torch_fails(facts: Facts) -> bool:
    """Whether the import of torch was tried by itself and failed: that is then the finding."""
    imports = facts.live.imports.value if isinstance(facts.live.imports, Known) else ()
    return any(one.module == "torch" and one.state != "imported" for one in imports)


def failure(one: DeviceTried) -> str | None:
    """How its start failed; None where it did not."""
    for each in one.checks:
        if each.name == "context" and each.state in {"failed", "wrong"}:
            return each.says
    if one.ended is not None and one.during in START:
        return f"{one.ended}, during: {one.during}"
    return None


def finding(facts: Facts, words: str, sick: list[DeviceTried], count: int) -> Finding:
    """The finding; what the words mean, where they are known, is its why."""
    known = ran.meaning(words, sick[0].said)
    via = facts.live.devices.via if isinstance(facts.live.devices, Known) else ""
    names = ran.called(sick[0]) if len(sick) == 1 else f"{len(sick)} of {plural(count, 'device')}"
    importing = all(one.during == "import torch" for one in sick)
    on_gpu = sick[0].device != "cpu"
    last = next((line.strip() for line in reversed(sick[0].said.splitlines()) if line.strip()), "")
    what = "be tried, since torch does not import" if importing else "be started"
    return Finding(
        code=CODE,
        title=f"{names} cannot {what}: {known.title if known is not None else words[:100]}",
        severity=Severity.ERROR,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=(
            *(ran.subject(one.device) for one in sick),
            *(("__driver", "__gpu") if on_gpu and not importing else ()),
            *(("torch",) if importing else ()),
        ),
        why=known.why if known is not None else "Every program that uses it fails or hangs at its first call.",
        evidence=(
            *(Evidence(f"start of {one.device}", failure(one) or words, via) for one in sick),
            *(
                [Evidence("it printed last", last, f"the process that tried {sick[0].device}")]
                if last and last not in words
                else []
            ),
        ),
        sources=known.signature.sources if known is not None else (ran.DIAG,),
        changes=(ran.advised(known),) if known is not None else tuple(left_out(facts, sick)) if on_gpu and not importing else (),
    )


def left_out(facts: Facts, sick: list[DeviceTried]) -> Iterator[Change]:
    """Look for what the kernel says of the GPU, and have NVIDIA's own diagnosis judge it."""
    which = [index for one in sick if (index := ran.physical(facts, one.device)) is not None]
    listed = ("-i", ",".join(which)) if which else ()
    yield Change(
        kind=Kind.HARDWARE,
        says="Read what the driver says of it (Xid, ECC), have it diagnosed, and use the other GPUs until then.",
        argv=(XID, ("nvidia-smi", *listed, "-q", "-d", "ECC,ROW_REMAPPER"), ("dcgmi", "diag", "-r", "3")),
    )
