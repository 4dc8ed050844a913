"""Several GPUs: each rank samples for its own prompts, gradients are averaged, and all ranks must end with the same weights.

``join(settings, teller)`` is the one door: :class:`Alone` for one process, :class:`Together` under torch.distributed.run (rank and
size from its variables; NCCL between GPUs, gloo between CPUs). Both have the same methods, so that the training loop reads the
same for one and for many::

    with join(settings, teller) as ranks:
        settings = ranks.settings                  # device is the one of this rank
        ranks.start_equal(policy)
        seed = ranks.own_seed(settings.seed)       # of the prompts and the answers, never of the first weights
        ranks.at("step 3: sample")                 # what is told if this rank does not come
        loss.backward()
        ranks.average_gradients(policy)
        reward = ranks.mean(reward)
        if ranks.agree(time_is_up): ...
        document["ranks"] = ranks.compare(policy)

No DistributedDataParallel: it gives the same mean (sum of the gradients, divided by the number of ranks) and hides it in hooks
of the forward pass that overlap it with the backward pass. Here the mean is one plain call between the backward pass and the
optimizer, so that the gradient of one rank can be checked before it and the mean after it.
"""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .watch import Watch

if TYPE_CHECKING:
    import torch

    from .settings import Settings
    from .telling import Teller

APART = 7919
"""Between the seeds of two ranks: the seeds a user tries are small numbers, and no two of them may meet."""
PATTERN = 1 << 20
"""Numbers in the sum that is checked before anything else is summed (4 MiB)."""
MEAN_TOLERANCE = 1e-4
"""Of a mean of gradients beside the same mean made another way, relative to the gradient's norm: float32 sums stay below 1e-5."""


class WrongSum(RuntimeError):
    """Ranks added numbers up and got another sum than the right one."""


class Alone:
    """One process: nothing to average, nobody to wait for."""

    rank = 0
    size = 1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to leave."""

    def own_seed(self, seed: int) -> int:
        """The seed of this rank's prompts and answers."""
        return seed

    def at(self, what: str) -> None:
        """Say what this rank does now."""

    def start_equal(self, policy: torch.nn.Module) -> None:
        """Give every rank rank 0's weights."""

    def average_gradients(self, policy: torch.nn.Module) -> None:
        """Replace each gradient by its mean over the ranks."""

    def mean(self, value: float) -> float:
        """The mean over the ranks."""
        return value

    def agree(self, said: bool) -> bool:
        """What rank 0 says, on every rank: for decisions that end a loop."""
        return said

    def compare(self, policy: torch.nn.Module) -> List[Dict[str, Any]]:  # noqa: ARG002 - as Together
        """How far each rank's weights are from rank 0's, in the shape of Measured.ranks; [] for one process."""
        return []


class Together:
    """One of several processes under torch.distributed.run."""

    def __init__(self, settings: Settings, teller: Teller) -> None:
        self.rank = int(os.environ["RANK"])
        self.size = int(os.environ["WORLD_SIZE"])
        self.local = int(os.environ.get("LOCAL_RANK", self.rank))
        on_gpu = settings.device.startswith("cuda")
        self.settings = settings._replace(device=f"cuda:{self.local}" if on_gpu else "cpu")
        self.on_gpu = on_gpu
        self.watch = Watch(settings.scratch, self.rank, self.size, teller, limit_of(settings))

    def __enter__(self) -> Together:
        raise NotImplementedError

    def __exit__(self, kind: Optional[type], error: Optional[BaseException], trace: object) -> None:
        raise NotImplementedError

    def own_seed(self, seed: int) -> int:
        """The seed of this rank's prompts and answers; rank 0 has the one that a single process has."""
        return seed + APART * self.rank

    def at(self, what: str) -> None:
        """Say what this rank does now; it is told where another rank waits for it in vain."""
        self.watch.at(what)

    def start_equal(self, policy: torch.nn.Module) -> None:
        """Give every rank rank 0's weights."""
        raise NotImplementedError

    def average_gradients(self, policy: torch.nn.Module) -> None:
        """Replace each gradient by its mean over the ranks."""
        raise NotImplementedError

    def mean(self, value: float) -> float:
        """The mean over the ranks."""
        raise NotImplementedError

    def agree(self, said: bool) -> bool:
        """What rank 0 says, on every rank: for decisions that end a loop."""
        raise NotImplementedError

    def compare(self, policy: torch.nn.Module) -> List[Dict[str, Any]]:
        """How far each rank's weights are from rank 0's, in the shape of Measured.ranks."""
        raise NotImplementedError


def join(settings: Settings, teller: Teller) -> Any:  # noqa: ANN401 - Alone or Together, with the same methods
    """The ranks of this run: more than one where torch.distributed.run says so."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        return Together(settings, teller)
    return Alone(settings)


def limit_of(settings: Settings) -> datetime.timedelta:
    """How long a rank waits for the others: rank 0 alone does the measuring at both ends, which takes a part of the budget."""
    return datetime.timedelta(seconds=max(30.0, settings.budget_s / 2))
