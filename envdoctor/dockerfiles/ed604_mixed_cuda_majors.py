"""Two CUDA majors in one image.

## What it checks
What the words of one stage, and of the stages it begins with, say of CUDA: the base image, the index or tag that torch comes
from (`--index-url .../cu130`, `+cu128`, `--torch-backend`), the CUDA that the data knows of a pinned torch or vLLM from the
usual index, wheels that carry a CUDA in their name, and packages that are made for one major (`nvidia-*-cu12`,
`cupy-cuda12x`); these are held against one another where the CUDA of torch is not told. An engine whose pinned torch is there
already leaves that one alone, and its own CUDA is held against it. Commands on a branch are left out.

## Why it breaks
torch brings the CUDA libraries of its own major. An extension that is compiled with the toolkit of another one is refused
("The detected CUDA version mismatches the version that was used to compile PyTorch"), and a wheel for another major does not
find its libraries, or loads a second runtime into the process.

## What to do
Take all of them from one major: the base image, the index of torch, and the wheels.

## Sources
- https://github.com/mistralai/mistral-inference/issues/76
- https://github.com/vllm-project/vllm/issues/43435
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from envdoctor.dockerfiles.ed607_build_isolation import BUILT
from envdoctor.dockerfiles.majors import Says, base_says, packages_say, torch_says
from envdoctor.dockerfiles.sheet import LineFinding, Sheet, always, finding
from envdoctor.findings import Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import Placed
    from envdoctor.dockerfiles.stages import Stage

Say = Callable[[Sheet, Says, Says], LineFinding]
CODE = "ED604"
CAUSE = "cuda-majors-mixed"
QUESTION = "Does everything in a stage come from one CUDA major?"
SOURCES = (
    Source("https://github.com/mistralai/mistral-inference/issues/76", "2026-11-26"),
    Source("https://github.com/vllm-project/vllm/issues/43435", "2026-11-22"),
)


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each pair of lines."""
    done: set[tuple[int, int]] = set()
    for stage in sheet.dockerfile.stages:
        placed = [one for one in sheet.made_of(stage) if always(one.install.run)]
        for other, against, say in pairs(sheet, stage, placed):
            if (other.line, against.line) not in done and other.major != against.major:
                done.add((other.line, against.line))
                yield say(sheet, other, against)


def pairs(sheet: Sheet, stage: Stage, placed: list[Placed]) -> Iterator[tuple[Says, Says, Say]]:
    """Two lines that must agree, and how it is said where they do not."""
    torch, left = torch_says(sheet, stage, placed)
    if torch is None:
        first: dict[str, Says] = {}
        for one in packages_say(sheet, placed):
            yield first.setdefault(one.where, one), one, apart
        return
    base = base_says(stage)
    if base is not None and torch.line != base.line:
        yield base, torch, breaks if compiles(placed) else warns
    if left is not None:
        yield left, torch, replaced
    for other in packages_say(sheet, placed):
        yield other, torch, breaks if other.compiled else warns


def compiles(placed: list[Placed]) -> bool:
    """Whether an extension for torch is compiled in the image."""
    return any(wanted.name in BUILT and not wanted.url.endswith(".whl") for one in placed for wanted in one.install.wanted)


def apart(sheet: Sheet, first: Says, other: Says) -> LineFinding:
    """The finding on two packages without a torch whose CUDA is known."""
    why = (
        f"A library for CUDA {other.major} looks for others of that major and does not find them among those for CUDA "
        f"{first.major}; or both are loaded into one process."
    )
    title = f"{other.what} is for CUDA {other.major}, but {first.what} is for CUDA {first.major}"
    return _finding(sheet, (first, other), title, why, "Take all of them from the CUDA major of the torch that is used.")


def replaced(sheet: Sheet, left: Says, torch: Says) -> LineFinding:
    """The finding on two indexes of torch."""
    why = (
        f"If the torch of line {left.line} stays, what line {torch.line} brings for CUDA {torch.major} does not find its "
        f"libraries; if it is replaced, what was chosen for CUDA {left.major} stays beside it."
    )
    title = f"line {torch.line} takes torch for CUDA {torch.major}, but line {left.line} takes it for CUDA {left.major}"
    return _finding(sheet, (left, torch), title, why, "Take torch and what needs it from one index, in one command.")


def warns(sheet: Sheet, other: Says, torch: Says, severity: Severity = Severity.WARNING) -> LineFinding:
    """The finding on a line that is for another major than torch."""
    why = (
        'What is compiled there is refused ("The detected CUDA version mismatches the version that was used to compile '
        f'PyTorch"), and a wheel for CUDA {other.major} does not find its libraries beside this torch.'
    )
    title = f"{other.what} is CUDA {other.major}, but {torch.what} is CUDA {torch.major}"
    advice = f"Take both from CUDA {torch.major}, or torch from the index of CUDA {other.major}."
    return _finding(sheet, (other, torch), title, why, advice, severity)


def breaks(sheet: Sheet, other: Says, torch: Says) -> LineFinding:
    """The same, where something is compiled for torch's own major."""
    return warns(sheet, other, torch, Severity.ERROR)


def _finding(
    sheet: Sheet, lines: tuple[Says, Says], title: str, why: str, advice: str, severity: Severity = Severity.WARNING
) -> LineFinding:
    one, other = sorted(said.line for said in lines)
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=other,
        title=title,
        severity=severity,
        why=why,
        advice=advice,
        sources=SOURCES,
        subjects=("torch",),
        evidence=() if one == other else (sheet.seen(one),),
    )
