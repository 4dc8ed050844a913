"""GRPO as in DeepSeekMath (arXiv 2402.03300, section 4), from the first prompt to the last update, measuring itself on the way.

To each prompt a group of G answers is sampled; a reward that can be verified is read of each; the advantage of an answer is its
reward against its group's mean and spread, so that no value network is needed; the loss is the clipped ratio of PPO
(arXiv 1707.06347) and the k3 estimate of the KL to a frozen reference (Schulman 2020). ``dr_grpo`` leaves out the division by the
spread (arXiv 2503.20783); ``ppo`` puts a value network and GAE (arXiv 1506.02438) in place of the groups.

Every value that a fault could touch passes through one seam, ``seam(place, value)``, which gives it back as it is; the sabotage
tests put their faults there. What is measured is read from what the loss really had, and held against ``reference.py``.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional

import torch

from . import reference
from .measuring import Memory, Recorder, about, forget, mean, not_finite, sample_of, state_bytes
from .model import Llama, Shape
from .parallel import join
from .task import Echo
from .telling import Teller

if TYPE_CHECKING:
    from .engines import Weights
    from .settings import Settings

Seam = Callable[..., Any]
CHECKED_STEPS = (0, 2, 5)
"""At these steps every gradient is held against float64. At 0 the ratio and the KL are trivial; later they are not."""
MAX_GRADIENT_NORM = 1.0
BETAS = (0.9, 0.95)
GAE_LAMBDA = 0.95
VALUE_WEIGHT = 0.5


def untouched(place: str, value: Any, **context: Any) -> Any:  # noqa: ANN401, ARG001 - whatever stands at that place
    """The seam of a run without faults."""
    return value


class Parts(NamedTuple):
    """What takes part in a run."""

    policy: torch.nn.Module
    frozen: torch.nn.Module
    """The policy as it was before training: the reference of the KL."""
    origin: torch.nn.Module
    """The same in float64, taken on its own: what gradients are checked against."""
    value: Optional[torch.nn.Module]
    optimizer: torch.optim.Optimizer
    engine: Any
    task: Any
    ranks: Any
    """The processes that train together, see ``parallel.py``."""


def train(  # noqa: C901, PLR0915 - one batch reads top to bottom
    settings: Settings, parts: Parts, teller: Teller, record: Recorder, seam: Seam = untouched
) -> None:
    """Run the batches and record them. Ends early at the budget, or where something is not finite."""
    policy, frozen, origin, value, optimizer, engine, task, ranks = parts
    device, seed = torch.device(settings.device), ranks.own_seed(settings.seed)
    dice = torch.Generator().manual_seed(1000 + seed)
    memory = Memory(device)
    started = time.monotonic()
    for step in range(settings.steps):
        # ---- sample: G answers to each prompt, by the engine that has the policy's weights
        ranks.at(f"step {step}: sample")
        clock = time.perf_counter()
        prompts = task.prompts(settings.prompts, dice).to(device)
        rollout = engine.generate(prompts, settings.group, task.answer_tokens, seed=seed * 100_000 + step)
        answers, engine_logps = seam("answers", rollout.tokens, step=step), seam("engine logps", rollout.logps, step=step)
        rows = prompts.repeat_interleave(settings.group, 0)
        sampled_at = time.perf_counter()

        # ---- reward: of each place of each answer, verified by looking
        step_rewards = seam("rewards", task.step_rewards(rows, answers), step=step)
        rewards = step_rewards.mean(1)
        verified = task.verified(rows.tolist(), answers.tolist())

        # ---- what the policy that sampled says of these tokens, and the frozen one
        with torch.no_grad():
            old_logps = seam("old logps", token_logps(policy, rows, answers, seam), step=step)
            frozen_logps = seam("frozen logps", token_logps(frozen, rows, answers), step=step)
            values = None if value is None else state_values(value, rows, answers)

        # ---- advantage: against the group (GRPO), or against the value network (PPO)
        grouped = seam("groups", step_rewards.view(settings.prompts, settings.group, -1), step=step)
        if values is None:
            advantages = group_advantages(settings, grouped).reshape(step_rewards.shape)
        else:
            advantages, returns = estimated_advantages(settings, grouped.reshape(step_rewards.shape), values)
            record.value_missed(values, returns)
        advantages = seam("advantages", advantages, step=step)

        # ---- learn: mu updates on the same batch
        told = reference.advantages(settings, step_rewards_again(task, rows, answers), as_float64(values))
        checked = step in CHECKED_STEPS and record.wants_gradients
        before = reference.widened(policy) if checked else None
        for inner in range(settings.inner_steps):
            logits = answer_logits(policy, rows, answers)
            logps = seam("logps", logits.log_softmax(-1).gather(2, answers[..., None])[..., 0], step=step)
            ratio = (logps - old_logps).exp()
            loss = clipped_loss(settings, ratio, advantages, seam) + seam(
                "kl loss", settings.kl_weight * k3(logps, frozen_logps).mean(), step=step
            )
            whole = loss
            if value is not None:
                whole = loss + VALUE_WEIGHT * (state_values(value, rows, answers) - returns).pow(2).mean()
            optimizer.zero_grad(set_to_none=True)
            whole.backward()
            seam("gradients", policy, step=step, inner=inner)
            if checked:
                exact = reference.gradient(settings, reference.widened(policy), before, origin, rows, answers, told)
                record.gradient(step, inner, reference.compared([one.grad for one in policy.parameters()], exact))
            record.not_finite = not_finite(step, policy, loss)
            if record.not_finite:
                return
            ranks.average_gradients(policy)
            if value is not None:
                ranks.average_gradients(value)
            norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), MAX_GRADIENT_NORM)
            if inner == 0:
                record.first_inner(ratio, norm, loss, logits, logps, engine_logps, k3(logps, frozen_logps))
            way = reference.first_update(settings, policy) if step == inner == 0 and record.wants_gradients else None
            seam("update", optimizer, step=step, policy=policy)
            optimizer.step()
            if way is not None:
                record.update_error = reference.update_error(policy, origin, way)
        record.not_finite = not_finite(step, policy, loss)
        if record.not_finite:
            return
        trained_at = time.perf_counter()

        # ---- give the engine the new weights
        engine.push(seam("weights", [(name, tensor.detach()) for name, tensor in policy.named_parameters()], step=step))
        memory.settle()
        seconds = (sampled_at - clock, trained_at - sampled_at, time.perf_counter() - trained_at)
        record.step(settings, step_rewards, verified, (advantages, told), ratio, memory.now(), seconds)
        teller.tell("step", step=step + 1, of=settings.steps, reward=ranks.mean(float(rewards.mean())))
        if ranks.agree(time.monotonic() - started > settings.budget_s) and step + 1 < settings.steps:
            record.ended_by = "budget"
            return


def answer_logits(policy: torch.nn.Module, prompts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Logits that each answer token was drawn from, those of the place before it: float32 [answers, places, vocabulary]."""
    logits = policy(torch.cat([prompts, answers], 1)).float()
    return logits[:, prompts.shape[1] - 1 : -1]


def token_logps(policy: torch.nn.Module, prompts: torch.Tensor, answers: torch.Tensor, seam: Seam = untouched) -> torch.Tensor:
    """Log-probability of each answer token, float32 [answers, answer_tokens]."""
    logps = answer_logits(policy, prompts, answers).log_softmax(-1).gather(2, answers[..., None])[..., 0]
    return seam("logps", logps)


def state_values(value: torch.nn.Module, prompts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """What the value network expects before each answer token, [answers, answer_tokens]."""
    return answer_logits(value, prompts, answers)[..., 0]


def group_advantages(settings: Settings, rewards: torch.Tensor) -> torch.Tensor:
    """Group-normalised advantages, [prompts, group, places], of the rewards of the same shape.

    Outcome: (r - mean) / std over the group, the same for every token (section 4.1.2). Process: every step's reward normalised
    over all of the group's, and a token's advantage is the sum from its place on (section 4.1.3).
    """
    if settings.reward == "process":
        flat = rewards.flatten(1)
        scaled = rewards - flat.mean(1)[:, None, None]
        if settings.loss != "dr_grpo":
            scaled = scaled / (flat.std(1)[:, None, None] + reference.EPSILON)
        return scaled.flip(-1).cumsum(-1).flip(-1)
    outcome = rewards.mean(-1)
    centred = outcome - outcome.mean(1, keepdim=True)
    if settings.loss != "dr_grpo":
        centred = centred / (outcome.std(1, keepdim=True) + reference.EPSILON)
    return centred[..., None].expand_as(rewards)


def estimated_advantages(settings: Settings, rewards: torch.Tensor, values: torch.Tensor) -> Any:  # noqa: ANN401 - two tensors
    """PPO: generalised advantage estimates (whitened over the batch) and the returns the value network learns, discount 1."""
    paid = rewards
    if settings.reward == "outcome":
        paid = torch.zeros_like(rewards)
        paid[:, -1] = rewards.mean(1)
    told, later = torch.zeros_like(values), torch.zeros_like(values[:, 0])
    for place in reversed(range(values.shape[1])):
        following = values[:, place + 1] if place + 1 < values.shape[1] else torch.zeros_like(later)
        later = paid[:, place] + following - values[:, place] + GAE_LAMBDA * later
        told[:, place] = later
    return (told - told.mean()) / (told.std() + reference.EPSILON), told + values


def clipped_loss(settings: Settings, ratio: torch.Tensor, advantages: torch.Tensor, seam: Seam) -> torch.Tensor:
    """-min(ratio A, clip(ratio, 1 - eps, 1 + eps) A), mean over the tokens of an answer, then over the answers."""
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    surrogate = seam("surrogate", torch.minimum(ratio * advantages, clipped * advantages), ratio=ratio, advantages=advantages)
    return -surrogate.mean()


def k3(logps: torch.Tensor, frozen_logps: torch.Tensor) -> torch.Tensor:
    """The k3 estimate of KL(policy || frozen) of each sampled token: q/p - log(q/p) - 1, never negative."""
    away = frozen_logps - logps
    return away.exp() - away - 1


def step_rewards_again(task: Any, rows: torch.Tensor, answers: torch.Tensor) -> List[List[float]]:  # noqa: ANN401
    """Rewards place by place for the reference, read in plain Python."""
    return [
        [task.verified([prompt], [[token]])[0] for token in answer] for prompt, answer in zip(rows.tolist(), answers.tolist())
    ]  # fmt: skip


def as_float64(values: Optional[torch.Tensor]) -> Optional[torch.Tensor]:
    """The same numbers, wider."""
    return None if values is None else values.double()


def run(settings: Settings, teller: Teller, seam: Seam = untouched) -> Dict[str, Any]:
    """The whole smoke: build, sample untrained, train, sample again, repeat from the same seed; gives the document.

    Raises:
        ImportError, RuntimeError, ...: whatever the stack says; the worker tells it.
    """
    with join(settings, teller) as ranks:
        return smoke(ranks.settings, teller, ranks, seam)


def smoke(settings: Settings, teller: Teller, ranks: Any, seam: Seam) -> Dict[str, Any]:  # noqa: ANN401 - Alone or Together
    """One rank's run; every rank does the same, and rank 0's document is the one that is told."""
    began = time.perf_counter()
    device = torch.device(settings.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # tensors this small are slower on more, and one thread adds in one order
    torch.backends.cuda.matmul.allow_tf32 = False  # the bounds are those of float32
    teller.phase("build the model")
    torch.manual_seed(settings.seed)
    policy, task = built(settings, device)
    unmeasured: Dict[str, str] = {}
    if settings.model is not None:
        from . import real

        settings, unmeasured = real.suited(settings, policy), real.unmeasured(settings, policy)
    policy = seam("policy", policy)
    ranks.start_equal(policy)
    start = {name: tensor.detach().clone() for name, tensor in policy.named_parameters()}
    frozen = seam("frozen", copy.deepcopy(policy).eval().requires_grad_(requires_grad=False))
    teller.phase(f"start the engine {settings.engine}")
    engine_began = time.perf_counter()
    first = [(name, tensor.detach()) for name, tensor in policy.named_parameters()]
    engine = seam("engine", started(settings, first, teller))
    times = {"engine_start": time.perf_counter() - engine_began}

    teller.phase("sample before training")
    held_out = task.held_out().to(device)
    (untrained, greedy_before), times["sample_before"] = timed(rewards_of, settings, engine, task, held_out)

    teller.phase("train")
    trained_from = time.perf_counter()
    exact = "gradient-is-right" not in unmeasured
    record, parts = Recorder(gradients=exact), assembled(settings, policy, frozen, engine, task, ranks, seam, exact=exact)
    memory = Memory(device)
    train(settings, parts, teller, record, seam)
    times["train"] = time.perf_counter() - trained_from
    peak_bytes, value_network, together = memory.peak(), cost_of_value(parts, record), ranks.compare(policy)
    finished = {name: tensor.detach().clone() for name, tensor in policy.named_parameters()}

    trained: List[float] = []
    greedy_after = repeat = None
    if not record.not_finite:
        teller.phase("sample after training")
        trained, greedy_after = rewards_of(settings, engine, task, held_out)
        if settings.repeat_steps:
            teller.phase("the same seed again")
            repeat, times["repeat"] = timed(repeated, settings, parts, start, record, seam)
    versions = dict(engine.versions, torch=str(torch.__version__))
    _, times["engine_stop"] = timed(engine.close)
    forget()
    times["whole"] = time.perf_counter() - began
    return {
        **about(settings, policy, task),
        "versions": versions,
        "steps": record.steps,
        "untrained": sample_of(untrained, settings.group),
        "trained": sample_of(trained, settings.group),
        "greedy_before": greedy_before,
        "greedy_after": greedy_after,
        "gradients": record.gradients,
        "update_error": record.update_error,
        "moved": [{"name": name, "change": float((finished[name] - start[name]).norm() / start[name].norm())} for name in start],
        "not_finite": record.not_finite,
        "repeat": repeat,
        "peak_bytes": peak_bytes,
        "value_network": value_network,
        "ranks": together,
        "times_s": times,
        "unmeasured": unmeasured,
        "ended_by": record.ended_by,
    }


def timed(do: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - (what it gives, seconds)
    """Do it, and say how long it took."""
    began = time.perf_counter()
    return do(*args), time.perf_counter() - began


def built(settings: Settings, device: torch.device) -> Any:  # noqa: ANN401 - (policy, task)
    """The tiny model and the echo task, or a real model and a task for any tokenizer."""
    if settings.model is not None:
        from . import real

        return real.load(settings)
    return Llama(Shape()).to(device), Echo(settings.answer_tokens)


def started(settings: Settings, weights: Weights, teller: Teller) -> Any:  # noqa: ANN401 - see engines
    """The engine that was asked for, with these weights."""
    if settings.engine == "bare":
        from .engines import bare

        return bare.start(settings, weights, Shape())
    if settings.engine == "transformers":
        from .engines import transformers

        return transformers.start(settings, weights, teller)
    if settings.engine == "vllm" and settings.gpus > 1:
        from .engines import apart

        return apart.start(settings, weights, teller)
    if settings.engine == "vllm":
        from .engines import vllm

        return vllm.start(settings, weights, teller)
    raise ValueError(f"there is no engine {settings.engine!r}: bare, transformers, vllm")


def assembled(
    settings: Settings,
    policy: torch.nn.Module,
    frozen: torch.nn.Module,
    engine: Any,  # noqa: ANN401
    task: Any,  # noqa: ANN401
    ranks: Any,  # noqa: ANN401
    seam: Seam,
    *,
    exact: bool,
) -> Parts:
    """The parts with a fresh optimizer, and for PPO a fresh value network; in float64 only where gradients are checked."""
    value = None
    if settings.loss == "ppo":
        torch.manual_seed(settings.seed + 1)
        value = Llama(Shape(), outputs=1).to(settings.device)
        torch.nn.init.zeros_(value.lm_head.weight)  # expects nothing at first
    learnt = [*policy.parameters(), *(value.parameters() if value is not None else ())]
    rate = seam("learning rate", settings.learning_rate)
    optimizer = torch.optim.AdamW(learnt, lr=rate, betas=BETAS, weight_decay=0.0)
    return Parts(policy, frozen, reference.widened(policy) if exact else frozen, value, optimizer, engine, task, ranks)


def rewards_of(settings: Settings, engine: Any, task: Any, prompts: torch.Tensor) -> Any:  # noqa: ANN401 - (rewards, mean greedy)
    """Rewards of a group of answers to each prompt, one number an answer, and the mean of the greedy answers."""
    sampled = engine.generate(prompts, settings.group, task.answer_tokens, seed=settings.seed * 100_000 + 99_999)
    greedy = engine.generate(prompts, 1, task.answer_tokens, seed=0, greedy=True)
    rows = prompts.repeat_interleave(settings.group, 0)
    best = task.verified(prompts.tolist(), greedy.tokens.tolist())
    return task.verified(rows.tolist(), sampled.tokens.tolist()), sum(best) / len(best)


def repeated(settings: Settings, parts: Parts, start: Dict[str, torch.Tensor], first: Recorder, seam: Seam) -> Dict[str, Any]:
    """The first steps once more, from the same weights and the same seed."""
    short = settings._replace(steps=min(settings.repeat_steps, len(first.steps)))
    with torch.no_grad():
        for name, tensor in parts.policy.named_parameters():
            tensor.copy_(start[name])
    parts.engine.push([(name, tensor.detach()) for name, tensor in parts.policy.named_parameters()])
    record = Recorder(gradients=False)
    again = assembled(settings, parts.policy, parts.frozen, parts.engine, parts.task, parts.ranks, seam, exact=False)
    train(short, again, Teller(-1), record, seam)
    step, largest = first.differs_from(record)
    return {"steps": short.steps, "same_bits": step is None, "first_difference": step, "largest": largest}


def cost_of_value(parts: Parts, record: Recorder) -> Optional[Dict[str, Any]]:
    """What the value network holds in memory beside the policy; None without one."""
    if parts.value is None:
        return None
    return {
        "parameters": sum(one.numel() for one in parts.value.parameters()),
        "state_bytes": state_bytes(parts.value, parts.optimizer),
        "policy_state_bytes": state_bytes(parts.policy, parts.optimizer),
        "error_first": mean(record.value_errors[:5]),
        "error_last": mean(record.value_errors[-5:]),
    }
