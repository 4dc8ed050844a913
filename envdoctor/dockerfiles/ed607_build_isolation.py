"""A package that is compiled against torch is built where torch is not, or where another one is.

## What it checks
Installs by name, from git or from a requirements file of flash-attn, apex, Transformer Engine, mamba-ssm, causal-conv1d and grouped-gemm
without --no-build-isolation (or --no-build-isolation-package, or its variable or uv configuration), a wheel, or --only-binary. deepspeed
only where DS_BUILD_... asks it to compile its operators.

## Why it breaks
These come as source and are compiled at install. pip and uv build in an empty environment: flash-attn and apex import torch in their
setup.py and stop with "No module named 'torch'"; mamba-ssm, causal-conv1d and grouped-gemm ask for torch, get the newest one, and are compiled
against that instead of the one in the image: "undefined symbol" at import. deepspeed then silently compiles nothing.

## What to do
Install torch and the build tools first, then the package with --no-build-isolation; or a wheel that names your torch, Python and CUDA.

## Sources
- https://github.com/Dao-AILab/flash-attention/blob/0251105a2fb19d2957484b7f023cd8c115286ced/README.md
- https://github.com/Dao-AILab/flash-attention/issues/1421
- https://github.com/NVIDIA/apex (README.md, setup.py)
- https://github.com/NVIDIA/TransformerEngine/blob/d0067d0da6cb01811b8072a7d304f0e00344ce2b/README.rst
- https://github.com/state-spaces/mamba/blob/0b11daa37b8dd147616a7236bad53530e21671e1/pyproject.toml
- https://github.com/Dao-AILab/causal-conv1d/blob/40b7357e0c7d674d4b1a67387734b96607d9ef24/pyproject.toml
- https://github.com/tgale96/grouped_gemm/blob/01271b7bfee8b4625eca53bfced8d6ef5b0ed962/pyproject.toml
- https://github.com/deepspeedai/DeepSpeed/blob/38327e07f6cd39b63418f60cedd1651b0be3e7c3/setup.py
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.dockerfiles.sheet import finding
from envdoctor.findings import Evidence, Severity, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.dockerfiles.installs import Install, Wanted
    from envdoctor.dockerfiles.sheet import LineFinding, Placed, Requirement, Sheet

CODE = "ED607"
CAUSE = "built-in-isolation"
QUESTION = "Is what is compiled against torch built where torch is?"


class Build(NamedTuple):
    """Why a package cannot be built in isolation."""

    stops: bool
    """It imports torch without asking for it; else it asks for torch and gets the newest."""
    source: str


BUILT = {
    "flash-attn": Build(True, "https://github.com/Dao-AILab/flash-attention/blob/0251105a2fb19d2957484b7f023cd8c115286ced/setup.py"),
    "apex": Build(True, "https://github.com/NVIDIA/apex (README.md, setup.py)"),
    "transformer-engine": Build(
        False, "https://github.com/NVIDIA/TransformerEngine/blob/d0067d0da6cb01811b8072a7d304f0e00344ce2b/README.rst"
    ),
    "mamba-ssm": Build(False, "https://github.com/state-spaces/mamba/blob/0b11daa37b8dd147616a7236bad53530e21671e1/pyproject.toml"),
    "causal-conv1d": Build(
        False, "https://github.com/Dao-AILab/causal-conv1d/blob/40b7357e0c7d674d4b1a67387734b96607d9ef24/pyproject.toml"
    ),
    "grouped-gemm": Build(False, "https://github.com/tgale96/grouped_gemm/blob/01271b7bfee8b4625eca53bfced8d6ef5b0ed962/pyproject.toml"),
    "deepspeed": Build(True, "https://github.com/deepspeedai/DeepSpeed/blob/38327e07f6cd39b63418f60cedd1651b0be3e7c3/setup.py"),
}
REPOSITORIES = {
    "flash-attention": "flash-attn",
    "apex": "apex",
    "transformerengine": "transformer-engine",
    "mamba": "mamba-ssm",
    "causal-conv1d": "causal-conv1d",
    "grouped_gemm": "grouped-gemm",
    "deepspeed": "deepspeed",
}
VARIABLES = ("PIP_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION_PACKAGE")


def check(sheet: Sheet) -> Iterator[LineFinding]:
    """One finding for each package of a command."""
    files: set[tuple[str, str]] = set()
    for placed in sheet.installs:
        if placed.install.tool not in {"pip install", "uv pip install"} or allowed(sheet, placed):
            continue
        for one in sheet.requirements(placed):
            name = package(one.wanted)
            if name is None or name in placed.install.values("--no-build-isolation-package") or (one.file or "", name) in files:
                continue
            if name == "deepspeed" and not any(key.startswith("DS_BUILD_") and value == "1" for key, value in placed.install.run.env.items()):
                continue
            if name == "transformer-engine" and one.wanted.kind == "named" and "pytorch" not in one.wanted.text:
                continue
            if one.file is not None:
                files.add((one.file, name))
            yield said(sheet, placed, one, name)


def allowed(sheet: Sheet, placed: Placed) -> bool:
    """Whether the whole command builds without isolation, or builds nothing."""
    install: Install = placed.install
    if install.has("--no-build-isolation", "--only-binary", "--no-build", "--find-links", "-f"):
        return True
    if any(install.run.env.get(name) for name in VARIABLES):
        return True
    if install.tool == "uv pip install" and sheet.context is not None:
        texts = [sheet.context.read(name) or "" for name in ("pyproject.toml", "uv.toml")]
        return any("no-build-isolation" in text or "extra-build-dependencies" in text for text in texts)
    return False


def package(wanted: Wanted) -> str | None:
    """Which of these packages is built, None if none is."""
    if wanted.kind == "named":
        return wanted.name if wanted.name in BUILT else None
    if wanted.kind == "vcs":
        path = wanted.url.split("#")[0].split("://", 1)[-1].partition("/")[2].split("@")[0]
        return REPOSITORIES.get(posixpath.basename(path.removesuffix(".git")).lower())
    return None


def said(sheet: Sheet, placed: Placed, one: Requirement, name: str) -> LineFinding:
    """The finding on one package."""
    build = BUILT[name]
    tool = placed.install.tool
    evidence = () if one.file is None else (Evidence(f"line {one.line} of {one.file}", one.wanted.text, one.file),)
    if name == "deepspeed":
        why = "Without torch its setup.py compiles no operator and says so only in the log; they are then compiled at the first start."
    elif build.stops:
        why = "Its setup.py imports torch, which the empty build environment does not have: \"No module named 'torch'\"."
    else:
        why = 'The build environment gets the newest torch; compiled against that, it fails in the image with "undefined symbol".'
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=placed.install.run.line,
        title=f"{name} is built in isolation from the torch of the image",
        severity=Severity.ERROR if build.stops and name != "deepspeed" else Severity.WARNING,
        why=why,
        advice="Build it where torch is, or install a wheel made for that torch:",
        write=(f'{tool} --no-build-isolation "{one.wanted.text}"',),
        sources=(Source(build.source, "2026-11-26"),),
        subjects=(name, "torch"),
        evidence=evidence,
    )
