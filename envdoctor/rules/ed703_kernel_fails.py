"""A kernel fails or hangs: attention, torch.compile, Triton, a CUDA graph, a product.

## What it checks
With `check --deep`: each thing that the stack asks of a device, one after the other: whether it came to its end without an
error and in time, and if not, in which one the process hung or died. What the device or the packages are not made for is skipped
and is no finding.

## Why it breaks
Kernels are built for some GPUs, made on the spot by a compiler that must be there, or written for another release of torch.
A package imports well and fails at the first token; vLLM then says only "Engine core initialization failed".

## What to do
Mend what the error names; until then the stack can be told to use another kernel (the remedy says which switch).

## Sources
- https://docs.pytorch.org/docs/stable/torch.compiler_troubleshooting.html
- https://docs.nvidia.com/deploy/xid-errors/index.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envdoctor import ran
from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity
from envdoctor.rules.ed701_device_does_not_start import START, XID
from envdoctor.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.loaded import DeviceTried
    from envdoctor.matrix import Matrix

CODE = "ED703"
CAUSE = "kernel-fails"
JOINT = Joint.TORCH
QUESTION = "Does every kernel that the stack would use come to its end?"
EXPLAINED_BY = (
    "ED702", "ED107", "ED109", "ED103", "ED102", "ED104", "ED105", "ED309", "ED308", "ED310", "ED302", "ED303", "ED304", "ED305",
    "ED306", "ED706",
)  # fmt: skip

INSTEAD = {
    "attention flash-attn": 'Load models with attn_implementation="sdpa" until then.',
    "torch.compile": "Run without compiling until then: TORCHDYNAMO_DISABLE=1, and vLLM with --enforce-eager.",
    "triton kernel": "Run without Triton's kernels until then: TORCHDYNAMO_DISABLE=1 for torch.compile.",
    "cuda graph": "Run without CUDA graphs until then: vLLM with --enforce-eager.",
}
"""Check -> what the stack can do without it."""
THE_END = "the end of the process"
INNERMOST = "(most recent call first):"
"""What faulthandler writes above the frames of a thread."""
LINES = 3


class Failed(NamedTuple):
    """One check that did not come to its end on some devices."""

    name: str
    words: str
    hung: bool
    """The process hung or died in it; False: it raised."""
    devices: tuple[DeviceTried, ...]


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """One finding for a check that fails with the same words, on however many devices."""
    devices = need(facts.live.devices)
    found: dict[tuple[str, str, bool], list[DeviceTried]] = {}
    for one in devices:
        for each in one.checks:
            if each.state == "failed" and each.name != "context":
                found.setdefault((each.name, each.says, False), []).append(one)
        if one.ended is not None and one.during not in START:
            found.setdefault((one.during or "something", one.ended, True), []).append(one)
    for (name, words, hung), sick in found.items():
        yield finding(facts, Failed(name, words, hung, tuple(sick)), len(devices))


def finding(facts: Facts, failed: Failed, count: int) -> Finding:
    """The finding; what the error's words mean is its why, where they are known."""
    first = failed.devices[0]
    known = ran.meaning(failed.words, first.said if failed.hung else "")
    where = ran.called(first) if len(failed.devices) == 1 else f"{len(failed.devices)} of {plural(count, 'device')}"
    via = facts.live.devices.via if isinstance(facts.live.devices, Known) else ""
    ending = failed.name == THE_END
    what = (
        f"the process that tried {where} did not end well"
        if ending
        else f"{failed.name} {'hangs or dies' if failed.hung else 'fails'} on {where}"
    )
    printed = told_last(first.said) if failed.hung else []
    return Finding(
        code=CODE,
        title=f"{what}: {known.title if known is not None else failed.words[:100]}",
        severity=Severity.WARNING if ending else Severity.ERROR,
        layer=Layer.LOADED,
        cause=CAUSE,
        subjects=(
            *(ran.subject(one.device) for one in failed.devices),
            *ran.PACKAGES.get(failed.name, ("torch",)),
            *(("__gpu",) if first.device != "cpu" else ()),
        ),
        why=known.why if known is not None else why(failed),
        evidence=(
            *(Evidence(f"{one.device}, {failed.name}", failed.words, via) for one in failed.devices),
            *(Evidence("it printed", line, f"the process that tried {first.device}") for line in printed),
        ),
        sources=known.signature.sources if known is not None else (ran.DIAG,) if first.device != "cpu" else (),
        changes=tuple(changes(failed, ran.advised(known) if known is not None else None)),
    )


def told_last(said: str) -> list[str]:
    """The lines that say where it was: the innermost frames where its watch wrote them, else the last that it printed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    inner = next((number for number, line in enumerate(lines) if line.endswith(INNERMOST)), None)
    return lines[-LINES:] if inner is None else lines[inner + 1 : inner + 1 + LINES]


def why(failed: Failed) -> str:
    """What its user sees."""
    if failed.name == THE_END:
        return "All that was tried came to its end before; a program may die like that when it is done, and lose its exit status."
    if failed.hung:
        return f"A program that does the same hangs or dies without a word; what stood behind {failed.name} was not tried."
    return "The package imports, and the first step that uses this kernel fails with that error."


def changes(failed: Failed, known: Change | None) -> Iterator[Change]:
    """What the error's words advise; what the stack can do without; what the driver says of it."""
    if known is not None:
        yield known
    if failed.name in INSTEAD:
        package = ran.PACKAGES.get(failed.name, ("torch",))[0]
        build = f"Install a build of {package} for this torch and this GPU. " if package != "torch" else ""
        yield Change(kind=Kind.SYSTEM, says=f"{build}{INSTEAD[failed.name]}")
    elif known is None and failed.devices[0].device != "cpu":
        yield Change(kind=Kind.SYSTEM, says="Read what the driver says of it in the kernel's log (Xid).", argv=(XID,))
