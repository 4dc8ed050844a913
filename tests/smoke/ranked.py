"""What the tests of several ranks run under torch.distributed.run: ``ranked.py STORY SCRATCH``; events go to SCRATCH/events."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from envdoctor.smoke import parallel
from envdoctor.smoke.settings import Settings
from envdoctor.smoke.telling import Teller

STEPS = 4
ROWS = 8


class Numbers(Teller):
    """Only rank 0 is heard, as under the doctor."""

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, "events") if os.environ.get("RANK", "0") == "0" else os.devnull
        super().__init__(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))


def batch(seed: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of numbers and what is to be said of them."""
    dice = torch.Generator().manual_seed(seed * 1000 + step)
    x = torch.randn(ROWS, 16, generator=dice)
    return x, x.sum(1, keepdim=True).sin()


def learn(ranks: Any, settings: Settings, story: str) -> list[dict[str, Any]]:
    """A few steps of AdamW on batches of the rank's own."""
    torch.manual_seed(settings.seed + (ranks.rank if story == "unequal start" else 0))
    policy = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 1))
    ranks.start_equal(policy)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2)
    for step in range(STEPS):
        ranks.at(f"step {step}: sample")
        if story == "stall" and ranks.rank == 1 and step == 2:
            time.sleep(120)
        if story == "stall of rank 0" and ranks.rank == 0 and step == 2:
            time.sleep(120)
        if story == "die" and ranks.rank == 1 and step == 2:
            os.kill(os.getpid(), 9)
        if story == "raise" and ranks.rank == 1 and step == 2:
            raise ArithmeticError("the numbers do not add up")
        x, y = batch(ranks.own_seed(settings.seed), step)
        optimizer.zero_grad()
        (policy(x) - y).square().mean().backward()
        if story != "not averaged" or ranks.rank == 0 or step < 3:
            ranks.average_gradients(policy)
        else:
            # takes part in every call, so that nothing hangs, and keeps its own gradient
            own = [one.grad.clone() for one in policy.parameters() if one.grad is not None]
            ranks.average_gradients(policy)
            for one, mine in zip(policy.parameters(), own, strict=True):
                one.grad = mine
        optimizer.step()
    if ranks.agree(ranks.rank == 0) is not True:
        raise AssertionError("rank 0 was not heard")
    document = {
        "ranks": ranks.compare(policy),
        "mean_rank": ranks.mean(float(ranks.rank)),
        "weights": torch.cat([one.detach().flatten() for one in policy.parameters()]).tolist(),
    }
    return [document]


def wrong_sums(rank: int, after: int) -> None:
    """From the call number ``after`` on, rank 1 sees one number of a sum changed, as over a path that flips a bit."""
    right, calls = dist.all_reduce, [0]

    def all_reduce(tensor: torch.Tensor) -> None:
        right(tensor)
        calls[0] += 1
        if rank == 1 and calls[0] > after and tensor.numel() > 64:
            tensor[7] *= 2

    dist.all_reduce = all_reduce


def main(story: str, folder: str) -> None:
    """One rank."""
    settings = Settings(scratch=folder, budget_s=10.0, seed=5, gpus=2)
    teller = Numbers(folder)
    rank = int(os.environ.get("RANK", "0"))
    if "stall" in story:
        parallel.limit_s = lambda _: 3.0  # type: ignore[assignment]
    if story == "wrong sum":
        wrong_sums(rank, 0)
    if story == "wrong mean":
        wrong_sums(rank, 1)
    try:
        with parallel.join(settings, teller) as ranks:
            document = learn(ranks, settings, story)
        if rank == 0:
            teller.tell("done", measured=document[0])
    except Exception as error:
        # as the worker does
        teller.tell("failed", phase=teller.phase_name, type=type(error).__name__, message=str(error), trace=[])
        raise


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"rank": os.environ.get("RANK")}) + "\n")
    main(*sys.argv[1:])
