"""Environments made of real wheels, and what is wrong with each: the table that ``make real`` judges envdoctor by.

Every wheel is installed without its dependencies (they would be 5 GB an environment and change nothing here), so an
environment is never complete, and the rule about missing requirements (ED203) is left out of the verdict. What each row
does hold is chosen so that all versions among the wheels agree with each other, but for the one fault it is about.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """The one root cause that has to be named."""

    code: str
    cause: str
    blamed: str
    """Normalized name of the distribution to blame: the first subject of the diagnosis."""


@dataclass(frozen=True)
class Environment:
    """One row: what is installed, and what is expected of the check."""

    name: str
    wheels: tuple[str, ...]
    expected: Expected | None
    """None: nothing is wrong with the environment."""
    python: str = "3.11"
    installer: str = "uv"
    """uv, or pip where only pip reads the user's folder of local wheels (``find-links``)."""
    only_if: tuple[str, str] | None = None
    """A distribution and the end of its version without which the row says nothing: ("torch", "+cpu")."""
    really_fails: tuple[str, str] | None = None
    """An import and a part of the error that it really ends in; for the faults that show without a GPU."""


def swapped(wheels: tuple[str, ...], *others: str) -> tuple[str, ...]:
    """The same wheels, those of ``others`` in another version."""
    wanted = {one.split("==")[0]: one for one in others}
    return tuple(wanted.get(one.split("==")[0], one) for one in wheels)


# setuptools: triton 3.1 imports it without requiring it
VLLM_066 = (
    "vllm==0.6.6.post1",
    "torch==2.5.1",
    "torchvision==0.20.1",
    "torchaudio==2.5.1",
    "xformers==0.0.28.post3",
    "triton==3.1.0",
    "transformers==4.47.1",
    "tokenizers==0.21.0",
    "huggingface-hub==0.27.0",
    "accelerate==1.2.1",
    "trl==0.13.0",
    "numpy==1.26.4",
    "setuptools==75.8.0",
)
TORCH_CPU_FAMILY = (
    "torch==2.13.0",
    "torchvision==0.28.0",
    "numpy==2.3.5",
    "pillow==12.0.0",
    "filelock==3.20.0",
    "fsspec==2025.9.0",
    "jinja2==3.1.6",
    "markupsafe==3.0.3",
    "mpmath==1.3.0",
    "networkx==3.5",
    "setuptools==80.9.0",
    "sympy==1.14.0",
    "typing-extensions==4.15.0",
)

# Rows that share wheels stand together: the cache of unpacked wheels is kept while the first wheel stays the same.
ENVIRONMENTS = (
    Environment("vllm-0.6.6-with-its-own-stack", VLLM_066, None),
    Environment(
        "vllm-0.6.6-over-torch-2.6.0",
        swapped(VLLM_066, "torch==2.6.0", "triton==3.2.0"),
        Expected("ED201", "torch-vllm-pin-mismatch", "torch"),
    ),
    Environment(
        "vllm-0.6.6-under-transformers-5",
        swapped(VLLM_066, "transformers==5.0.0", "tokenizers==0.22.2", "huggingface-hub==1.3.4"),
        Expected("ED402", "transformers-too-new", "transformers"),
    ),
    Environment(
        "vllm-0.6.6-with-the-torchvision-of-torch-2.6",
        swapped(VLLM_066, "torchvision==0.21.0"),
        Expected("ED201", "torchvision-torch-mismatch", "torchvision"),
    ),
    Environment(
        "trl-1.16-with-vllm-0.33",
        (
            "vllm==0.33.0",
            "torch==2.14.0",
            "torchvision==0.29.0",
            "torchaudio==2.11.0",
            "triton==3.8.0",
            "transformers==5.20.2",
            "tokenizers==0.23.3",
            "huggingface-hub==2.4.0",
            "accelerate==1.15.0",
            "trl==1.16.0",
            "numpy==2.3.5",
            "setuptools==80.9.0",
        ),
        Expected("ED401", "trl-vllm-unsupported", "vllm"),
    ),
    Environment(
        "vllm-0.32-over-a-cpu-torch",
        ("vllm==0.32.0", "torch==2.13.0", "numpy==2.3.5", "setuptools==80.9.0"),
        Expected("ED301", "torch-cpu-build", "torch"),
        installer="pip",
        only_if=("torch", "+cpu"),
    ),
    Environment(
        "cuda-torchvision-over-a-cpu-torch",
        TORCH_CPU_FAMILY,
        Expected("ED308", "torchvision-torch-mismatch", "torchvision"),
        installer="pip",
        only_if=("torch", "+cpu"),
        really_fails=("torchvision", "operator torchvision::nms does not exist"),
    ),
    Environment(
        "cuda-12-kernels-over-a-cuda-13-torch",
        ("sgl-kernel==0.3.9.post2", "torch==2.11.0", "triton==3.6.0", "numpy==2.2.6", "setuptools==80.9.0"),
        Expected("ED303", "cuda-major-mismatch", "sgl-kernel"),
    ),
    Environment(
        "numpy-2-under-pandas-built-for-numpy-1",
        ("pandas==2.0.3", "numpy==2.2.6", "python-dateutil==2.9.0.post0", "pytz==2025.2", "tzdata==2025.2", "six==1.17.0"),
        Expected("ED307", "numpy2-abi", "numpy"),
        really_fails=("pandas", "numpy.dtype size changed"),
    ),
    Environment(
        "pynvml-in-front-of-nvidia-ml-py",
        ("pynvml==11.5.3", "nvidia-ml-py==13.580.82"),
        Expected("ED206", "pynvml-conflict", "pynvml"),
    ),
)
