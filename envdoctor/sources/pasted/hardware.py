"""Which cause a text about the GPU itself is evidence of: what it is, whether it is seen, what code it runs. Pure.

Each takes what the judges of :mod:`envdoctor.sources.pasted.causes` take.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.architectures import Architecture
from envdoctor.causes import HARMLESS
from envdoctor.sources.pasted.packages import package_of_library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.sources.pasted.surroundings import About, Around

CAUSE = "arch-not-in-torch-build"
TEGRA = {(5, 3), (6, 2), (7, 2), (8, 7), (11, 0)}
"""Compute capabilities of Jetson modules, on which no code of another one runs (CUDA C++ Programming Guide, binary compatibility)."""
_OF_GPU = re.compile(r"of cuda capability (?P<capability>\d{1,2}\.\d)")
_OF_BUILD = re.compile(r"version of PyTorch is\s{1,8}\(\d{1,2}\.\d\) - \((?P<most>\d{1,2}\.\d)\)")
MAX_TEXT = 2000
_ASKED_NAME = re.compile(r"nvmlDeviceGetName|get_device_name|pynvml|NvmlCuda")
_NAME = re.compile(r"device_name|gpu_name")
NEAR = 3
"""Lines above an error, in which the line of the program stands that failed."""


def many_gpus_on_wsl(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """The count of GPUs ends in "out of memory"."""
    del values, around
    return "wsl-multi-gpu-limit" if about.wsl else None


def no_gpus(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """No GPU is listed by torch: under WSL, where the driver lists them, another libcuda than the driver's is loaded."""
    del values, around
    return "cuda-compat-conflict" if about.wsl and about.driver_sees_gpu else None


def no_device(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """The libcuda that is loaded lists no GPU: under WSL, where others see one, it is a Linux driver's and not that of Windows."""
    del values, around
    return "wsl-libcuda" if about.wsl and (about.driver_sees_gpu or about.torch_sees_gpu) else "no-gpu-host"


def other_graphics(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A call of CUDA stands in a traceback: on another maker's graphics it cannot but fail."""
    del values
    return "no-gpu-host" if about.other_graphics and any('File "' in line for line in around.before(1)) else HARMLESS


def said_too_old(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Somebody says that the driver is too old, and not that it is not, or that something looks whether it is."""
    del values, about
    return HARMLESS if _DENIED.search(around.line[:2000]) else "driver-too-old-for-cuda"


_DENIED = re.compile(r"(?i)\b(?:not the case|if|whether|detects?|checks?|warns?|unless)\b")


def no_gpus_for_nccl(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """NCCL is asked for and torch sees no GPU: there is none, unless others see one."""
    del values, around
    seen = about.driver_sees_gpu or about.torch_sees_gpu or about.nvidia_gpu
    return None if seen or about.hides_gpus else "no-gpu-host"


def kernel_image(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A kernel has no code for this GPU: torch's own, or that of the package in whose file it failed."""
    del values, about
    if (
        package_of_library(around.line) in {"bitsandbytes", "xformers"}
        or "flash_fwd" in around.line
        or "bitsandbytes" in around.line
    ):
        return "gpu-arch-unsupported-by-kernel"
    return "arch-not-in-torch-build"


def in_range(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Torch names the GPU's compute capability and those that it was built for, and calls one above them not supported.

    Code of the same major runs on it all the same (sm_120 on a GPU of 12.1): the line alone is no fault then.
    """
    del values, about
    text = " ".join((*around.before(1), around.line, *around.after(2)))[:MAX_TEXT]
    capability, least_to_most = _OF_GPU.search(text), _OF_BUILD.search(text)
    if capability is None or least_to_most is None:
        return CAUSE
    gpu, most = _pair(capability["capability"]), _pair(least_to_most["most"])
    return HARMLESS if gpu not in TEGRA and gpu >= most and Architecture(False, *most, "").runs_on(gpu) else CAUSE  # noqa: FBT003 - SASS


def _pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor)


def fabric(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """The fabric manager does not start: on a machine without NVSwitch it says so, and is not needed."""
    del values, about
    lines = around.near(SERVICE)
    return HARMLESS if any("NV_WARN_NOTHING_TO_DO" in line for line in lines) else "fabric-manager"


SERVICE = 30
"""Lines around the end of a service, in which its log stands."""


def name_in_bytes(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """Text is expected where bytes are: of a GPU's name, the binding of NVML is an old one."""
    del values, about
    near = [line[:400] for line in (around.line, *around.before(NEAR))]
    asked = any(_ASKED_NAME.search(line) for line in near)
    engine = any("/vllm/" in path or "/pynvml" in path for path in around.frames)
    return "pynvml-conflict" if asked or (engine and any(_NAME.search(line) for line in near)) else HARMLESS
