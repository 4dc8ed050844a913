"""The CUDA toolkit that a build would use is of another major version than torch's CUDA.

## What it checks
The toolkit that torch's extension builder takes (CUDA_HOME, CUDA_PATH, nvcc on PATH, /usr/local/cuda, in this order)
against the CUDA version torch was built with. Only the major number counts: nvcc 12.6 beside a cu124 build is healthy.
It matters for building alone, so it is an info unless a package that compiles while it runs is installed (DeepSpeed,
FlashInfer, DeepGEMM). No toolkit at all is no fault: the wheels bring what they need to run.

## Why it breaks
"Installed CUDA version 11.7 does not match the version torch was compiled with 12.1, unable to compile cuda/cpp
extensions", "The detected CUDA version mismatches the version that was used to compile PyTorch".

## What to do
Point CUDA_HOME to a toolkit of torch's CUDA major, or install one.

## Sources
- https://github.com/deepspeedai/DeepSpeed/pull/3706
- https://github.com/flashinfer-ai/flashinfer/pull/5154
- https://github.com/pytorch/pytorch/pull/59665
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.views import distributions, torch_cuda

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts, Toolkit
    from envdoctor.matrix import Matrix

CODE = "ED306"
CAUSE = "cuda-home-mismatch"
JOINT = Joint.TORCH
QUESTION = "Would extensions be compiled with torch's CUDA?"
EXPLAINED_BY = ()

RUN_TIME_COMPILERS = ("deepspeed", "flashinfer-python", "deep-gemm")
PREFERENCE = ("CUDA_HOME", "CUDA_PATH", "nvcc on PATH", "/usr/local/cuda")
SOURCE = Source("https://github.com/deepspeedai/DeepSpeed/pull/3706", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """Compare the major of the toolkit in use with torch's."""
    torch = torch_cuda(facts)
    cuda = need(torch)
    if cuda is None or not isinstance(torch, Known):
        return
    toolkits = need(facts.cuda.toolkits)
    used = in_use(toolkits)
    if used is None:
        return
    how, toolkit = used
    if toolkit.version is None:
        if not how.startswith("CUDA_"):
            return
        title = f"{how} is {toolkit.path}, where no CUDA toolkit can be found"
    elif major(toolkit.version) == major(cuda):
        return
    else:
        title = f"{how} gives CUDA {toolkit.version} for compiling, but torch is built with CUDA {cuda}"
    compilers = [name for name in RUN_TIME_COMPILERS if name in distributions(facts)]
    affected = f"Compiling at run time ({', '.join(compilers)})" if compilers else "Only building an extension from source"
    yield Finding(
        code=CODE,
        title=title,
        severity=Severity.WARNING if compilers else Severity.INFO,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=("__cuda_home", *compilers),
        why=f'{affected} fails: "Installed CUDA version does not match the version torch was compiled with".',
        evidence=(
            Evidence("toolkit a build would use", toolkit.version or "none", f"{toolkit.path} ({toolkit.found_by})"),
            Evidence("CUDA that torch was built with", cuda, torch.via),
        ),
        sources=(SOURCE,),
        changes=(remedy(toolkits, cuda),),
    )


def in_use(toolkits: tuple[Toolkit, ...]) -> tuple[str, Toolkit] | None:
    """(how it is found, toolkit) that torch.utils.cpp_extension would take."""
    for how in PREFERENCE:
        for toolkit in toolkits:
            if how in toolkit.found_by.split(", "):
                return how, toolkit
    return None


def remedy(toolkits: tuple[Toolkit, ...], cuda: str) -> Change:
    """A toolkit of the right major that is already there, else one to install."""
    for toolkit in toolkits:
        if toolkit.version is not None and major(toolkit.version) == major(cuda):
            says = f"Point CUDA_HOME to {toolkit.path}, which is CUDA {toolkit.version}."
            return Change(kind=Kind.SET_ENV, says=says, env={"CUDA_HOME": toolkit.path})
    says = f"Install a CUDA {major(cuda)}.x toolkit (best {cuda}) and point CUDA_HOME to it."
    return Change(kind=Kind.SYSTEM, says=says)


def major(version: str) -> str:
    """Give "12" for "12.4.131"."""
    return version.partition(".")[0]
