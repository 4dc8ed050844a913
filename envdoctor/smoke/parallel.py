"""Several GPUs: each rank samples for its own prompts, gradients are averaged, and all ranks must end with the same weights.

``join(settings, teller)`` is the one door: :class:`Alone` for one process, :class:`Together` under torch.distributed.run
(rank and size from its variables; NCCL between GPUs, gloo between CPUs). Both have the same methods, so that the training loop
reads the same for one and for many::

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

import datetime as dt
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Type

import torch
import torch.distributed as dist

from .watch import Watch

if TYPE_CHECKING:
    from .settings import Settings
    from .telling import Teller

APART = 7919
"""Between the seeds of two ranks: the seeds a user tries are small numbers, and no two of them may meet."""
PATTERN = 1 << 20
"""Numbers in the sum that is checked before anything else is summed (4 MiB)."""
BUCKET = 1 << 25
"""Numbers that are averaged in one call (128 MiB): a copy of so much is held beside the gradients."""
MEAN_TOLERANCE = 1e-5
"""Of a weighted sum of the mean gradient, relative to the sum of its absolute terms: rounding in float32 stays below 1e-6."""
BACKEND_WAITS_LONGER_S = 60.0
"""The backend's own deadline is so much later than ours: ours says which rank is missing."""


class WrongSumError(RuntimeError):
    """Ranks added numbers up and got another sum than the right one."""


class Alone:
    """One process: nothing to average, nobody to wait for."""

    rank = 0
    size = 1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> Alone:  # noqa: PYI034 - Self is Python 3.11
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
        self.local = int(os.environ.get("LOCAL_RANK", str(self.rank)))
        self.on_gpu = settings.device.startswith("cuda")
        self.settings = settings._replace(device=f"cuda:{self.local}" if self.on_gpu else "cpu")
        self.device = torch.device(self.settings.device)
        self.watch = Watch(settings.scratch, self.rank, self.size, teller, limit_s(settings))

    def __enter__(self) -> Together:  # noqa: PYI034 - Self is Python 3.11
        # what is set by the user stays
        os.environ.setdefault("NCCL_DEBUG", "WARN")
        os.environ.setdefault("NCCL_DEBUG_FILE", os.path.join(self.settings.scratch, "nccl-%p.txt"))
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")
        # all ranks are on this machine: no name of it has to be resolved
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        self.watch.start()
        try:
            with self.watch.collective("join"):
                if self.on_gpu:
                    torch.cuda.set_device(self.device)
                dist.init_process_group(
                    "nccl" if self.on_gpu else "gloo",
                    timeout=dt.timedelta(seconds=self.watch.limit_s + BACKEND_WAITS_LONGER_S),
                )
            self._check_sum()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: object) -> None:
        """Leave the others: with all of them after a run, or telling them why not."""
        if error is not None:
            self.watch.failed(error)
            if self.rank:
                self.watch.thread.join()  # it ends the process, after rank 0 has told
            self.watch.stop()
            return
        with self.watch.collective("leave"):
            self._sum(torch.zeros(1))
        self.watch.stop()
        dist.destroy_process_group()

    def own_seed(self, seed: int) -> int:
        """The seed of this rank's prompts and answers; rank 0 has the one that a single process has."""
        return seed + APART * self.rank

    def at(self, what: str) -> None:
        """Say what this rank does now; it is told where another rank waits for it in vain."""
        self.watch.at(what)

    def start_equal(self, policy: torch.nn.Module) -> None:
        """Give every rank rank 0's weights."""
        with self.watch.collective("send the first weights"), torch.no_grad():
            for tensor in [*policy.parameters(), *policy.buffers()]:
                dist.broadcast(tensor.data, 0)
            self._done()

    def average_gradients(self, policy: torch.nn.Module) -> None:
        """Replace each gradient by its mean over the ranks; one that is missing counts as zero.

        Raises:
            WrongSumError: the mean is not that of the ranks' gradients.
        """
        for bucket in buckets([one for one in policy.parameters() if one.requires_grad]):
            flat = torch.cat([flat_gradient(one) for one in bucket])
            weights = torch.arange(flat.numel(), device=flat.device, dtype=torch.float64) % 251 - 125
            own = torch.stack([(flat.double() * weights).sum(), (flat.double() * weights).abs().sum()])
            with self.watch.collective("average the gradients"):
                flat = self._sum(flat) / self.size
                right = self._sum(own) / self.size
            error = ((flat.double() * weights).sum() - right[0]).abs().item()
            if error > MEAN_TOLERANCE * right[1].item():
                raise WrongSumError(
                    f"the mean of {flat.numel()} gradients over {self.size} ranks is off by {error:.3g} in a sum of size "
                    f"{right[1].item():.3g}, at most {MEAN_TOLERANCE:g} of that is rounding: {self._path()} adds wrongly"
                )
            place = 0
            for one in bucket:
                part = flat[place : place + one.numel()].reshape(one.shape).to(one.dtype)
                one.grad = part.clone() if one.grad is None else one.grad.copy_(part)
                place += one.numel()

    def mean(self, value: float) -> float:
        """The mean over the ranks."""
        with self.watch.collective("average a number"):
            return float(self._sum(torch.tensor([value], dtype=torch.float64)).item()) / self.size

    def agree(self, said: bool) -> bool:
        """What rank 0 says, on every rank: for decisions that end a loop."""
        with self.watch.collective("agree"):
            word = torch.tensor([int(said)], device=self.device)
            dist.broadcast(word, 0)
            return bool(word.item())

    def compare(self, policy: torch.nn.Module) -> List[Dict[str, Any]]:
        """How far each rank's weights are from rank 0's, in the shape of Measured.ranks; NaN where one of them is NaN."""
        with self.watch.collective("compare the weights"):
            return weights_apart(policy, self.settings.device)

    def _check_sum(self) -> None:
        """Add known whole numbers up: a sum below 2^24 is exact in float32, so that one wrong bit shows."""
        pattern = (torch.arange(PATTERN, device=self.device) % 1021).float()
        with self.watch.collective("add known numbers"):
            total = self._sum(pattern * (self.rank + 1))
        wrong = int((total != pattern * (self.size * (self.size + 1) // 2)).sum().item())
        if wrong:
            raise WrongSumError(
                f"{self.size} ranks added {PATTERN} known numbers and {wrong} of the sums are wrong: {self._path()} "
                "changes what it carries"
            )

    def _sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over the ranks, there when this returns."""
        tensor = tensor.to(self.device)
        dist.all_reduce(tensor)
        self._done()
        return tensor

    def _done(self) -> None:
        """NCCL's calls return before they are done; a rank that does not come must be seen in this call, not in a later one."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def _path(self) -> str:
        return "NCCL between these GPUs (NCCL_P2P_DISABLE=1 shows whether it is the direct path)" if self.on_gpu else "gloo"


def join(settings: Settings, teller: Teller) -> Any:  # noqa: ANN401 - Alone or Together, with the same methods
    """The ranks of this run: more than one where torch.distributed.run says so."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        return Together(settings, teller)
    return Alone(settings)


@torch.no_grad()
def weights_apart(policy: torch.nn.Module, device: str) -> List[Dict[str, Any]]:
    """How far each rank's weights are from rank 0's, in the shape of Measured.ranks; all ranks of the default group call it."""
    largest = torch.zeros(1, dtype=torch.float64, device=device)
    for tensor in policy.parameters():
        first = tensor.detach().clone()
        dist.broadcast(first, 0)
        # maximum hands NaN on, max() of Python would not
        largest = torch.maximum(largest, (first.double() - tensor.double()).abs().max())
    local = float(os.environ.get("LOCAL_RANK", "0"))
    own = torch.cat([largest, torch.tensor([local], dtype=torch.float64, device=device)])
    told = [torch.zeros_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(told, own)
    on_gpu = device.startswith("cuda")
    return [
        {"rank": rank, "device": f"cuda:{int(one[1].item())}" if on_gpu else "cpu", "weights_differ": one[0].item()}
        for rank, one in enumerate(told)
    ]


def limit_s(settings: Settings) -> float:
    """How long a rank waits for the others: rank 0 alone measures at both ends, which takes a part of the budget."""
    return max(30.0, settings.budget_s / 2)


def flat_gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    """Its gradient as float32 [numbers]; zeros where it has none."""
    if parameter.grad is None:
        return torch.zeros(parameter.numel(), device=parameter.device)
    return parameter.grad.detach().reshape(-1).float()


def buckets(parameters: List[torch.nn.Parameter]) -> Iterator[List[torch.nn.Parameter]]:
    """The parameters in groups of at most BUCKET numbers (or one that is larger)."""
    group: List[torch.nn.Parameter] = []
    numbers = 0
    for one in parameters:
        if group and numbers + one.numel() > BUCKET:
            yield group
            group, numbers = [], 0
        group.append(one)
        numbers += one.numel()
    if group:
        yield group
