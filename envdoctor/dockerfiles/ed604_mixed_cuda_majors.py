"""Two CUDA majors in one image.

## What it checks
What the words of one stage, and of the stages it begins with, say of CUDA: the base image, the index or tag that torch comes
from (`--index-url .../cu130`, `+cu128`, `--torch-backend`), the CUDA that the data knows of a pinned torch or vLLM from the
usual index, wheels that carry a CUDA in their name, and packages that are made for one major (`nvidia-*-cu12`,
`cupy-cuda12x`). Commands on a branch are left out.

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

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.dockerfiles.ed605_torch_overridden import torches
from envdoctor.dockerfiles.ed607_build_isolation import BUILT
from envdoctor.dockerfiles.installs import version
from envdoctor.dockerfiles.sheet import always, cuda_major, finding, image
from envdoctor.findings import Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from envdoctor.dockerfiles.installs import Install, Wanted
    from envdoctor.dockerfiles.sheet import LineFinding, Placed, Sheet
    from envdoctor.dockerfiles.stages import Stage

CODE = "ED604"
CAUSE = "cuda-majors-mixed"
QUESTION = "Does everything in a stage come from one CUDA major?"
INDEX = re.compile(r"/cu([0-9]{2})[0-9](?:/|$)|^cu([0-9]{2})[0-9]$")
TAGGED = re.compile(r"[+.-]cu([0-9]{2})[0-9]?(?:[0-9])?(?=$|[^0-9a-z]|torch)")
MADE_FOR = re.compile(r"(?:.*-cu|cupy-cuda)(1[1-5])x?")
SOURCES = (
    Source("https://github.com/mistralai/mistral-inference/issues/76", "2026-11-26"),
    Source("https://github.com/vllm-project/vllm/issues/43435", "2026-11-22"),
)


class Says(NamedTuple):
    """What one line says of CUDA."""

    major: int
    what: str
    line: int
    compiled: bool = False
    """Whether it is code that is bound to torch's own major."""


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each pair of lines."""
    done: set[tuple[int, int]] = set()
    for stage in sheet.dockerfile.stages:
        placed = [one for one in sheet.made_of(stage) if always(one.install.run)]
        torch = torch_says(sheet, stage, placed)
        if torch is None:
            continue
        base = base_says(stage)
        if base is not None and base.major != torch.major and torch.line != base.line and (base.line, torch.line) not in done:
            done.add((base.line, torch.line))
            yield said(sheet, base, torch, compiles(placed))
        for other in packages_say(sheet, placed):
            if other.major != torch.major and (other.line, torch.line) not in done:
                done.add((other.line, torch.line))
                yield said(sheet, other, torch, other.compiled)


def base_says(stage: Stage) -> Says | None:
    """What the image at the bottom of a stage says by its name."""
    one = image(stage.root)
    major = None if one is None else cuda_major(one)
    return None if major is None else Says(major, f"the base image {stage.root}", stage.lineage()[0].line)


def torch_says(sheet: Sheet, stage: Stage, placed: list[Placed]) -> Says | None:
    """The CUDA of the torch that is in the image in the end: of the last install, else of a base image of PyTorch."""
    for one in reversed(placed):
        wanted = one.install.wants("torch")
        pinned = [brought for brought in torches(sheet, one) if brought.claim is not None]
        if wanted is None and pinned:  # vLLM brings the torch that it pins
            major = by_index(one.install) or by_data(sheet, pinned[0].release)
            return None if major is None else Says(major, f"torch ({pinned[0].says})", pinned[0].line)
        if wanted is None or one.install.tool == "conda install":
            continue
        major = of_torch(sheet, one.install, wanted)
        line = sheet.line_of(one.step, one.install.run.line, wanted.text, "torch")
        return None if major is None else Says(major, f"torch ({wanted.text})", line)
    base = base_says(stage)
    return base if base is not None and "pytorch/pytorch" in stage.root else None


def of_torch(sheet: Sheet, install: Install, wanted: Wanted) -> int | None:
    """The CUDA major of the torch that an install brings; None if the words do not tell."""
    tagged = TAGGED.search(wanted.url or wanted.spec)
    if tagged:
        return int(tagged[1])
    indexed = by_index(install)
    if indexed is not None or install.indexes or install.values("--torch-backend"):
        return indexed
    exact = version(wanted.exact)
    return None if exact is None else by_data(sheet, exact)


def by_index(install: Install) -> int | None:
    """The CUDA major in the name of an index of PyTorch or of a backend."""
    for place in (*install.values("--torch-backend"), install.run.env.get("UV_TORCH_BACKEND", ""), *install.indexes):
        found = INDEX.search(place)
        if found:
            return int(found[1] or found[2])
    return None


def by_data(sheet: Sheet, release: Version) -> int | None:
    """The CUDA major of a torch release on the usual index."""
    rows = [row for row in sheet.matrix.torch_releases() if version(row.torch) == release]
    return int(rows[0].cuda.split(".", maxsplit=1)[0]) if rows else None


def packages_say(sheet: Sheet, placed: list[Placed]) -> Iterator[Says]:
    """Packages that are made for one major, wheels that name one, and a pinned vLLM from the usual index."""
    for one in placed:
        for wanted in one.install.wanted:
            if wanted.name == "torch":
                continue
            line = sheet.line_of(one.step, one.install.run.line, wanted.text, wanted.name)
            made = MADE_FOR.fullmatch(wanted.name)
            tagged = TAGGED.search(wanted.url or wanted.spec)
            if made:
                yield Says(int(made[1]), wanted.text, line)
            elif tagged:
                yield Says(int(tagged[1]), wanted.text.rsplit("/", 1)[-1], line, compiled=True)
            elif wanted.name == "vllm" and not one.install.indexes:
                exact = version(wanted.exact)
                rows = [row for row in sheet.matrix.vllm_releases() if exact is not None and version(row.vllm) == exact]
                if rows:
                    yield Says(rows[0].cuda_major, wanted.text, line, compiled=True)


def compiles(placed: list[Placed]) -> bool:
    """Whether an extension for torch is compiled in the image."""
    return any(wanted.name in BUILT and not wanted.url.endswith(".whl") for one in placed for wanted in one.install.wanted)


def said(sheet: Sheet, other: Says, torch: Says, breaks: bool) -> LineFinding:
    """The finding on two lines."""
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=max(other.line, torch.line),
        title=f"{other.what} is CUDA {other.major}, but {torch.what} is CUDA {torch.major}",
        severity=Severity.ERROR if breaks else Severity.WARNING,
        why=(
            'What is compiled there is refused ("The detected CUDA version mismatches the version that was used to compile '
            'PyTorch"), '
            f"and a wheel for CUDA {other.major} does not find its libraries beside this torch."
        ),
        advice=f"Take both from CUDA {torch.major}, or torch from the index of CUDA {other.major}.",
        sources=SOURCES,
        subjects=("torch",),
        evidence=(sheet.seen(min(other.line, torch.line)),),
    )
