"""A compiled package needs the runtime of another CUDA major than torch's.

## What it checks
The libcudart.so.N that the compiled modules of vLLM, flash-attn, sgl-kernel and other packages need (DT_NEEDED), against the
CUDA major of the torch build. Wheels of two CUDA majors lying side by side are no fault by themselves, and neither is a package
that carries modules for several majors, as long as one of them is torch's.

## Why it breaks
torch loads only its own major's libraries: "ImportError: libcudart.so.12: cannot open shared object file". Where the other
runtime is found after all, two CUDA runtimes share a process, and streams and memory of one are unknown to the other.

## What to do
Install the build of the package for torch's CUDA major, or torch for the package's.

## Sources
- https://github.com/vllm-project/vllm/issues/43435
- https://github.com/vllm-project/vllm/issues/1369
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, need
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source, seen
from envdoctor.pins import said
from envdoctor.views import distributions, extensions_needing, torch_cuda

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED303"
CAUSE = "cuda-major-mismatch"
JOINT = Joint.ENGINE
QUESTION = "Do all compiled packages use the CUDA major of torch?"
EXPLAINED_BY = ("ED201", "ED301", "ED302")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """One finding for each package none of whose modules fits."""
    torch = torch_cuda(facts)
    cuda = need(torch)
    if cuda is None or not isinstance(torch, Known):
        return
    major = cuda.split(".", maxsplit=1)[0]
    needs: dict[str, list[tuple[str, str]]] = {}
    for package, path, soname in extensions_needing(facts, "libcudart"):
        if package != "torch":
            needs.setdefault(package, []).append((path, soname))
    for package, modules in needs.items():
        majors = {soname.split(".so.", 1)[1].split(".")[0] for _, soname in modules if ".so." in soname}
        if majors and major not in majors:
            yield finding(facts, matrix, package, modules, torch)


def finding(facts: Facts, matrix: Matrix, package: str, modules: list[tuple[str, str]], torch: Known[str | None]) -> Finding:
    """The finding on one package, with its first modules as evidence."""
    one = distributions(facts).get(package)
    name = said(one) if one is not None else package
    soname = modules[0][1]
    other = soname.split(".so.", 1)[1].split(".")[0]
    loaded = (
        [] if not isinstance(facts.cuda.libraries, Known) else [lib for lib in facts.cuda.libraries.value if lib.soname == soname]
    )
    place = one.location if one is not None else "the package's folder"
    return Finding(
        code=CODE,
        title=f"{name} needs the CUDA {other} runtime ({soname}), but torch is built for CUDA {torch.value}",
        severity=Severity.ERROR,
        layer=Layer.LINKED,
        cause=CAUSE,
        subjects=(package, "torch"),
        why=f'The import fails: "{soname}: cannot open shared object file"; if it is found, two CUDA runtimes share a process.',
        evidence=(
            *(Evidence(f"{path} needs", needed, f"{place}/{path}") for path, needed in modules[:3]),
            seen("CUDA that torch was built with", torch),
            *(Evidence(f"{soname} on the loader's path", lib.path, lib.origin) for lib in loaded[:1]),
        ),
        sources=(Source("https://github.com/vllm-project/vllm/issues/43435", "2026-11-22"),),
        changes=tuple(changes(facts, matrix, package, other, str(torch.value))),
    )


def changes(facts: Facts, matrix: Matrix, package: str, other: str, cuda: str) -> Iterator[Change]:
    """The package's build for torch's CUDA; and torch's usual build where that one has the package's major."""
    major = cuda.split(".", maxsplit=1)[0]
    yield Change(
        kind=Kind.SYSTEM,
        says=f"Install the build of {package} for CUDA {major}; the package's own install page says where it is.",
    )
    torch = distributions(facts).get("torch")
    if torch is None:
        return
    release = torch.version.split("+", maxsplit=1)[0]
    for row in matrix.torch_releases():
        if row.torch == release and row.cuda.split(".", maxsplit=1)[0] == other:
            says = f"Reinstall torch {release} in its usual build, which is for CUDA {row.cuda}; the driver must support it."
            yield Change(kind=Kind.INSTALL, says=says, install={"torch": f"=={release}"})
