"""A lock of real releases: what uv resolved of trl 1.16.0 and vllm 0.31.0 on 2026-11-25, for Python 3.12 and glibc 2.35."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from envdoctor.locks.document import Bound, Lock, LockedPackage
from envdoctor.locks.files import sealed

PACKAGES = Path(__file__).parent / "h100.jsonl"
BOUND = Bound(
    package="transformers",
    specifier="<5.18.0",
    why="vllm 0.31.0 states it; the releases before it break with the same transformers",
    source="vllm-0.31.0 METADATA",
    basis="later-cap",
)


@lru_cache(maxsize=1)
def packages() -> tuple[LockedPackage, ...]:
    return tuple(msgspec.json.decode(line, type=LockedPackage) for line in PACKAGES.read_bytes().splitlines())


def h100(**changes: Any) -> Lock:
    """The lock, sealed, with some fields changed."""
    values: dict[str, Any] = {
        "target": "h100",
        "gpu": "h100",
        "compute_capability": "9.0",
        "driver_floor": "580.65.06",
        "cuda": "13.0",
        "glibc": "2.35",
        "python": "3.12",
        "base_image": "nvidia/cuda:13.0.2-runtime-ubuntu22.04",
        "torch_backend": None,
        "asked": ("vllm==0.31.0", "trl==1.16.0"),
        "stack": {"vllm": "0.31.0", "torch": "2.13.0", "transformers": "5.17.0", "trl": "1.16.0"},
        "bounds": (BOUND,),
        "exclude_newer": None,
        "made": "2026-11-25",
        "data_as_of": "2026-11-24",
        "envdoctor": "0.1.0",
        "verdict": "clean",
        "requirements_sha256": "",
        "packages": packages(),
        **changes,
    }
    return sealed(Lock(**values))


def small(**changes: Any) -> Lock:
    """The same lock with four packages only."""
    few = {"vllm", "torch", "transformers", "trl"}
    return h100(**{"packages": tuple(one for one in packages() if one.name in few), **changes})
