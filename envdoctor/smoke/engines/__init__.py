"""Who samples the answers. One module an engine, each with ``start(settings, weights, teller) -> Engine``; no common base class.

``weights`` are the trainer's named parameters under the names that Hugging Face's Llama and Qwen2 give them
("model.layers.0.self_attn.q_proj.weight"), float32. An engine copies them; only :meth:`Engine.push` changes what it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, NamedTuple, Protocol, Tuple

if TYPE_CHECKING:
    import torch

Weights = List[Tuple[str, "torch.Tensor"]]


class Rollout(NamedTuple):
    """Sampled answers and what the engine says of them."""

    tokens: torch.Tensor
    """int64 [prompts * group, answer_tokens], the answers to a prompt one after the other; on the trainer's device."""
    logps: torch.Tensor
    """float32, the same shape: log-probability of each token under the engine's weights at temperature 1."""


class Engine(Protocol):
    """What the training loop asks of an engine."""

    name: str
    versions: Dict[str, str]
    """Distribution -> version of what samples."""

    def generate(self, prompts: torch.Tensor, group: int, length: int, *, seed: int, greedy: bool = False) -> Rollout:
        """Sample ``group`` answers of ``length`` tokens to each prompt (int64 [prompts, prompt_tokens]), temperature 1."""
        ...

    def push(self, weights: Weights) -> None:
        """Take these weights; the next answers come from them."""
        ...

    def close(self) -> None:
        """Give all memory back."""
        ...
