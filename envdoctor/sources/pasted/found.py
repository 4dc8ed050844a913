"""What the readers of a pasted report find: one value of one line each. Types only."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Kind(enum.Enum):
    """What a value is."""

    PACKAGE = "package"
    """``name`` is a distribution, ``value`` its version."""
    REQUIRES = "requires"
    """``name`` is a distribution, ``value`` what it requires: "torch==2.5.1"."""
    NOT_INSTALLED = "not installed"
    TORCH = "torch"
    TORCH_CUDA = "CUDA of torch"
    """"12.4"; "" for a build without."""
    TORCH_HIP = "ROCm of torch"
    ARCHS = "architectures of torch"
    """Separated by blanks: "sm_80 sm_90 compute_90"."""
    DRIVER = "driver"
    KERNEL_MODULE = "kernel module"
    SMI_CUDA = "CUDA of the driver, by nvidia-smi"
    CUDA_API = "CUDA of the driver, by itself"
    GPU = "GPU"
    """``name`` is its index or "", ``value`` what it is called."""
    CAPABILITY = "compute capability"
    """``name`` is what the GPU is called, or its index, ``value`` "12.0"."""
    CXX11_ABI = "C++ ABI of torch"
    """"True" or "False"."""
    NVCC = "toolkit"
    CUDA_AVAILABLE = "CUDA available"
    OS = "operating system"
    PLATFORM = "platform"
    LIBC = "C library"
    PYTHON = "Python"
    VARIABLE = "variable"
    LIBRARY = "library"
    """``name`` is a SONAME, ``value`` the path that the loader takes."""
    IMAGE = "image"
    LISTED = "list of packages"
    """A list of packages from this line on; ``value`` is "whole" where it has its head and its end, else "part"."""
    REMOVED = "removed"
    """``name`` is a distribution that an installer took away in this line; ``value`` its version."""


class Seen(NamedTuple):
    """One value, as it stands in the report."""

    kind: Kind
    name: str
    value: str
    line: int
    form: str
    """Which format says it: "torch collect_env", "pip list", "nvidia-smi"."""
