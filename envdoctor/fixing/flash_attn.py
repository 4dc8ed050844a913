"""flash-attn has no wheel on the package index. What one can do on this machine: a wheel of its makers, a build, or neither.

The index has only source distributions, whose setup.py looks for a wheel on GitHub, named after torch, CUDA, the C++11 ABI and
Python, and compiles for a long time where there is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from packaging.version import Version

from envdoctor.facts import Known, NotObserved
from envdoctor.views import distributions

if TYPE_CHECKING:
    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.rows import FlashAttnWheels

RELEASES = "https://github.com/Dao-AILab/flash-attention/releases/download"
GIB = 1024**3
OWN = re.compile(r"flash_attn|_fa[23]_C")
"""Modules of vLLM that are FlashAttention."""
NVCC_THREADS = 4
"""What its setup.py gives nvcc (--threads) unless NVCC_THREADS says otherwise."""
GIB_PER_THREAD = 5
"""Peak memory of one such thread, 3 to 5 GB measured with torch 2.9 and CUDA 12.8."""
MEMORY_SOURCE = "https://github.com/Dao-AILab/flash-attention/pull/2079"
MINUTES = "3 to 5 minutes on 64 cores by its README, hours on a few"


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of flash-attn for one environment."""

    wheel: str | None
    """Name of the wheel that its release workflow makes for this torch, CUDA, ABI and Python."""
    url: str | None
    source: str | None
    why_none: str | None
    """Why no wheel fits or can be told, in one sentence."""
    max_jobs: int | None
    """How many compile jobs the memory of this machine holds; None: its memory is not known."""
    memory_gib: float | None
    """What the build may use: the machine's memory, or the container's limit."""
    nvcc: str | None
    """Folder of a CUDA toolkit to compile with, of torch's major version."""
    engine_has_its_own: str | None
    """The engine that brings its own FlashAttention ("vllm 0.31.0"), so that it does not need this one."""


def advice(facts: Facts, matrix: Matrix, release: str | None = None) -> Advice:
    """What one can do to get flash-attn in this environment; ``release`` is the one wanted, None for the newest known."""
    row, why = _wheel(facts, matrix, release)
    name = None if row is None else wheel_name(facts, row.release)
    if row is not None and name is None:
        row, why = None, "whether torch was built with the C++11 ABI is not known, and its wheels are named after it"
    return Advice(
        wheel=name,
        url=None if row is None else f"{RELEASES}/v{row.release}/{name}",
        source=None if row is None else row.source,
        why_none=why,
        max_jobs=_max_jobs(facts),
        memory_gib=_memory_gib(facts),
        nvcc=_toolkit(facts),
        engine_has_its_own=_engine(facts, matrix),
    )


def wheel_name(facts: Facts, release: str) -> str | None:
    """The name that setup.py of that release looks for; None if a part of it is not known.

    Source: get_wheel_url in its setup.py.
    """
    build, python = facts.builds.torch, facts.python
    if not (isinstance(build, Known) and build.value and build.value.cuda and isinstance(build.value.cxx11_abi, Known)):
        return None
    if not isinstance(python, Known):
        return None
    torch = Version(build.value.version)
    tag = "cp" + "".join(python.value.version.split(".")[:2])
    abi = str(build.value.cxx11_abi.value).upper()
    major = build.value.cuda.split(".")[0]
    return f"flash_attn-{release}+cu{major}torch{torch.major}.{torch.minor}cxx11abi{abi}-{tag}-{tag}-linux_x86_64.whl"


def _wheel(facts: Facts, matrix: Matrix, release: str | None) -> tuple[FlashAttnWheels | None, str | None]:
    """The newest release with a wheel for this environment, or why there is none."""
    build, python, arch = facts.builds.torch, facts.python, facts.host.arch
    if not isinstance(build, Known) or not isinstance(python, Known):
        return None, "which torch and which Python are installed is not known, and its wheels are named after them"
    if build.value is None:
        return None, "torch is not installed, and its wheels are named after it"
    if build.value.cuda is None:
        return None, f"torch {build.value.version} has no CUDA, and flash-attn runs on GPUs only"
    if isinstance(arch, Known) and arch.value != "x86_64":
        return None, f"its wheels that are known here are for x86_64, and this machine is {arch.value}"
    rows = [row for row in matrix.flash_attn_wheels() if release is None or row.release == release]
    if not rows:
        return None, f"which wheels flash-attn {release} has is not in the data"
    version = Version(build.value.version)
    torch, tag = f"{version.major}.{version.minor}", "cp" + "".join(python.value.version.split(".")[:2])
    major = int(build.value.cuda.split(".")[0])
    fitting = [row for row in rows if tag in row.torch.get(torch, ()) and major in row.cuda_majors]
    if fitting:
        return fitting[-1], None
    series = sorted({Version(one) for row in rows for one in row.torch})
    majors = sorted({one for row in rows for one in row.cuda_majors})
    return None, (
        f"there is none for torch {torch}, CUDA {major} and {tag} among those of flash-attn {rows[0].release} to "
        f"{rows[-1].release} (torch {series[0]} to {series[-1]}, CUDA {' and '.join(map(str, majors))})"
    )


def _memory_gib(facts: Facts) -> float | None:
    machine, limit = facts.host.memory_bytes, facts.container.memory_limit_bytes
    known = [leaf.value for leaf in (machine, limit) if isinstance(leaf, Known) and leaf.value]
    return min(known) / GIB if known else None


def _max_jobs(facts: Facts) -> int | None:
    memory, cores = _memory_gib(facts), facts.host.cpu_count
    if memory is None:
        return None
    by_memory = max(1, int(memory / (GIB_PER_THREAD * NVCC_THREADS)))
    return min(by_memory, max(1, cores.value // 2)) if isinstance(cores, Known) else by_memory


def _toolkit(facts: Facts) -> str | None:
    build, toolkits = facts.builds.torch, facts.cuda.toolkits
    if not (isinstance(build, Known) and build.value and build.value.cuda and isinstance(toolkits, Known)):
        return None
    major = build.value.cuda.split(".")[0]
    return next((one.path for one in toolkits.value if one.version and one.version.split(".")[0] == major), None)


def _engine(facts: Facts, matrix: Matrix) -> str | None:
    """The installed vLLM, if modules of FlashAttention were seen in its wheel."""
    try:
        vllm = distributions(facts).get("vllm")
    except NotObserved:
        return None
    row = next((row for row in matrix.vllm_releases() if vllm is not None and row.vllm == vllm.version), None)
    return f"vllm {row.vllm}" if row is not None and any(OWN.search(name) for name in row.modules) else None


def words(one: Advice, installer: str = "uv pip install") -> tuple[str, ...]:
    """The advice in sentences, commands among them."""
    return tuple(_words(one, installer))


def _words(one: Advice, installer: str) -> list[str]:
    said = []
    if one.engine_has_its_own:
        said.append(
            f"{one.engine_has_its_own} brings its own FlashAttention and does not use flash-attn; transformers and TRL train "
            'with PyTorch\'s own attention (attn_implementation="sdpa") where flash-attn is missing.'
        )
    else:
        said.append(
            'It is not needed to train: transformers falls back to PyTorch\'s own attention (attn_implementation="sdpa").'
        )
    if one.url is not None:
        said.append(
            f"Its makers publish a wheel for this torch, CUDA, ABI and Python (named in {one.source}; not downloaded by us):"
        )
        said.append(f"  {installer} --no-deps '{one.url}'")
        return said
    said.append(f"No wheel fits: {one.why_none}.")
    if one.max_jobs is not None:
        said.append(
            f"A build takes {MINUTES}, and up to {GIB_PER_THREAD} GB for each of nvcc's {NVCC_THREADS} threads a job "
            f"({MEMORY_SOURCE}): with {one.memory_gib:.0f} GiB here that is MAX_JOBS={one.max_jobs}."
        )
    toolkit = f"CUDA_HOME={one.nvcc} " if one.nvcc else ""
    if not one.nvcc:
        said.append(
            "It needs a CUDA toolkit (nvcc) of torch's major version, and none was found: set CUDA_HOME once there is one."
        )
    said.append(f"  {toolkit}MAX_JOBS={one.max_jobs or 1} {installer} --no-build-isolation flash-attn")
    return said
