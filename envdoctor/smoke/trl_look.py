"""A GRPOTrainer that is looked at: every method does what TRL's does, and what passes through is written down.

The algorithm stays TRL's. What is read: the batch that reaches the loss (tokens, advantages, the old and the reference
log-probabilities, those of the sampler where it hands them out), the log-probabilities that the loss makes itself, the gradients
that the backward pass leaves, and what TRL logs. It is held against our own tiny Llama with the same weights (the twin): in
float32 for log-probabilities and entropy, in float64 for the gradient.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional

import torch

from . import reference
from .grpo import CHECKED_STEPS, MAX_GRADIENT_NORM, answer_logits, k3, step_rewards_again
from .measuring import Memory, Recorder, not_finite
from .model import Llama, Shape
from .trl_config import text_rewards

if TYPE_CHECKING:
    from .settings import Settings
    from .telling import Teller

FROM_THE_LOSS = ("_get_per_token_logps_and_entropies", "_get_per_token_logps")
"""Of these the first that there is makes the log-probabilities in the loss: since 0.20, and before."""


PUSH = "_move_model_to_vllm"
"""Gives vLLM the weights, up to 0.27."""


class Look:
    """What was seen of one training."""

    def __init__(self, settings: Settings, task: Any, model: torch.nn.Module, teller: Teller, *, gradients: bool) -> None:  # noqa: ANN401
        self.settings, self.task, self.teller = settings, task, teller
        device = next(model.parameters()).device
        self.twin = Llama(Shape()).to(device)
        copy_into(self.twin, model)
        self.origin = reference.widened(self.twin)
        self.memory = Memory(device)
        self.calls = 0
        self.given: List[float] = []
        """Rewards TRL was given for the newest batch, in the order in which it asked."""
        self.reward_error = 0.0
        self.batch: Dict[str, Any] = {}
        self.logps: Optional[torch.Tensor] = None
        self.before: Optional[torch.nn.Module] = None
        self.told: List[List[float]] = []
        self.way: Optional[List[torch.Tensor]] = None
        self.alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
        # of several ranks the gradients are averaged before they can be read
        self.record = Recorder(gradients=gradients and self.alone)
        self.rollout_s = self.push_s = self.train_s = 0.0
        self.mean_logged: Optional[float] = None
        self.engine_logps_seen = self.reference_logps_seen = False

    # ---- what TRL asks of us

    def reward(self, prompts: List[str], completions: List[str], **_: Any) -> List[float]:  # noqa: ANN401 - TRL's columns
        """The reward function that TRL is given."""
        self.given = text_rewards(prompts, completions, self.settings.answer_tokens)
        return self.given

    # ---- what passes through TRL

    def begins(self, model: torch.nn.Module) -> None:
        """Before a step: the weights are those that the optimizer has made."""
        if self.way is not None:
            copy_into(self.twin, model)
            self.record.update_error = reference.update_error(self.twin, self.origin, self.way)
            self.way = None

    def sampled(self, output: Dict[str, Any]) -> None:
        """A batch as it was sampled, in the order in which it was rewarded: read its rewards again, from the tokens."""
        rows, answers = output["prompt_ids"].tolist(), output["completion_ids"].tolist()
        again = self.task.verified(rows, answers)
        self.reward_error = max(abs(told - read) for told, read in zip(self.given, again))

    def entered(self, inputs: Dict[str, Any]) -> None:
        """A batch as the loss has it."""
        self.batch = inputs
        self.logps = None

    def made(self, logps: Any) -> None:  # noqa: ANN401 - a tensor, or a tuple that begins with it
        """Log-probabilities; those that carry a gradient are the ones of the loss."""
        first = logps[0] if isinstance(logps, tuple) else logps
        if first.requires_grad:
            self.logps = first.detach()

    def stepped(self, model: torch.nn.Module, loss: torch.Tensor, seconds: float) -> None:
        """After the backward pass, before the gradients are clipped and used."""
        settings, record = self.settings, self.record
        step, inner = divmod(self.calls, settings.inner_steps)
        self.calls += 1
        self.train_s += seconds
        order = torch.argsort(pair_of(self.batch["prompt_ids"]), stable=True)
        rows, answers, advantages = (self.batch[name][order] for name in ("prompt_ids", "completion_ids", "advantages"))
        self.check_shape(rows, answers)
        ratio = self.ratio()[order]
        copy_into(self.twin, model, gradients=True)
        if inner == 0:
            self.told = reference.advantages(settings, step_rewards_again(self.task, rows, answers), None)
            self.first(order, rows, answers, ratio, loss)
        if step in CHECKED_STEPS and record.wants_gradients:
            self.check_gradient(step, inner, order, rows, answers)
        record.not_finite = not_finite(step, model, loss)
        if self.calls == 1:
            torch.nn.utils.clip_grad_norm_(self.twin.parameters(), MAX_GRADIENT_NORM)
            self.way = reference.first_update(settings, self.twin)
        if not record.not_finite and inner == settings.inner_steps - 1:
            self.close_step(step, rows, answers, advantages, ratio)

    def close_step(
        self, step: int, rows: torch.Tensor, answers: torch.Tensor, advantages: torch.Tensor, ratio: torch.Tensor
    ) -> None:
        """The last inner step is done."""
        settings, record = self.settings, self.record
        rewards = torch.tensor(self.task.verified(rows.tolist(), answers.tolist()), device=rows.device)
        self.memory.settle()
        record.step(
            settings,
            rewards[:, None].expand(-1, settings.answer_tokens),
            rewards.tolist(),
            (advantages.reshape(len(advantages), -1), self.told),
            ratio,
            self.memory.now(),
            (self.rollout_s, self.train_s, self.push_s),
        )
        self.count_logged()
        self.teller.tell("step", step=step + 1, of=settings.steps, reward=record.steps[-1]["reward"])
        self.rollout_s = self.push_s = self.train_s = 0.0

    def logged(self, logs: Dict[str, Any]) -> None:
        """What TRL logs after each update; the mean reward comes with the first one of a batch."""
        if logs.get("reward") is not None:
            self.mean_logged = logs["reward"]
            if self.calls % self.settings.inner_steps == 0 and self.record.steps:
                self.count_logged()

    def count_logged(self) -> None:
        """The reward of the newest step is the one that TRL logs; what was read from the tokens must agree with it."""
        step = self.record.steps[-1]
        step["reward_error"] = self.reward_error
        if self.mean_logged is not None:
            if self.alone:  # of several ranks TRL logs the mean over all
                step["reward_error"] = max(self.reward_error, abs(self.mean_logged - step["reward"]))
            step["reward"] = self.mean_logged
            self.mean_logged = None

    # ---- how it is read

    def check_shape(self, rows: torch.Tensor, answers: torch.Tensor) -> None:
        """Every prompt has its group, and every answer all its places: what is read below counts on it."""
        settings = self.settings
        _, counts = torch.unique(pair_of(rows), return_counts=True)
        if set(counts.tolist()) != {settings.group} or answers.shape[1] != settings.answer_tokens:
            raise RuntimeError(
                f"TRL's batch has {len(rows)} answers of {answers.shape[1]} tokens in groups of {sorted(set(counts.tolist()))}; "
                f"asked were groups of {settings.group} answers of {settings.answer_tokens} tokens"
            )

    def ratio(self) -> torch.Tensor:
        """The ratio as the loss had it; without old log-probabilities TRL takes its own, and the ratio is 1."""
        if self.logps is None:
            raise RuntimeError("TRL's loss made no log-probabilities through " + " or ".join(FROM_THE_LOSS))
        old = self.batch.get("old_per_token_logps")
        return torch.ones_like(self.logps) if old is None else (self.logps - old).exp()

    @torch.no_grad()
    def first(
        self, order: torch.Tensor, rows: torch.Tensor, answers: torch.Tensor, ratio: torch.Tensor, loss: torch.Tensor
    ) -> None:
        """The first inner step: the weights are still those that sampled."""
        logits = answer_logits(self.twin, rows, answers)
        logps = logits.log_softmax(-1).gather(2, answers[..., None])[..., 0]
        sampler, frozen = self.batch.get("sampling_per_token_logps"), self.batch.get("ref_per_token_logps")
        self.engine_logps_seen, self.reference_logps_seen = sampler is not None, frozen is not None
        frozen = reference.logps(self.origin, rows, answers).float() if frozen is None else frozen[order]
        norm = torch.stack([one.grad.norm() for one in self.twin.parameters() if one.grad is not None]).norm()
        # without the sampler's own, what the loss made of the same tokens
        told = sampler if sampler is not None else self.logps
        self.record.first_inner(ratio, norm, loss, logits, logps, told[order], k3(logps, frozen))  # type: ignore[index]

    def check_gradient(self, step: int, inner: int, order: torch.Tensor, rows: torch.Tensor, answers: torch.Tensor) -> None:
        """The gradient that TRL made beside the one of float64."""
        now = reference.widened(self.twin)
        if inner == 0:
            self.before = now
        told = torch.tensor(self.told, dtype=torch.float64)
        weight = self.batch.get("importance_sampling_ratio")
        if weight is not None:
            # vLLM's probabilities are a little off; TRL weighs each token's (or answer's) objective by policy / sampler, which is
            # the same as weighing its advantage, since the weight is not negative
            told = told * weight[order].double().reshape(len(told), -1).cpu()
        exact = reference.gradient(self.settings, now, self.before, self.origin, rows, answers, told.tolist())
        self.record.gradient(step, inner, reference.compared([one.grad for one in self.twin.parameters()], exact))


def looked_at(base: Any) -> Any:  # noqa: ANN401 - TRL's class, and one made of it
    """A class made of TRL's GRPOTrainer; its ``look`` is set before it trains.

    Raises:
        RuntimeError: this TRL makes the log-probabilities of its loss in no way that was read.
    """
    logps = next((name for name in FROM_THE_LOSS if hasattr(base, name)), None)
    if logps is None:
        raise RuntimeError(f"this TRL's GRPOTrainer has none of {', '.join(FROM_THE_LOSS)}: envdoctor cannot read its loss")
    # up to 0.15 what is prepared is what was sampled
    batch = "_generate_and_score_completions" if hasattr(base, "_generate_and_score_completions") else "_prepare_inputs"
    methods = {
        "look": None,
        "training_step": around_step(base.training_step),
        "compute_loss": before_loss(base.compute_loss),
        batch: around(getattr(base, batch), sampled),
        logps: around(getattr(base, logps), made),
    }
    if hasattr(base, PUSH):
        methods[PUSH] = around(getattr(base, PUSH), timed)
    return type("Looked", (base,), methods)


def around(method: Any, shown: Any) -> Any:  # noqa: ANN401 - functions
    """A method that has another one called for it by ``shown(trainer, method, ...)``, once someone looks."""

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if self.look is None:
            return method(self, *args, **kwargs)
        return shown(self, method, self, *args, **kwargs)

    return called


def around_step(method: Any) -> Any:  # noqa: ANN401
    """training_step: forward and backward pass, without the optimizer."""

    def training_step(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        look = self.look
        if look is None:
            return method(self, model, inputs, *args, **kwargs)
        policy = self.accelerator.unwrap_model(model)
        look.begins(policy)
        began = time.perf_counter() - look.rollout_s - look.push_s
        loss = method(self, model, inputs, *args, **kwargs)
        look.stepped(policy, loss.detach(), time.perf_counter() - began - look.rollout_s - look.push_s)
        return loss

    return training_step


def before_loss(method: Any) -> Any:  # noqa: ANN401
    """compute_loss: what it is given."""

    def compute_loss(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if self.look is not None:
            self.look.entered(inputs)
        return method(self, model, inputs, *args, **kwargs)

    return compute_loss


def made(trainer: Any, method: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Call what makes log-probabilities, and show them."""
    logps = method(*args, **kwargs)
    trainer.look.made(logps)
    return logps


def sampled(trainer: Any, method: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Call what samples a batch, show it, and add the seconds to the step's, without those of pushing weights."""
    look = trainer.look
    began = time.perf_counter() - look.push_s
    output = method(*args, **kwargs)
    look.rollout_s += time.perf_counter() - look.push_s - began
    look.sampled(output)
    return output


def timed(trainer: Any, method: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Call what pushes weights into vLLM, and add the seconds to the step's."""
    began = time.perf_counter()
    given = method(*args, **kwargs)
    if trainer.look is not None:
        trainer.look.push_s += time.perf_counter() - began
    return given


def watch_pushes(trainer: Any) -> None:  # noqa: ANN401
    """Take the time of each push of weights into vLLM: since 0.28 an object of its own does it."""
    held = getattr(trainer, "vllm_generation", None)
    if held is not None and hasattr(held, "sync_weights"):
        push = held.sync_weights
        held.sync_weights = lambda *args, **kwargs: timed(trainer, push, *args, **kwargs)


def pair_of(prompts: torch.Tensor) -> torch.Tensor:
    """One number for each prompt's two letters (int64 [answers, prompt_tokens], padded on the left if at all)."""
    return prompts[:, -2] * 1024 + prompts[:, -3]


@torch.no_grad()
def copy_into(twin: torch.nn.Module, model: torch.nn.Module, *, gradients: bool = False) -> None:
    """Give the twin the model's weights, and its gradients if they are wanted; the names are the same.

    Raises:
        KeyError: the model is not the tiny Llama.
    """
    theirs = dict(model.named_parameters())
    for name, one in twin.named_parameters():
        one.copy_(theirs[name])
        gradient = theirs[name].grad
        one.grad = gradient.detach().clone() if gradients and gradient is not None else None
