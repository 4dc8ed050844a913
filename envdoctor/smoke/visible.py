"""Which GPUs a process of the run sees. Standard library only: it has to be settled before torch is imported."""

from __future__ import annotations

import os
from typing import Dict, Optional

SEEN_BEFORE = "ENVDOCTOR_CUDA_VISIBLE_DEVICES"
"""Keeps what CUDA_VISIBLE_DEVICES was before all GPUs but one were hidden from the trainer."""
NOT_FOR_A_SERVER = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "ROLE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
"""What torch.distributed.run tells a rank: a server that read it would wait to be one."""


def only_device(device: str) -> str:
    """Show one GPU (or none) to this process, before CUDA is first used; gives the device as it is called from now on.

    vLLM takes the first GPU that it sees, and the Trainer of transformers spreads a batch over all of them (DataParallel). Under
    torch.distributed.run each rank takes its own, and nothing is hidden.
    """
    if not device.startswith("cuda"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return device
    os.environ.setdefault(SEEN_BEFORE, os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    if "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    os.environ["CUDA_VISIBLE_DEVICES"] = named(int(device.partition(":")[2] or "0"))
    return "cuda:0"


def named(index: int) -> str:
    """What CUDA_VISIBLE_DEVICES must be for the GPU of that number among those that the user shows."""
    seen = [one for one in os.environ.get(SEEN_BEFORE, os.environ.get("CUDA_VISIBLE_DEVICES", "")).split(",") if one]
    return seen[index] if len(seen) > index else str(index)


def environment_of_a_server(index: Optional[int]) -> Dict[str, str]:
    """The variables of a process that has the GPU of that number for itself (None: on a CPU); nothing in them makes it a rank."""
    environ = {name: value for name, value in os.environ.items() if name not in NOT_FOR_A_SERVER and "TORCHELASTIC" not in name}
    if index is not None:
        environ["CUDA_VISIBLE_DEVICES"] = named(index)
    return environ
