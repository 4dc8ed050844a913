"""Slugs of causes (docs/causes.md) that several rules and the known error texts share: which package, which library. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor import mangled

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "module-does-not-load"
HARMLESS = ""
"""In place of a slug: the text is no error at all."""
FAMILIES = (
    frozenset(
        {
            "torch-vllm-pin-mismatch",
            "flash-attn-abi",
            "kernel-ext-torch-abi",
            "xformers-torch-mismatch",
            "torchvision-torch-mismatch",
        }
    ),
    frozenset({"cuda-major-mismatch", "mixed-cuda-majors"}),
    frozenset({"driver-too-old-for-cuda", "ptx-newer-than-driver", "container-driver-requirement"}),
    frozenset({"ld-library-path-shadow", "cudnn-shadow", "nccl-version-mismatch"}),
    frozenset({"trl-vllm-unsupported", "trl-too-old", "trl-too-new", "rl-framework-vllm-unsupported"}),
    frozenset({"transformers-too-new", "transformers-too-old"}),
    frozenset({"arch-not-in-torch-build", "gpu-arch-unsupported-by-kernel", "ptxas-too-old"}),
    frozenset({"wsl-libcuda", "libcuda-not-found", "no-gpu-host"}),
)  # fmt: skip
"""Causes of which one error text can have several: there the versions decide."""
OF_OWNER = {
    "flash-attn": "flash-attn-abi",
    "vllm": "torch-vllm-pin-mismatch",
    "torchvision": "torchvision-torch-mismatch",
    "torchaudio": "torchvision-torch-mismatch",
    "xformers": "xformers-torch-mismatch",
}
"""Package with a compiled part -> the cause where that part does not fit the installed torch."""
OF_SIDE = {
    mangled.NCCL: "nccl-version-mismatch",
    mangled.CUDNN: "cudnn-shadow",
    mangled.NVJITLINK: "ld-library-path-shadow",
    mangled.CUDA: "ld-library-path-shadow",
    mangled.CUDART: "ld-library-path-shadow",
    mangled.DRIVER: "driver-too-old-for-cuda",
    mangled.NVML: "driver-too-old-for-cuda",
    mangled.PYTHON: "python-version-unsupported",
    mangled.STDCXX: "glibc-too-old",
}
"""Whose symbol is missing -> the cause, whichever module asks for it."""
OF_SHADOWED = (
    ("libcudnn", "cudnn-shadow"),
    ("libnccl", "nccl-version-mismatch"),
    *(
        (f"lib{name}", "ld-library-path-shadow")
        for name in ("cublas", "cusparse", "cusolver", "cufft", "curand", "nvJitLink", "nvrtc")
    ),
)
"""How the name of a library begins -> the cause where the copy that is loaded is of another release."""
OF_LIBRARY = {
    "libcudnn": "cudnn-shadow",
    "libnccl": "nccl-version-mismatch",
    "libcudart": "cuda-major-mismatch",
    "libcublas": "cuda-major-mismatch",
    "libcublasLt": "cuda-major-mismatch",
    "libnvrtc": "cuda-major-mismatch",
    "libnvJitLink": "cuda-major-mismatch",
    "libtorch_cuda": "torch-cpu-build",
    "libc10_cuda": "torch-cpu-build",
    "libcuda": "libcuda-not-found",
}
"""Beginning of a library's name -> the cause where it is not there, or another one is."""


def of_shadowed(file: str) -> str | None:
    """The cause where a copy of a library is loaded that is of another release than the one meant."""
    return next((cause for start, cause in OF_SHADOWED if file.startswith(start)), None)


def of_package(package: str) -> str:
    """The cause where a package's compiled part does not fit the installed torch."""
    return OF_OWNER.get(package, "kernel-ext-torch-abi")


def of_module(kind: str, wants: str, package: str, *, shadowed: bool) -> str:
    """The cause where the loader refuses a compiled module.

    Args:
        kind: as in LinkProblem.
        wants: what is lacking.
        package: whose module it is.
        shadowed: whether a variable puts a library in front that lacks it.
    """
    if package == "bitsandbytes" and kind in {"missing-library", "undefined-symbol"}:
        return "bitsandbytes-cuda"
    if kind == "wrong-python":
        return "python-version-unsupported"
    if kind == "missing-version":
        return "glibc-too-old" if wants.startswith(("GLIBC", "CXXABI", "GCC_")) else _in_front(wants, shadowed=shadowed)
    if kind == "missing-library":
        return _missing(wants, package)
    if kind == "undefined-symbol":
        side = mangled.read(wants).side
        if side == mangled.TORCH and package != "torch":
            return of_package(package)
        if side in OF_SIDE:
            return OF_SIDE[side]
        if side == mangled.OWN:
            return "source-build-bug"
    return _in_front(wants, shadowed=shadowed)


def _missing(library: str, package: str) -> str:
    soname = library.rpartition("/")[2]
    cause = next((cause for stem, cause in OF_LIBRARY.items() if soname.startswith((f"{stem}.", f"{stem}_"))), MODULE)
    of_cuda = cause in {"cudnn-shadow", "nccl-version-mismatch", "cuda-major-mismatch"}
    # what torch itself does not find is no clash with torch
    return MODULE if of_cuda and package == "torch" else cause


def _in_front(wants: str, *, shadowed: bool) -> str:
    return "ld-library-path-shadow" if shadowed or "nvJitLink" in wants else MODULE


def of_pairs(pairs: Mapping[tuple[str, str], str]) -> str | None:
    """The cause where a package requires another in a version that is not there; None where no pair has one of its own.

    Args:
        pairs: (who requires, what) -> on which side of the range the installed one lies, "too-old" or "too-new".
    """
    found = {_of_pair(*pair, side) for pair, side in pairs.items()}
    return next((cause for cause in ORDER if cause in found), None)


ORDER = (
    "torch-vllm-pin-mismatch",
    "trl-vllm-unsupported",
    "rl-framework-vllm-unsupported",
    "transformers-too-new",
    "transformers-too-old",
    "torchvision-torch-mismatch",
    "xformers-torch-mismatch",
    "flash-attn-abi",
    "kernel-ext-torch-abi",
    "flashinfer-mismatch",
    "trl-too-new",
    "trl-too-old",
)
"""Of several causes between the same packages the first counts: what breaks most comes first."""
RL_FRAMEWORKS = frozenset({"verl", "openrlhf"})
KERNELS = frozenset(
    {"sgl-kernel", "sglang-kernel", "transformer-engine", "transformer-engine-torch", "flash-attn-3", "vllm-flash-attn"}
)


def _of_pair(requirer: str, required: str, side: str) -> str | None:
    if required == "torch":
        return OF_OWNER.get(requirer, "kernel-ext-torch-abi" if requirer in KERNELS else None)
    if required == "vllm":
        return (
            "trl-vllm-unsupported"
            if requirer == "trl"
            else "rl-framework-vllm-unsupported"
            if requirer in RL_FRAMEWORKS
            else None
        )
    if required in {"transformers", "trl"}:
        return f"{required}-{side}"
    if required.startswith("flashinfer") and requirer.startswith("flashinfer"):
        return "flashinfer-mismatch"
    return None
