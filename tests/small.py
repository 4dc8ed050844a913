"""A small world of releases, as a folder of data: for what must hold whatever the package index brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor.harvest import derive, store
from envdoctor.harvest.store import Derived, packed
from envdoctor.matrix import Matrix
from envdoctor.rows import CudaRelease, GpuProduct, Release, TorchRelease, VllmRelease

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.claims import Claim

READ = "2026-01-02"
SOURCE = "a test"


class Made(NamedTuple):
    """A release: version, day of its upload, Requires-Dist lines."""

    version: str
    uploaded: str
    requires: tuple[str, ...] = ()
    python: str | None = ">=3.9"
    glibc: str | None = None
    yanked: bool = False


ENGINE = Made("1.0", "2025-03-01", ("torch==2.0", "ray==2.40.0", "transformers>=4.40"))
WORLD = {
    "vllm": (Made("0.9", "2025-01-01", ("torch==1.9", "transformers>=4.40")), ENGINE),
    "torch": (Made("1.9", "2024-01-01"), Made("2.0", "2024-06-01")),
    "transformers": (Made("4.40", "2024-01-01"), Made("4.50", "2025-02-01"), Made("5.0", "2026-01-01")),
    "trl": (
        Made("0.1", "2025-03-02", ('vllm==1.0; extra == "vllm"', "transformers>=4.40")),
        Made("0.2", "2025-03-09", ('vllm==1.0; extra == "vllm"', "transformers>=4.40")),
    ),
}
TORCH = (
    TorchRelease(torch="1.9", cuda="11.8", archs=("sm_80",), cxx11_abi=False, python=">=3.9,<3.13", glibc="2.17", source=SOURCE, read=READ),
    TorchRelease(torch="2.0", cuda="12.1", archs=("sm_80", "compute_90"), cxx11_abi=True, python=">=3.9,<3.13", glibc="2.17", source=SOURCE, read=READ),
)  # fmt: skip
VLLM = (
    VllmRelease(vllm="0.9", cuda_major=11, archs=("sm_80",), modules={}, glibc="2.17", source=SOURCE, read=READ),
    VllmRelease(vllm="1.0", cuda_major=12, archs=("sm_80", "sm_90"), modules={}, glibc="2.28", source=SOURCE, read=READ),
)
CUDA = (
    CudaRelease(cuda="11.8", full_driver="520.61.05", floor_driver="450.80.02", source=SOURCE, read=READ),
    CudaRelease(cuda="12.1", full_driver="530.30.02", floor_driver="525.60.13", source=SOURCE, read=READ),
)


def gpu(key: str, capability: str) -> GpuProduct:
    """A GPU of which only the compute capability matters."""
    return GpuProduct(
        name=key, key=key, compute_capability=capability, memory_gib=80, bandwidth_gb_s=None, nvlink_gb_s=None,
        fp8=True, fp4=False, pci_device_ids=(), datacenter=True, source=SOURCE, read=READ,
    )  # fmt: skip


GPUS = (gpu("a100", "8.0"), gpu("h100", "9.0"), gpu("b200", "10.0"))


def matrix(
    folder: Path,
    *,
    vllm_built: tuple[VllmRelease, ...] = VLLM,
    torch_built: tuple[TorchRelease, ...] = TORCH,
    curated: tuple[Claim, ...] = (),
    **changed: tuple[Made, ...],
) -> Matrix:
    """The world above with some packages changed, and curated claims that begin with vLLM."""
    packages = {
        name: packed(
            name,
            READ,
            {
                Release(
                    version=one.version, file=f"{name}-{one.version}-py3-none-any.whl", sha256="0" * 64, uploaded=one.uploaded,
                    python=("py3",), glibc=one.glibc, requires_python=one.python, yanked=one.yanked,
                ): one.requires
                for one in made
            },
        )
        for name, made in (WORLD | changed).items()
    }  # fmt: skip
    derived = Derived(packages, torch_built, vllm_built)
    store.write(str(folder), derived, derive.claims(derived))
    for name, rows in {
        "tables/cuda_releases": CUDA,
        "tables/gpu_products": GPUS,
        **({"claims/curated/vllm": curated} if curated else {}),
    }.items():
        path = folder / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return Matrix(str(folder))
