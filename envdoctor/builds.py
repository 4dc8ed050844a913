"""Facts of how installed packages were built, read from their bytes; part of the document of :mod:`envdoctor.facts`."""

from __future__ import annotations

from envdoctor.leaf import Leaf, Part
from envdoctor.linkage import NOT_TAKEN


class TorchBuild(Part, frozen=True):
    """How the installed torch was built, read from its files; torch is not imported."""

    version: str
    """torch/version.py __version__, "2.6.0+cu124"."""
    cuda: str | None
    """"12.4"; None for a build without CUDA."""
    hip: str | None
    git: str | None
    debug: bool
    cxx11_abi: Leaf[bool]
    gpu_archs: Leaf[tuple[str, ...]]
    """The compiled architectures, ("sm_80", "sm_90", "compute_90"); empty for a build without CUDA."""


class VllmBuild(Part, frozen=True):
    """How the installed vLLM was built. ``cuda_major`` is the SONAME major its extensions link against."""

    version: str
    cuda_major: Leaf[int | None]
    """12 from DT_NEEDED libcudart.so.12; None if no extension needs a CUDA runtime."""


class Extension(Part, frozen=True):
    """A compiled module of the GPU stack and the CUDA/torch SONAMEs it needs (DT_NEEDED)."""

    package: str
    path: str
    """Relative to its site folder."""
    needed: tuple[str, ...]


class NumpyAbi(Part, frozen=True):
    """A compiled module built against NumPy 1 headers only (see facts of rule ED308)."""

    package: str
    path: str


class Builds(Part, frozen=True):
    """Build facts read from the bytes of installed packages. ``Known(None)``: the package is not installed."""

    torch: Leaf[TorchBuild | None]
    vllm: Leaf[VllmBuild | None]
    extensions: Leaf[tuple[Extension, ...]]
    numpy1_modules: Leaf[tuple[NumpyAbi, ...]]
    """Modules that need NumPy 1; looked for only when NumPy 2 is installed (else empty)."""
    module_owners: Leaf[dict[str, tuple[str, ...]]]
    """Top-level files that more than one distribution's RECORD lists: {"pynvml.py": ("nvidia-ml-py", "pynvml")}."""
    built_as: Leaf[dict[str, str]] = NOT_TAKEN
    """Version that torchvision and torchaudio were built as, with the CUDA tag that wheels of PyPI have in no other place:
    {"torchvision": "0.21.0+cu124"}."""
