"""A package that is compiled against torch is built apart from the torch of the image.

## What it checks
Installs by name, from git or from a requirements file of flash-attn, apex, Transformer Engine, mamba-ssm, causal-conv1d and
grouped-gemm without --no-build-isolation (or --no-build-isolation-package, or its variable or uv configuration), a wheel, or
--only-binary. deepspeed only where DS_BUILD_... asks it to compile its operators.

## Why it breaks
These come as source and are compiled at install. uv, and pip from 25.3 on, build everything in an empty environment (older
ones only where there is a pyproject.toml, or setuptools or wheel is not installed): flash-attn and apex import torch in their
setup.py and stop with "No module named 'torch'"; mamba-ssm, causal-conv1d, grouped-gemm and Transformer Engine (from 2.5 on)
ask for torch, get the newest one, and are compiled against that instead of the one in the image: "undefined symbol" at
import. deepspeed then silently compiles nothing.

## What to do
Install torch and the build tools first, then the package with --no-build-isolation; or a wheel that names your torch, Python
and CUDA.

## Sources
- https://github.com/Dao-AILab/flash-attention/blob/0251105a2fb19d2957484b7f023cd8c115286ced/README.md
- https://github.com/Dao-AILab/flash-attention/issues/1421
- https://pip.pypa.io/en/stable/news/ (25.3 removed the legacy setup.py bdist_wheel mechanism)
- https://github.com/NVIDIA/apex (README.md, setup.py)
- https://github.com/NVIDIA/TransformerEngine/blob/v2.18/README.rst; transformer_engine/pytorch/pyproject.toml of v2.4 and v2.5
- https://github.com/state-spaces/mamba/blob/0b11daa37b8dd147616a7236bad53530e21671e1/pyproject.toml
- https://github.com/Dao-AILab/causal-conv1d/blob/40b7357e0c7d674d4b1a67387734b96607d9ef24/pyproject.toml
- https://github.com/tgale96/grouped_gemm/blob/01271b7bfee8b4625eca53bfced8d6ef5b0ed962/pyproject.toml
- https://github.com/deepspeedai/DeepSpeed/blob/38327e07f6cd39b63418f60cedd1651b0be3e7c3/setup.py
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envdoctor.dockerfiles.installs import version
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
    declares_from: str | None = None
    """The release from which on it asks for torch; older ones import it without."""


BUILT = {
    "flash-attn": Build(
        stops=True, source="https://github.com/Dao-AILab/flash-attention/blob/0251105a2fb19d2957484b7f023cd8c115286ced/setup.py"
    ),
    "apex": Build(stops=True, source="https://github.com/NVIDIA/apex (README.md, setup.py)"),
    "transformer-engine": Build(
        stops=False,
        source="https://github.com/NVIDIA/TransformerEngine/blob/v2.18/transformer_engine/pytorch/pyproject.toml",
        declares_from="2.5",
    ),
    "mamba-ssm": Build(
        stops=False, source="https://github.com/state-spaces/mamba/blob/0b11daa37b8dd147616a7236bad53530e21671e1/pyproject.toml"
    ),
    "causal-conv1d": Build(
        stops=False,
        source="https://github.com/Dao-AILab/causal-conv1d/blob/40b7357e0c7d674d4b1a67387734b96607d9ef24/pyproject.toml",
    ),
    "grouped-gemm": Build(
        stops=False, source="https://github.com/tgale96/grouped_gemm/blob/01271b7bfee8b4625eca53bfced8d6ef5b0ed962/pyproject.toml"
    ),
    "deepspeed": Build(
        stops=True, source="https://github.com/deepspeedai/DeepSpeed/blob/38327e07f6cd39b63418f60cedd1651b0be3e7c3/setup.py"
    ),
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
NGC = "nvcr.io/nvidia/pytorch:"
"""Images that bring flash-attn, apex and Transformer Engine."""
PIP = Source("https://pip.pypa.io/en/stable/news/ (25.3)", "2026-11-26")
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
            if name == "deepspeed" and not compiles_operators(placed.install):
                continue
            if one.wanted.kind == "named" and not one.wanted.spec and placed.stage.root.startswith(NGC):
                continue  # it is there already, built by NVIDIA
            if name == "transformer-engine" and one.wanted.kind == "named" and "pytorch" not in one.wanted.text:
                continue
            if one.file is not None:
                files.add((one.file, name))
            yield said(sheet, placed, one, name)


def compiles_operators(install: Install) -> bool:
    """Whether deepspeed is asked to compile its operators at install."""
    return any(key.startswith("DS_BUILD_") and value == "1" for key, value in install.run.env.items())


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
    release = version(one.wanted.exact or one.wanted.url.rpartition("@v")[2].partition("#")[0])
    stops = build.stops or (build.declares_from is not None and release is not None and release < Version(build.declares_from))
    tool = placed.install.tool
    evidence = () if one.file is None else (Evidence(f"line {one.line} of {one.file}", one.wanted.text, one.file),)
    always = tool == "uv pip install"
    if name == "deepspeed":
        why = "Without torch its setup.py compiles no operator, and says so only in the log."
    elif stops:
        which = "uv builds" if always else "pip builds (from 25.3 on, and older ones where setuptools or wheel is missing)"
        why = f"Its setup.py imports torch, and {which} in an empty environment: \"No module named 'torch'\"."
    else:
        why = 'The build environment gets the newest torch; compiled against that, it fails in the image with "undefined symbol".'
    return finding(
        sheet,
        code=CODE,
        cause=CAUSE,
        line=one.line if one.file is None else placed.install.run.line,
        title=f"{name} is built in isolation from the torch of the image",
        severity=Severity.ERROR if stops and always and name != "deepspeed" else Severity.WARNING,
        why=why,
        advice="Build it where torch is, or install a wheel made for that torch:",
        write=(f'{tool} --no-build-isolation "{one.wanted.text}"',),
        sources=(Source(build.source, "2026-11-26"), *((PIP,) if stops and not always else ())),
        subjects=(name, "torch"),
        evidence=evidence,
    )
