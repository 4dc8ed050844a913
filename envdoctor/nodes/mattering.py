"""Which differences between nodes matter to a training run over all of them, and why. Pure: tables and their reading.

What matters fails the node that stands apart. The measure: the ranks of one run start the same number of collective calls in
the same order and exchange bytes by one protocol, so they must be the same program on machines that can do the same. What
only makes a node slower, or is judged on each node by itself (a driver against its CUDA, a C library against its wheels),
does not matter here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from envdoctor.findings import Source
from envdoctor.nodes.aspects import BRANCH, DRIVER_CUDA, FABRIC, KIND_OF_LIBCUDA, NCCL, PATCH, Aspect, Kind
from envdoctor.requirements import in_stack

READ = "2026-11-26"


class Reason(NamedTuple):
    """Whether it matters, why in one sentence, and where that is from."""

    matters: bool
    why: str
    source: Source


def _yes(why: str, where: str) -> Reason:
    return Reason(matters=True, why=why, source=Source(where, READ))


def _no(why: str, where: str) -> Reason:
    return Reason(matters=False, why=why, source=Source(where, READ))


DDP = "https://docs.pytorch.org/tutorials/intermediate/ddp_tutorial.html"
NCCL_INIT = "https://github.com/NVIDIA/nccl/blob/master/src/init.cc"
NCCL_ISSUE = "https://github.com/NVIDIA/nccl/issues/1328"
NCCL_SHM = "https://docs.nvidia.com/deeplearning/nccl/archives/nccl_2262/user-guide/docs/_sources/troubleshooting.rst.txt"
NCCL_MEMLOCK = "https://github.com/NVIDIA/nccl-tests/issues/206"
VLLM = "https://docs.vllm.ai/en/v0.8.4/_sources/serving/distributed_serving.md"
RAY = "https://github.com/ray-project/ray/blob/ray-2.60.0/python/ray/_private/utils.py (check_version_info)"
RAY_FILES = "https://github.com/ray-project/ray/issues/29696"
TORCHRUN = "https://docs.pytorch.org/docs/stable/elastic/run.html"
RANDOMNESS = "https://docs.pytorch.org/docs/stable/notes/randomness.html"
DRIVERS = "https://docs.nvidia.com/datacenter/tesla/drivers/620/supported-drivers-and-cuda-toolkit-versions.html"
COMPAT = "https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html"
FABRIC_GUIDE = "https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide"
FOREIGN = "https://github.com/pytorch/pytorch/issues/119932"
OWN = "our own judgement; each node is held against the rules by itself"

SAME_PROGRAM = _yes(
    "the ranks of one run must make the same collective calls in the same order: they must be the same program", DDP
)
ENGINE = _yes("vLLM asks for the same Python environment on all nodes that it runs over", VLLM)
SAME_NCCL = _yes(
    "NCCL compares the versions of all ranks when it starts, and fails with 'Mismatched NCCL version detected'", NCCL_INIT
)
SAME_RAY = _yes("a node whose Ray or Python is of another version is refused by the cluster", RAY)
SAME_SUMS = _yes("other builds of the same mathematics round otherwise, so the ranks drift apart", RANDOMNESS)
PYTHON_RAY = _yes("Ray, which is installed, refuses a node whose Python differs even in its patch release (its default)", RAY)
OTHER_FILES = _yes("it decides which files are loaded, so equal packages are not an equal program", FOREIGN)
SAME_NCCL_SETTINGS = _yes("NCCL settings that one rank has and another lacks end in size mismatches or hangs", NCCL_ISSUE)
SAME_SWITCHES = _yes("it switches what the libraries compute or call, and all ranks must do the same", DDP)
FEWER_GPUS = _yes("a launcher starts the same number of processes on every node, one for each GPU", TORCHRUN)
SLOWER = _no("it makes a node slower, not wrong", DDP)
BY_ITSELF = _no("what depends on it is judged on each node by itself", OWN)
PLACES = _no("it only says where files lie; what is in them is compared", OWN)
IDLE = _no("it changes neither what is loaded nor what is exchanged, at most how fast a node is", OWN)
NOT_IN_STACK = _no("it is not of the training stack", OWN)
PRINTS = _no("it only changes what is printed", "https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html")

TRAITS = {
    "GPUs": _yes(
        "every step waits for the slowest rank, the smallest memory bounds all, and launchers start equally many ranks a node",
        DDP,
    ),
    BRANCH: _yes("the branch sets up to which CUDA a program starts on that node", DRIVERS),
    "driver": _no(
        "within a branch the CUDA that it supports stays, and the driver is held against torch's CUDA on each node by itself",
        DRIVERS,
    ),
    DRIVER_CUDA: _yes("up to that CUDA a program starts on that node", DRIVERS),
    KIND_OF_LIBCUDA: _yes("with the compatibility package another libcuda runs than the driver's own", COMPAT),
    NCCL: SAME_NCCL,
    FABRIC: _yes("without it NVSwitch is not set up and CUDA does not start on such a machine", FABRIC_GUIDE),
    "fabric manager": BY_ITSELF,
    "architecture": _yes("wheels for another architecture are other builds", RANDOMNESS),
    "Python": _yes("Ray refuses a node of another Python, and without Ray too it is another program", RAY),
    PATCH: _no("nothing but Ray compares it, and Ray is not installed", RAY),
    "implementation": SAME_PROGRAM,
    "threading": SAME_PROGRAM,
    "torch built for": SAME_PROGRAM,
    "torch's C++ ABI": SAME_PROGRAM,
    "torch's GPU code": SAME_SUMS,
    "vllm's CUDA runtime": ENGINE,
    "torchvision built as": SAME_PROGRAM,
    "torchaudio built as": SAME_PROGRAM,
    "memory": _yes("all ranks wait for one another, so the run ends when the smallest node is out of memory", DDP),
    "limit of memory": _yes("all ranks wait for one another, so the run ends when the node with the lowest limit is killed", DDP),
    "shared memory": _yes(
        "NCCL and data loaders exchange tensors through /dev/shm, and fail on the node where it is small", NCCL_SHM
    ),
    "locked memory": _yes("RDMA registers locked memory, and fails on the node whose limit is low", NCCL_MEMLOCK),
    "open files": _yes(
        "connections use them up (Ray could not connect until the limit was raised), first where the limit is low", RAY_FILES
    ),
    "CPU": SLOWER,
    "CPUs": SLOWER,
    "limit of CPUs": SLOWER,
    "CUDA toolkits": _no("wheels bring their own CUDA runtime; only what is compiled on the node uses it", OWN),
    "kernel": _no("training talks to the driver, whose version is compared", OWN),
}
"""Every other trait is judged on each node by itself."""

PACKAGES: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"nvidia-nccl(-.*)?"), SAME_NCCL),
    (re.compile(r"nvidia-ml-py"), BY_ITSELF),
    (re.compile(r"nvidia-.*"), SAME_SUMS),
    (re.compile(r"ray"), SAME_RAY),
    (re.compile(r"vllm.*|flashinfer-.*|xgrammar|compressed-tensors"), ENGINE),
)
"""The first that matches the normalized name. Other packages of the stack are :data:`SAME_PROGRAM`; the rest do not matter."""

VARIABLES: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"NCCL_(DEBUG|TOPO_DUMP|GRAPH_DUMP).*"), PRINTS),
    (re.compile(r"NCCL_.*|(GLOO|TP)_SOCKET_IFNAME"), SAME_NCCL_SETTINGS),
    (re.compile(r"(CUDA|NVIDIA)_VISIBLE_DEVICES"), FEWER_GPUS),
    (re.compile(r"LD_LIBRARY_PATH|LD_PRELOAD|LD_AUDIT|PYTHON(PATH|HOME|NOUSERSITE|USERBASE)"), OTHER_FILES),
    (re.compile(r".*_(HOME|PATH|DIR|ROOT|CACHE|LOGS?|LOG_LEVEL|LOGGING_LEVEL)"), PLACES),
    (re.compile(r"(VLLM|TORCH|PYTORCH|TRITON|CUBLAS|CUDNN|CUDA)_.*"), SAME_SWITCHES),
)
"""The first that matches; other variables do not matter."""


DEFAULTS = {
    "any other package of the training stack": SAME_PROGRAM,
    "any other package": NOT_IN_STACK,
    "any other trait of the machine": BY_ITSELF,
    "any other variable": IDLE,
    "Python's patch release, where Ray is installed": PYTHON_RAY,
}
"""What is in none of the tables."""


def reason(aspect: Aspect, *, ray: bool) -> Reason:
    """Whether a difference in it matters. ``ray``: whether Ray is installed on any of the nodes."""
    if aspect.kind is Kind.TRAIT:
        if aspect.name == PATCH and ray:
            return PYTHON_RAY
        return TRAITS.get(aspect.name, BY_ITSELF)
    if aspect.kind is Kind.VARIABLE:
        return _first(VARIABLES, aspect.name) or IDLE
    found = _first(PACKAGES, aspect.name)
    if found is not None:
        return found
    return SAME_PROGRAM if in_stack(aspect.name) else NOT_IN_STACK


def _first(table: tuple[tuple[re.Pattern[str], Reason], ...], name: str) -> Reason | None:
    return next((found for pattern, found in table if pattern.fullmatch(name)), None)
