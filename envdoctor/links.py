"""What the loader would refuse, and who should have provided it. Pure; raises NotObserved like ``need``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import Known, need
from envdoctor.requirements import requirements
from envdoctor.views import distributions, installed, library_path_without, normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envdoctor.facts import Facts
    from envdoctor.linkage import LibraryCopy, LinkedModule, LinkProblem

GLIBC, LIBSTDCPP, DRIVER, PYTHON, TLS = "__glibc", "__libstdc++", "__driver", "__python", "__tls"
SYSTEM = {
    "libc": GLIBC, "libm": GLIBC, "libpthread": GLIBC, "libdl": GLIBC, "librt": GLIBC, "ld-linux-x86-64": GLIBC,
    "ld-linux-aarch64": GLIBC, "libstdc++": LIBSTDCPP, "libgcc_s": LIBSTDCPP, "libcuda": DRIVER, "libnvidia-ml": DRIVER,
    "libpython3": PYTHON,
}  # fmt: skip
"""Stem of a library -> what of the system brings it."""
WHEELS = {
    "libcudart": "nvidia-cuda-runtime", "libcublas": "nvidia-cublas", "libcublasLt": "nvidia-cublas", "libcufft": "nvidia-cufft",
    "libcufile": "nvidia-cufile", "libcurand": "nvidia-curand", "libcusolver": "nvidia-cusolver",
    "libcusparse": "nvidia-cusparse", "libcusparseLt": "nvidia-cusparselt", "libnccl": "nvidia-nccl",
    "libnvJitLink": "nvidia-nvjitlink", "libnvrtc": "nvidia-cuda-nvrtc", "libnvToolsExt": "nvidia-nvtx",
    "libcupti": "nvidia-cuda-cupti", "libnvshmem_host": "nvidia-nvshmem", "libcudnn": "nvidia-cudnn",
}  # fmt: skip
"""Stem of a library -> start of the name of the wheels that bring it, by the listings of NVIDIA's wheels for CUDA 12 and 13."""
OF_CUDA_MAJOR = {"libcudart", "libcublas", "libcublasLt", "libnvJitLink", "libnvrtc"}
"""Libraries whose SONAME carries the CUDA major; cuFFT's, cuSPARSE's and the others' count by themselves."""
UNFLAVOURED_FROM = 13
"""From CUDA 13 on NVIDIA's wheels of the toolkit have no -cu13 in their names."""
TORCH_LIBRARIES = re.compile(r"lib(torch|c10|caffe2|shm)(_\w+)?\.so")
# as compilers mangle names of these namespaces: c10::, at::, torch::, caffe2::
TORCH_SYMBOL = re.compile(r"_Z(T[A-Z])?N?K?(3c10|2at|5torch|6caffe2)")
SYMBOLS = (("cudnn", "libcudnn"), ("nccl", "libnccl"), ("cublas", "libcublas"), ("cusparseLt", "libcusparseLt"),
           ("cusparse", "libcusparse"), ("cusolver", "libcusolver"), ("cufft", "libcufft"), ("curand", "libcurand"),
           ("__nvJitLink", "libnvJitLink"), ("nvJitLink", "libnvJitLink"), ("nvrtc", "libnvrtc"), ("nvshmem", "libnvshmem_host"),
           ("nvml", "libnvidia-ml"), ("cuda", "libcudart"), ("__cuda", "libcudart"))  # fmt: skip
"""Start of a C symbol -> the library that defines it."""
DRIVER_SYMBOL = re.compile(r"cu[A-Z]")
VARIABLES = ("LD_PRELOAD", "LD_LIBRARY_PATH")
FLAVOUR = re.compile(r"(-cu\d+)?$")


class Lack(NamedTuple):
    """One module that does not load, its first problem, and who should have provided what it lacks."""

    module: LinkedModule
    problem: LinkProblem
    provider: str


def lacks(facts: Facts) -> list[Lack]:
    """Every module that does not load and is not one of several variants. Raises NotObserved."""
    return [
        Lack(one, one.problems[0], provider(facts, one.problems[0]))
        for one in need(facts.linking.modules)
        if one.problems and not one.optional
    ]


def provider(facts: Facts, problem: LinkProblem) -> str:
    """A distribution's normalized name, or a part of the system ("__glibc"); "" if it cannot be told. Raises NotObserved."""
    if problem.kind == "wrong-python":
        return PYTHON
    if problem.kind == "static-tls":
        return TLS
    library = problem.wants if problem.kind in {"missing-library", "preload"} else problem.of
    found = of_library(facts, library) if library else ""
    if found or problem.kind != "undefined-symbol":
        return found
    if TORCH_SYMBOL.match(problem.wants):
        return "torch"
    if problem.wants.startswith(("Py", "_Py")):
        return PYTHON
    stem = next((library for start, library in SYMBOLS if problem.wants.startswith(start)), "")
    if not stem and DRIVER_SYMBOL.match(problem.wants):
        return DRIVER
    return of_library(facts, f"{stem}.so") if stem else ""


def of_library(facts: Facts, library: str) -> str:
    """Who brings a library, named by its SONAME or by its path."""
    soname = library.rpartition("/")[2]
    stem = soname.split(".so", 1)[0]
    if stem in SYSTEM or stem.startswith("libpython3"):
        return SYSTEM.get(stem, PYTHON)
    if TORCH_LIBRARIES.match(soname):
        return "torch"
    start = WHEELS.get(stem) or next((name for one, name in WHEELS.items() if stem.startswith(f"{one}_")), None)
    if start is None:
        return ""
    # of the wheels for CUDA 12 and 13 the one that torch asks for, else one that is there
    asked = (edge.name for edge in requirements(facts).edges if normalized(edge.requirer.name) == "torch")
    there = [name for name in (*asked, *distributions(facts)) if FLAVOUR.sub("", name) == start]
    major = soname.partition(".so.")[2].split(".")[0]
    if stem not in OF_CUDA_MAJOR or not major.isdecimal():
        return there[0] if there else start
    flavoured = f"{start}-cu{major}"
    return flavoured if int(major) < UNFLAVOURED_FROM or flavoured in there else start


def intruder(facts: Facts, problem: LinkProblem) -> LibraryCopy | None:
    """The copy that LD_LIBRARY_PATH or LD_PRELOAD put in front, if the problem is what that copy lacks."""
    copies = facts.linking.copies
    for one in copies.value if isinstance(copies, Known) and problem.of is not None else ():
        asked = one.path if "/" in str(problem.of) else one.soname
        if asked == problem.of and one.origin.startswith(VARIABLES):
            return one
    return None


def subject_of(one: LibraryCopy) -> str:
    """What a finding about a copy in front is about, as ED305 names it too: "__libnvjitlink"."""
    return f"__{one.soname.partition('.so')[0].lower()}"


def without(facts: Facts, one: LibraryCopy) -> dict[str, str | None]:
    """The variable without the copy that it lets in, as the ``env`` of a Change. Raises NotObserved."""
    if one.origin.startswith("LD_PRELOAD"):
        return {"LD_PRELOAD": None}
    return library_path_without(facts, {one.path.rpartition("/")[0]})


def named(facts: Facts, name: str) -> str:
    """A provider as one says it: "torch 2.5.1", "this Python", "glibc"."""
    if name == PYTHON:
        return f"Python {need(facts.python).version}"
    one = installed(facts, name)
    return f"{one.name} {one.version}" if one is not None else name.lstrip("_") or "no library here"


def wanted(problem: LinkProblem) -> str:
    """What is lacking, in words."""
    if problem.kind == "undefined-symbol":
        return f"the symbol {shortened(problem.wants)}"
    if problem.kind == "missing-version":
        return f"{problem.wants} of {problem.of}"
    if problem.kind == "static-tls":
        return f"{problem.wants} of static thread-local storage"
    if problem.kind == "wrong-python":
        return "a file for this Python"
    if problem.kind == "not-elf":
        return problem.file
    return problem.wants


MAX_SYMBOL = 60


def shortened(symbol: str) -> str:
    """A mangled name cut to a readable length; the evidence has it whole."""
    return symbol if len(symbol) <= MAX_SYMBOL else f"{symbol[:MAX_SYMBOL]}..."


def by_provider(found: Iterable[Lack]) -> dict[str, list[Lack]]:
    """The lacks grouped by who should have provided, in the order met; what nobody provides, by module."""
    groups: dict[str, list[Lack]] = {}
    for one in found:
        groups.setdefault(one.provider or f"{one.module.package}:{one.problem.wants}", []).append(one)
    return groups


def packages(found: Iterable[Lack]) -> tuple[str, ...]:
    """The packages whose modules these are, each once."""
    return tuple(dict.fromkeys(one.module.package for one in found))


def pins_on(facts: Facts, names: Iterable[str], provided: str) -> Iterator[str]:
    """The ranges in which these packages ask for another one; nothing for those that do not name it."""
    among = set(names)
    for edge in requirements(facts).edges:
        if edge.name == provided and normalized(edge.requirer.name) in among and edge.specifier:
            yield edge.specifier
