"""What a run writes down of itself, in the shape of :class:`envdoctor.measured.Measured`."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import torch

if TYPE_CHECKING:
    from .reference import Checked
    from .settings import Settings


def number(value: Any) -> float:  # noqa: ANN401 - a tensor of one element, or a number
    """A plain number."""
    return float(value)


def mean(values: List[float]) -> Optional[float]:
    """Arithmetic mean; None of nothing."""
    return sum(values) / len(values) if values else None


def entropy_of(logits: torch.Tensor) -> torch.Tensor:
    """Entropy in nats of each next-token distribution, without the last axis of the logits."""
    logp = logits.detach().log_softmax(-1)
    return -(logp.exp() * logp).sum(-1)


def spread_of_surprise(logits: torch.Tensor) -> torch.Tensor:
    """Standard error of the mean of -log p over tokens that are drawn from these distributions: from them, not from the draw."""
    logp = logits.detach().double().log_softmax(-1)
    variance = (logp.exp() * logp.square()).sum(-1) - entropy_of(logits.double()).square()
    return variance.clamp_min(0).sum().sqrt() / variance.numel()


def not_finite(step: int, policy: torch.nn.Module, loss: torch.Tensor) -> List[str]:
    """Where NaN or Inf stands: the loss, weights, gradients; the first five."""
    found = [] if bool(torch.isfinite(loss)) else [f"step {step}: the loss"]
    for name, parameter in policy.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            found.append(f"step {step}: weights of {name}")
        elif parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            found.append(f"step {step}: gradient of {name}")
    return found[:5]


def sample_of(rewards: List[float], group: int) -> Dict[str, Any]:
    """Mean and variance over the groups' mean rewards: answers to one prompt are not independent of each other."""
    if not rewards:
        return {"mean": None, "variance": None, "count": 0}
    means = torch.tensor(rewards, dtype=torch.float64).view(-1, group).mean(1)
    return {"mean": float(means.mean()), "variance": float(means.var()), "count": len(means)}


def about(settings: Settings, policy: torch.nn.Module, task: Any) -> Dict[str, Any]:  # noqa: ANN401 - see task.py
    """What the document says of the run itself: settings, device, model."""
    device = torch.device(settings.device)
    on_gpu = device.type == "cuda"
    names = [name for name, _ in policy.named_parameters()]
    return {
        "schema_version": 1,
        "asked": {key: value for key, value in settings._asdict().items() if key != "scratch"},
        "device_name": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability(device))) if on_gpu else None,
        "cuda": torch.version.cuda,
        "model_kind": type(policy).__name__,
        "parameters": sum(tensor.numel() for tensor in policy.parameters()),
        "layers": len({name.split(".layers.")[1].split(".")[0] for name in names if ".layers." in name}),
        "vocabulary": task.vocabulary,
    }


class Memory:
    """Bytes in use: allocated on the GPU, or the resident set of this process."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def now(self) -> Optional[int]:
        """Bytes allocated now."""
        if self.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.device))
        return resident_bytes("VmRSS")

    def peak(self) -> Optional[int]:
        """The largest since the start."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return resident_bytes("VmHWM")

    def settle(self) -> None:
        """Wait for the GPU, so that times are those of the work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def resident_bytes(field: str) -> Optional[int]:
    """A field of /proc/self/status in bytes; None where there is none."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


class Recorder:
    """The steps of one training, as plain numbers."""

    def __init__(self, *, gradients: bool = True) -> None:
        self.wants_gradients = gradients
        self.steps: List[Dict[str, Any]] = []
        self.gradients: List[Dict[str, Any]] = []
        self.not_finite: List[str] = []
        self.update_error: Optional[float] = None
        self.ended_by: Optional[str] = None
        self.value_errors: List[float] = []
        """Root mean square of return minus expected value, a step a value."""
        self._first: Dict[str, Any] = {}

    def gradient(self, step: int, inner: int, checked: Checked) -> None:
        """A gradient beside its reference."""
        self.gradients.append({"step": step, "inner": inner, **checked._asdict()})

    def first_inner(
        self,
        ratio: torch.Tensor,
        norm: Any,  # noqa: ANN401
        loss: torch.Tensor,
        logits: torch.Tensor,
        logps: torch.Tensor,
        engine_logps: torch.Tensor,
        kl: torch.Tensor,
    ) -> None:
        """What the first inner step had in its loss, before the weights moved."""
        logps, entropy = logps.detach(), entropy_of(logits)
        gap = (logps - engine_logps).abs()
        self._first = {
            "ratio_deviation": number((ratio.detach() - 1).abs().max()),
            "gradient_norm": number(norm),
            "loss": number(loss.detach()),
            "entropy": number(entropy.mean()),
            "surprise": number(-logps.mean()),
            "surprise_error": number(spread_of_surprise(logits)),
            "logp_gap_max": number(gap.max()),
            "logp_gap_mean": number(gap.mean()),
            "kl": number(kl.detach().mean()),
        }

    def value_missed(self, values: torch.Tensor, returns: torch.Tensor) -> None:
        """Note how far the value network was from the returns, before it learnt from them."""
        self.value_errors.append(number((returns - values).square().mean().sqrt()))

    def step(
        self,
        settings: Settings,
        step_rewards: torch.Tensor,
        verified: List[float],
        advantages: Tuple[torch.Tensor, List[List[float]]],
        ratio: torch.Tensor,
        memory_bytes: Optional[int],
        seconds: Tuple[float, float, float],
    ) -> None:
        """Close the step. ``advantages``: those of the loss and those of the reference, a row an answer, a prompt's together."""
        used, told = advantages[0], torch.tensor(advantages[1], dtype=torch.float64, device=advantages[0].device)
        if settings.loss == "ppo":
            told = (told - told.mean()) / (told.std() + 1e-4)
        rewards = step_rewards.mean(1)
        again = torch.tensor(verified, dtype=rewards.dtype, device=rewards.device)
        # of process rewards only the first token's advantage, which sums the whole answer, is centred
        sums = used[:, 0].view(settings.prompts, settings.group).double().sum(1)
        rollout_s, train_s, push_s = seconds
        self.steps.append(
            {
                **self._first,
                "reward": number(rewards.mean()),
                "reward_error": number((rewards - again).abs().max()),
                "reward_spread": number(again.view(settings.prompts, settings.group).std(1).mean()),
                "advantage_sum": None if settings.loss == "ppo" else number(sums.abs().max()),
                "advantage_error": number((used - told).abs().max()),
                "clipped": number(((ratio.detach() - 1).abs() > settings.clip).float().mean()),
                "tokens": step_rewards.numel(),
                "rollout_s": rollout_s,
                "train_s": train_s,
                "push_s": push_s,
                "memory_bytes": memory_bytes,
            }
        )

    def differs_from(self, other: Recorder) -> Tuple[Optional[int], float]:
        """The first step whose reward, loss or gradient norm is not the same bits, and the largest difference of a reward."""
        first, largest = None, 0.0
        for step, (mine, theirs) in enumerate(zip(self.steps, other.steps)):
            largest = max(largest, abs(mine["reward"] - theirs["reward"]))
            same = all(mine[key] == theirs[key] for key in ("reward", "loss", "gradient_norm"))
            if not same and first is None:
                first = step
        return first, largest


def state_bytes(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Bytes of a module's parameters, their gradients and the optimizer's state of them."""
    mine = list(module.parameters())
    whole = sum(one.numel() * one.element_size() for one in mine)
    whole += sum(one.grad.numel() * one.grad.element_size() for one in mine if one.grad is not None)
    for one in mine:
        whole += sum(t.numel() * t.element_size() for t in optimizer.state.get(one, {}).values() if torch.is_tensor(t))
    return whole


def forget() -> None:
    """Give unused memory back before it is measured."""
    gc.collect()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
