"""What the trainer's numbers are held against: the same quantities once more, in float64, written on their own.

Nothing here is shared with ``grpo.py``: advantages from rewards that were read again, log-probabilities through ``logsumexp``,
the loss answer by answer. The one thing taken over is the policy's module itself, copied and widened. Formulas: DeepSeekMath,
section 4.1 (arXiv 2402.03300); Dr. GRPO (arXiv 2503.20783); PPO (arXiv 1707.06347) with GAE (arXiv 1506.02438).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, List, NamedTuple, Optional

import torch

if TYPE_CHECKING:
    from .settings import Settings

EPSILON = 1e-4
"""Added to a group's standard deviation, as the trainer does (TRL's constant)."""


class Checked(NamedTuple):
    """A gradient beside its reference."""

    relative_error: float
    cosine: float
    norm: float
    reference_norm: float
    clipped: float
    kl: float


def widened(module: torch.nn.Module) -> torch.nn.Module:
    """A float64 copy without gradients and without dropout."""
    copied = copy.deepcopy(module).double().eval()
    for parameter in copied.parameters():
        parameter.grad = None
        parameter.requires_grad_(True)  # noqa: FBT003
    return copied


def logps(policy: torch.nn.Module, prompts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Log-probability of each answer token, [answers, answer_tokens], place by place."""
    logits = policy(torch.cat([prompts, answers], 1))
    told = []
    for place in range(answers.shape[1]):
        # the logits after the token before it
        row = logits[:, prompts.shape[1] + place - 1]
        told.append(row[torch.arange(len(row)), answers[:, place]] - torch.logsumexp(row, 1))
    return torch.stack(told, 1)


def advantages(settings: Settings, step_rewards: List[List[float]], values: Optional[torch.Tensor]) -> List[List[float]]:
    """Advantage of each answer token from the rewards of its places; ``values`` (float64, PPO) of each place before its token."""
    size, told = settings.group, []
    if settings.loss == "ppo":
        assert values is not None  # noqa: S101 - a value network is there with this loss
        return [generalized(rewards, row, settings) for rewards, row in zip(step_rewards, values.tolist())]
    for first in range(0, len(step_rewards), size):
        group = step_rewards[first : first + size]
        if settings.reward == "process":
            every = [reward for row in group for reward in row]
            middle = mean(every)
            spread = 1.0 if settings.loss == "dr_grpo" else deviation(every) + EPSILON
            scaled = [[(reward - middle) / spread for reward in row] for row in group]
            told += [[sum(row[place:]) for place in range(len(row))] for row in scaled]
            continue
        outcomes = [mean(row) for row in group]
        middle = mean(outcomes)
        scale = 1.0 if settings.loss == "dr_grpo" else deviation(outcomes) + EPSILON
        told += [[(outcome - middle) / scale] * len(row) for outcome, row in zip(outcomes, group)]
    return told


def generalized(rewards: List[float], values: List[float], settings: Settings) -> List[float]:
    """Generalised advantage estimates of one answer, discount 1, lambda 0.95; an outcome is paid at its last place."""
    paid = rewards if settings.reward == "process" else [0.0] * (len(rewards) - 1) + [mean(rewards)]
    told: List[float] = []
    later = following = 0.0
    for reward, value in zip(reversed(paid), reversed(values)):
        later = reward + following - value + 0.95 * later
        following = value
        told.append(later)
    return told[::-1]


def mean(values: List[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def deviation(values: List[float]) -> float:
    """Standard deviation of a sample (n - 1)."""
    middle = mean(values)
    return float((sum((value - middle) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def gradient(
    settings: Settings,
    policy: torch.nn.Module,
    before: torch.nn.Module,
    frozen: torch.nn.Module,
    prompts: torch.Tensor,
    answers: torch.Tensor,
    told: List[List[float]],
) -> Any:  # noqa: ANN401 - (list of tensors, share clipped, mean KL)
    """Gradient of the loss in float64, with the share of clipped tokens and the mean KL.

    Args:
        settings: of the run.
        policy: float64; its gradient is made.
        before: float64, the policy that sampled the answers.
        frozen: float64, the reference of the KL.
        prompts: int64 [answers, prompt_tokens].
        answers: int64 [answers, answer_tokens].
        told: the advantages, a row an answer.
    """
    now = logps(policy, prompts, answers)
    with torch.no_grad():
        then, first = logps(before, prompts, answers), logps(frozen, prompts, answers)
    gain = torch.tensor(told, dtype=torch.float64, device=now.device)
    if settings.loss == "ppo":
        gain = (gain - gain.mean()) / (gain.std() + EPSILON)
    low, high = 1 - settings.clip, 1 + settings.clip
    objective, outside, divergence = [], [], []
    for row in range(len(answers)):
        ratio = torch.exp(now[row] - then[row])
        # written by cases: the clipped branch has no gradient, and is taken where it is the smaller one
        stopped = ((gain[row] > 0) & (ratio > high)) | ((gain[row] < 0) & (ratio < low))
        surrogate = torch.where(stopped, torch.zeros_like(ratio), ratio * gain[row])
        away = first[row] - now[row]
        kl = away.exp() - 1 - away
        objective.append((surrogate - settings.kl_weight * kl).sum() / settings.answer_tokens)
        outside.append(((ratio - 1).abs() > settings.clip).double().mean())
        divergence.append(kl.detach().mean())
    loss = -torch.stack(objective).sum() / len(answers)
    made = torch.autograd.grad(loss, list(policy.parameters()))
    return list(made), float(torch.stack(outside).mean()), float(torch.stack(divergence).mean())


def first_update(settings: Settings, policy: torch.nn.Module) -> List[torch.Tensor]:
    """How far every weight goes in the first step of AdamW (arXiv 1711.05101), from the policy's clipped gradients.

    Both moments are the gradient itself then, once their bias is taken away: -rate * g / (|g| + 1e-8), in float64.
    """
    told = []
    for one in policy.parameters():
        g = torch.zeros_like(one, dtype=torch.float64) if one.grad is None else one.grad.double()
        told.append(-settings.learning_rate * g / (g.abs() + 1e-8))
    return told


def update_error(policy: torch.nn.Module, before: torch.nn.Module, expected: List[torch.Tensor]) -> float:
    """||way - expected way|| / ||expected way|| of the policy's weights from those of ``before`` (float64)."""
    ways = [one.detach().double() - was.detach() for one, was in zip(policy.parameters(), before.parameters())]
    exact = torch.cat([one.flatten() for one in expected])
    return float((torch.cat([one.flatten() for one in ways]) - exact).norm() / exact.norm())


def compared(gradients: List[Optional[torch.Tensor]], reference: Any) -> Checked:  # noqa: ANN401 - see gradient
    """The trainer's gradients (None counts as zero) beside what :func:`gradient` gave."""
    made, clipped, kl = reference
    exact = torch.cat([one.flatten() for one in made])
    ours = torch.cat([(torch.zeros_like(one) if mine is None else mine.double()).flatten() for mine, one in zip(gradients, made)])
    norm, exact_norm = float(ours.norm()), float(exact.norm())
    product = norm * exact_norm
    return Checked(
        relative_error=float((ours - exact).norm()) / exact_norm if exact_norm else float("nan"),
        cosine=float(ours @ exact) / product if product else 0.0,
        norm=norm,
        reference_norm=exact_norm,
        clipped=clipped,
        kl=kl,
    )
