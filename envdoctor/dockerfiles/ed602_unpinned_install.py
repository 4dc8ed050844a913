"""An install that takes whatever is newest.

## What it checks
What pip, uv and conda install by name: on the command line, and in the requirements files that come from the build context.
An exact version (==), a wheel, an address, a local path, hashes, a constraints file, `--exclude-newer`, `--no-index`, and for
`uv sync` a lock (--frozen, --locked) hold it. A package of the GPU stack without a version is a warning, the others are told
as information.

## Why it breaks
torch, vLLM, transformers and the trainers move together: vLLM pins one torch, trainers accept a few vLLM releases, and each
release of transformers breaks some of them. An unpinned install resolves to another stack next week, and the image that
worked cannot be built again.

## What to do
Pin each package (`pip install "torch==2.8.0"`), or install from a lock: `envdoctor lock h100` writes one with hashes, and
`pip install --require-hashes -r h100.txt` installs exactly it.

## Sources
- https://pip.pypa.io/en/stable/topics/repeatable-installs/
- https://docs.astral.sh/uv/concepts/projects/sync/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.claims import exact_pin
from envdoctor.dockerfiles.installs import version
from envdoctor.dockerfiles.sheet import finding
from envdoctor.findings import Evidence, Severity, Source
from envdoctor.views import GPU_STACK, TRAINERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.sheet import LineFinding, Placed, Requirement, Sheet

CODE = "ED602"
CAUSE = "install-not-pinned"
QUESTION = "Does every install name the versions it installs?"
HEAVY = {
    *GPU_STACK,
    *TRAINERS,
    *(
        "torch",
        "torchvision",
        "torchaudio",
        "vllm",
        "sglang",
        "transformers",
        "trl",
        "accelerate",
        "peft",
        "deepspeed",
        "datasets",
    ),
    *("flash-attn", "flash-attn-3", "xformers", "triton", "flashinfer-python", "bitsandbytes", "tokenizers", "ray", "sgl-kernel"),
    *("transformer-engine", "megatron-core", "apex", "mamba-ssm", "causal-conv1d", "liger-kernel", "numpy", "nvidia-nccl-cu12"),
}
HOLDS = ("--exclude-newer", "--uploaded-prior-to", "--no-index", "--require-hashes")
HELD_BY_ENV = (
    "UV_EXCLUDE_NEWER",
    "PIP_NO_INDEX",
    "PIP_UPLOADED_PRIOR_TO",
    "PIP_REQUIRE_HASHES",
    "UV_REQUIRE_HASHES",
    "UV_NO_INDEX",
)
FAMILY = ("torchvision", "torchaudio")
SHOWN = 6
UV = Source("https://docs.astral.sh/uv/concepts/projects/sync/", "2026-11-26")
SOURCE = Source("https://pip.pypa.io/en/stable/topics/repeatable-installs/", "2026-11-26")


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each command, and one for each requirements file."""
    files: set[str] = set()
    for placed in sheet.installs:
        if placed.install.tool == "uv sync":
            yield from synced(sheet, placed)
            continue
        if held(sheet, placed):
            continue
        loose: dict[str | None, list[Requirement]] = {}
        for one in sheet.requirements(placed):
            if not one.wanted.pinned and not one.hashed and not follows_torch(sheet, placed, one):
                loose.setdefault(one.file, []).append(one)
        for file, several in loose.items():
            if file is None or file not in files:
                yield said(sheet, placed, file, several)
        files |= {file for file in loose if file is not None}


def follows_torch(sheet: Sheet, placed: Placed, one: Requirement) -> bool:
    """Whether the torch that the same command pins leaves one choice: torchvision and torchaudio each pin a torch."""
    torch = placed.install.wants("torch")
    if one.wanted.name not in FAMILY or torch is None or not torch.pinned:
        return False
    release = version(torch.exact)
    claims = sheet.matrix.claims(one.wanted.name, "torch-family")
    return release is None or any(exact_pin(claim.then.get("torch", "")) == Version(release.public) for claim in claims)


def held(sheet: Sheet, placed: Placed) -> bool:
    """Whether something beside the requirements says which versions are meant."""
    install = placed.install
    if install.has(*HOLDS) or any(install.run.env.get(name) for name in HELD_BY_ENV):
        return True
    for file in install.constraints:
        origin = sheet.origin(placed, file)
        if origin is None or sheet.context is None or sheet.context.read(origin) is None:
            return True  # a file that cannot be looked at may hold everything
        names = {one.wanted.name for one in sheet.file(placed, file) if one.wanted.pinned}
        if {one.name for one in install.wanted if not one.pinned} <= names and not install.files:
            return True
    return False


def synced(sheet: Sheet, placed: Placed) -> Iterator[LineFinding]:
    """``uv sync`` makes a new lock where the one that is there does not fit, unless it is told not to."""
    install = placed.install
    if install.has("--frozen", "--locked") or any(install.run.env.get(name) for name in ("UV_FROZEN", "UV_LOCKED")):
        return
    yield finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=install.run.line,
        title="uv sync without --locked or --frozen may resolve anew",
        severity=Severity.INFO,
        why="Where uv.lock is missing or does not fit pyproject.toml, uv writes another one with what is newest that day.",
        advice="Write:",
        write=("uv sync --locked",),
        sources=(UV,),
        subjects=("uv",),
    )


def said(sheet: Sheet, placed: Placed, file: str | None, several: list[Requirement]) -> LineFinding:
    """The finding on what one command or file leaves open."""
    names = list(dict.fromkeys(one.wanted.name for one in several))
    heavy = [name for name in names if name in HEAVY]
    shown = [*heavy, *(name for name in names if name not in heavy)]
    listed = ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")
    first = next(one for one in several if one.wanted.name == shown[0])
    line = placed.install.run.line if file is not None else first.line
    evidence: tuple[Evidence, ...] = ()
    if file is not None:
        evidence = (Evidence(f"line {first.line} of {file}", first.wanted.text, file),)
    place = f" in {file}" if file is not None else ""
    tool = placed.install.tool.split()[0]
    pin = "=" if tool == "conda" else "=="
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=line,
        title=f"{listed}{place} {'has' if len(names) == 1 else 'have'} no exact version",
        severity=Severity.WARNING if heavy else Severity.INFO,
        why="Each build resolves to what is newest that day; a stack that worked is gone with the next release of any of them.",
        advice="Write the version that was tried, or install from a lock with hashes (`envdoctor lock` writes one):",
        write=tuple(f'{placed.install.tool} "{name}{pin}VERSION"' for name in shown[:1]),
        sources=(SOURCE,),
        subjects=tuple(shown),
        evidence=evidence,
    )
