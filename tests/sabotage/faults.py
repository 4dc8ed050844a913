"""The faults. Each is a seam (see ``grpo.untouched``) and the invariant that must name it. Runs in the Python that has torch."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from envdoctor.smoke.engines import Rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[..., Any]


class Fault(NamedTuple):
    """One fault."""

    says: str
    names: str
    """Key of the invariant that must be among the broken ones."""
    changes: dict[str, Change]
    """Place of the seam -> what is done to the value there."""


class Seam:
    """A run's seam with the fault in it; remembers what some faults need of earlier steps."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.kept: list[Any] = []

    def __call__(self, place: str, value: Any, **context: Any) -> Any:
        """The value, changed where the fault is."""
        change = self.fault.changes.get(place)
        return value if change is None else change(value, self.kept, **context)


class Wrapped:
    """An engine that does something else on the way."""

    def __init__(self, engine: Any, **replaced: Any) -> None:
        self.engine, self.replaced = engine, replaced

    def __getattr__(self, name: str) -> Any:
        return self.replaced.get(name) or getattr(self.engine, name)


def sharpened(weights: Any, temperature: float) -> Any:
    """Weights whose logits are those of the policy over the temperature."""
    return [(name, tensor / temperature if name == "lm_head.weight" else tensor) for name, tensor in weights]


def at_temperature(engine: Any, kept: Any, **_: Any) -> Any:
    """Samples and tells probabilities at temperature 0.7."""
    engine.push(sharpened(list(engine.weights.items()), 0.7))
    return Wrapped(engine, push=lambda weights: engine.push(sharpened(weights, 0.7)))


def at_hidden_temperature(engine: Any, kept: Any, **_: Any) -> Any:
    """Samples at temperature 0.7 and tells the probabilities of temperature 1, as vLLM's raw_logprobs do."""
    sampler = copy.copy(engine)
    sampler.push(sharpened(list(engine.weights.items()), 0.7))

    def push(weights: Any) -> None:
        engine.push(weights)
        sampler.push(sharpened(weights, 0.7))

    def generate(prompts: torch.Tensor, group: int, length: int, *, seed: int, greedy: bool = False) -> Rollout:
        tokens = sampler.generate(prompts, group, length, seed=seed, greedy=greedy).tokens
        rows = torch.cat([prompts.repeat_interleave(group, 0), tokens], 1)
        cache: Any = [[] for _ in range(2 * engine.shape.layers)]
        logps = []
        for place in range(rows.shape[1] - 1):
            logits = engine.next_logits(rows[:, place], cache)
            if place >= prompts.shape[1] - 1:
                logps.append(logits.log_softmax(-1).gather(1, rows[:, place + 1 : place + 2])[:, 0])
        return Rollout(tokens, torch.stack(logps, 1))

    return Wrapped(engine, push=push, generate=generate)


def always_greedy(engine: Any, kept: Any, **_: Any) -> Any:
    """Takes the likeliest token."""
    return Wrapped(engine, generate=lambda *words, **more: engine.generate(*words, **{**more, "greedy": True}))


def by_the_clock(engine: Any, kept: Any, **_: Any) -> Any:
    """Takes another seed than it was given."""
    return Wrapped(engine, generate=lambda *words, **more: engine.generate(*words, **{**more, "seed": time.monotonic_ns()}))


def lagging(weights: Any, kept: Any, **_: Any) -> Any:
    """Weights of eight steps ago."""
    kept.append([(name, tensor.clone()) for name, tensor in weights])
    return kept[max(0, len(kept) - 9)]


def never(weights: Any, kept: Any, **_: Any) -> Any:
    """The first weights that were pushed, for ever."""
    if not kept:
        kept.append([(name, tensor.clone()) for name, tensor in weights])
    return kept[0]


def crossed(weights: Any, kept: Any, **_: Any) -> Any:
    """Layer 0 gets layer 1's weights and the other way round."""
    swap = {"layers.0.": "layers.1.", "layers.1.": "layers.0."}
    return [
        (name.replace(a, b), tensor) for name, tensor in weights for a, b in (one for one in swap.items() if one[0] in name)
    ] + [(name, tensor) for name, tensor in weights if ".layers." not in name]


def without_norms(weights: Any, kept: Any, **_: Any) -> Any:
    """Every tensor but the norms, which stay as they were at the start."""
    if not kept:
        kept.append({name: torch.ones_like(tensor) for name, tensor in weights if "norm" in name})
    return [(name, kept[0].get(name, tensor)) for name, tensor in weights]


def with_dropout(policy: torch.nn.Module, kept: Any, **_: Any) -> torch.nn.Module:
    """Dropout of 10 % after every MLP, and nobody has called eval()."""
    for module in policy.modules():
        if type(module).__name__ == "MLP":
            module.register_forward_hook(lambda module, _, out: torch.nn.functional.dropout(out, 0.1, training=module.training))
    return policy


def frozen_layer(policy: torch.nn.Module, kept: Any, **_: Any) -> torch.nn.Module:
    """The first layer does not learn."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_("layers.0." not in name)
    return policy


def head_alone(policy: torch.nn.Module, kept: Any, **_: Any) -> torch.nn.Module:
    """Nothing below the head learns."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(name.startswith("lm_head"))
    return policy


def times(factor: float) -> Change:
    """Gradients times a factor."""

    def change(policy: torch.nn.Module, kept: Any, **_: Any) -> torch.nn.Module:
        for parameter in policy.parameters():
            if parameter.grad is not None:
                parameter.grad *= factor
        return policy

    return change


def not_a_number(policy: torch.nn.Module, kept: Any, *, step: int, **_: Any) -> torch.nn.Module:
    """One NaN in the gradient of one layer at step 3."""
    if step == 3:
        grad = dict(policy.named_parameters())["model.layers.1.mlp.up_proj.weight"].grad
        assert grad is not None
        grad[0, 0] = float("nan")
    return policy


def noisy(optimizer: Any, kept: Any, *, policy: torch.nn.Module, **_: Any) -> Any:
    """Noise of ten times its size on every gradient, after it was checked."""
    for parameter in policy.parameters():
        if parameter.grad is not None:
            parameter.grad += 10 * parameter.grad.std() * torch.randn_like(parameter.grad)
    return optimizer


def previous(logps: torch.Tensor, kept: Any, **_: Any) -> torch.Tensor:
    """The old log-probabilities of the batch before."""
    kept.append(logps)
    return kept[max(0, len(kept) - 2)]


def shuffled(rewards: torch.Tensor, kept: Any, *, step: int, **_: Any) -> torch.Tensor:
    """Each answer gets another answer's reward."""
    return rewards[torch.randperm(len(rewards), generator=torch.Generator().manual_seed(step))]


def mixed(grouped: torch.Tensor, kept: Any, **_: Any) -> torch.Tensor:
    """Read as if the answers to a prompt lay a group apart: repeat() taken for repeat_interleave()."""
    prompts, group, places = grouped.shape
    return grouped.reshape(group, prompts, places).transpose(0, 1)


def kept_aside(grouped: torch.Tensor, kept: Any, **_: Any) -> torch.Tensor:
    """Nothing changes yet."""
    kept[:] = [grouped]
    return grouped


def across(advantages: torch.Tensor, kept: Any, **_: Any) -> torch.Tensor:
    """Each answer against the answers of the same place in all groups."""
    outcome = kept[0].mean(-1)
    centred = (outcome - outcome.mean(0)) / (outcome.std(0) + 1e-4)
    return centred.reshape(-1, 1).expand_as(advantages)


def hoarding(weights: Any, kept: Any, **_: Any) -> Any:
    """Four MiB more are kept every step."""
    kept.append(torch.ones(1 << 20))
    return weights


def last_place_lost(surrogate: torch.Tensor, kept: Any, **_: Any) -> torch.Tensor:
    """The mask leaves out the last token of every answer."""
    return torch.cat([surrogate[:, :-1], torch.zeros_like(surrogate[:, -1:])], 1)


def swapped_clip(surrogate: torch.Tensor, kept: Any, *, ratio: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """The maximum of the two branches in place of the minimum."""
    return torch.maximum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)


def rolled(places: int) -> Change:
    """Each token gets its neighbour's log-probability."""
    return lambda logps, kept, **_: torch.roll(logps, places, 1)


FAULTS: dict[str, Fault] = {
    "advantage sign": Fault("-A", "advantages-are-right", {"advantages": lambda value, kept, **_: -value}),
    "gradients zero": Fault("x 0", "gradient-is-right", {"gradients": times(0.0)}),
    "gradients scaled": Fault("x 0.01; Adam hides it", "gradient-is-right", {"gradients": times(0.01)}),
    "clip swapped": Fault("max for min", "gradient-is-right", {"surrogate": swapped_clip}),
    "KL sign": Fault("-beta KL", "gradient-is-right", {"kl loss": lambda value, kept, **_: -value}),
    "mask short": Fault("last token left out", "gradient-is-right", {"surrogate": last_place_lost}),
    "reference moves": Fault(
        "the frozen reference is the policy itself",
        "gradient-is-right",
        {"frozen logps": lambda value, kept, **_: value * 0 + 0.0},
    ),
    "learning rate 0": Fault("lr = 0", "every-layer-moves", {"learning rate": lambda value, kept, **_: 0.0}),
    "layer frozen": Fault("layer 0", "every-layer-moves", {"policy": frozen_layer}),
    "head alone": Fault("only lm_head learns", "every-layer-moves", {"policy": head_alone}),
    "rewards constant": Fault("0.5", "rewards-are-true", {"rewards": lambda value, kept, **_: value * 0 + 0.5}),
    "rewards shuffled": Fault("over the batch", "rewards-are-true", {"rewards": shuffled}),
    "groups mixed": Fault("repeat for repeat_interleave", "advantages-are-right", {"groups": mixed}),
    "groups wrong": Fault(
        "normalised over other answers than those to the prompt",
        "advantages-centred",
        {"groups": kept_aside, "advantages": across},
    ),
    "engine stale": Fault("never gets weights", "engine-agrees-after-push", {"weights": never}),
    "engine lags": Fault("by 8 steps", "engine-agrees-after-push", {"weights": lagging}),
    "wrong layer": Fault("layers 0 and 1 swapped in the push", "engine-agrees-after-push", {"weights": crossed}),
    "norms not pushed": Fault("every tensor but the norms", "engine-agrees-after-push", {"weights": without_norms}),
    "off by one": Fault("log p of the token before", "engine-agrees", {"logps": rolled(1)}),
    "off by one back": Fault("log p of the token after", "engine-agrees", {"logps": rolled(-1)}),
    "temperature": Fault("engine at 0.7", "engine-agrees", {"engine": at_temperature}),
    "temperature hidden": Fault("samples at 0.7, tells log p at 1", "sampler-follows-policy", {"engine": at_hidden_temperature}),
    "greedy sampler": Fault("temperature 0", "groups-differ", {"engine": always_greedy}),
    "old log-probs stale": Fault("of the batch before", "ratio-is-one", {"old logps": previous}),
    "dropout on": Fault("10 % after every MLP", "ratio-is-one", {"policy": with_dropout}),
    "reference in bf16": Fault("frozen.bfloat16()", "kl-is-zero-at-start", {"frozen": lambda value, kept, **_: value.bfloat16()}),
    "NaN": Fault("one, in the gradient of one layer", "all-finite", {"gradients": not_a_number}),
    "gradients noisy": Fault("10 x, after the check", "update-is-right", {"update": noisy}),
    "learning rate x 50": Fault("0.1", "update-is-right", {"learning rate": lambda value, kept, **_: 50 * value}),
    "memory leak": Fault("4 MiB a step", "memory-is-steady", {"weights": hoarding}),
    "seed ignored": Fault("the clock for the seed", "same-seed-same-run", {"engine": by_the_clock}),
}
