"""What the tests of the all-reduce run under torch.distributed.run: ``ranked.py STORY SCRATCH``; events go to SCRATCH/events."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import torch
import torch.distributed as dist

from envdoctor.live import collective
from envdoctor.live.telling import Teller

LIMIT_S = {"stalls at its start": 5.0, "stalls before the sum": 5.0}
"""Where nothing stalls a busy machine has a minute."""


def change(story: str) -> None:
    """What is other than it must be on rank 1."""
    right = dist.all_reduce

    def lies(tensor: torch.Tensor, **more: Any) -> Any:
        done = right(tensor, **more)
        tensor[3] += 1
        return done

    def raises(*_: Any, **__: Any) -> Any:
        raise ArithmeticError("this rank cannot add")

    if story == "stalls at its start":
        time.sleep(120)
    dist.all_reduce = {"lies": lies, "raises": raises}.get(story, right)
    if story == "stalls before the sum":
        dist.init_process_group = lambda *_, **__: time.sleep(120)


def main(story: str, folder: str) -> None:
    """One rank."""
    rank = int(os.environ["RANK"])
    if rank == 1:
        change(story)
    path = os.path.join(folder, "events") if rank == 0 else os.devnull
    teller = Teller(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    collective.main(teller, "gloo", LIMIT_S.get(story, 60.0), folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
