"""The engine of torch alone: samples token by token with a key-value cache, from a plain table of weights.

It shares no line with the trainer's model: one vector at a time, the cache grown by hand, attention written out. Where the two
agree, both are right; it isolates driver, CUDA and torch from everything above them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Dict, List

import torch

from . import Rollout, Weights

if TYPE_CHECKING:
    from ..model import Shape  # noqa: TID252 - under the target this room has another name
    from ..settings import Settings  # noqa: TID252


def start(settings: Settings, weights: Weights, shape: Shape) -> Bare:
    """The engine with a copy of these weights, on their device, in ``settings.engine_dtype``."""
    engine = Bare(shape, getattr(torch, settings.engine_dtype))
    engine.push(weights)
    return engine


class Bare:
    """See the head of this file."""

    name = "bare"

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        self.shape, self.dtype = shape, dtype
        self.weights: Dict[str, torch.Tensor] = {}
        self.versions = {"torch": str(torch.__version__)}

    def push(self, weights: Weights) -> None:
        """Copy the weights."""
        self.weights = {name: tensor.detach().to(self.dtype, copy=True) for name, tensor in weights}

    def close(self) -> None:
        """Forget the weights."""
        self.weights = {}

    @torch.no_grad()
    def generate(self, prompts: torch.Tensor, group: int, length: int, *, seed: int, greedy: bool = False) -> Rollout:
        """See :class:`Engine`."""
        rows = prompts.repeat_interleave(group, 0)
        dice = torch.Generator(device=rows.device).manual_seed(seed)
        cache: List[List[torch.Tensor]] = [[] for _ in range(2 * self.shape.layers)]
        for place in range(rows.shape[1]):
            logits = self.next_logits(rows[:, place], cache)
        tokens, logps = [], []
        for place in range(length):
            logp = torch.log_softmax(logits.float(), -1)
            token = logp.argmax(-1) if greedy else torch.multinomial(logp.exp(), 1, generator=dice)[:, 0]
            tokens.append(token)
            logps.append(logp.gather(1, token[:, None])[:, 0])
            if place + 1 < length:
                logits = self.next_logits(token, cache)
        return Rollout(torch.stack(tokens, 1), torch.stack(logps, 1))

    def next_logits(self, token: torch.Tensor, cache: List[List[torch.Tensor]]) -> torch.Tensor:
        """Logits [rows, vocabulary] after one more token a row (int64 [rows]); its keys and values go into the cache."""
        shape, weights = self.shape, self.weights
        place = len(cache[0])
        half = torch.arange(shape.head_dim // 2, device=token.device, dtype=torch.float32)
        angle = place / shape.rotary_base ** (2 * half / shape.head_dim)
        turn = torch.polar(torch.ones_like(angle), angle)  # a rotation of each pair, as a complex number

        def spun(x: torch.Tensor) -> torch.Tensor:
            a, b = x.float()[..., : shape.head_dim // 2], x.float()[..., shape.head_dim // 2 :]
            pairs = torch.complex(a, b) * turn
            return torch.cat([pairs.real, pairs.imag], -1).to(x.dtype)

        def normed(x: torch.Tensor, name: str) -> torch.Tensor:
            wide = x.float()
            return (wide / (wide.square().mean(1, keepdim=True) + shape.norm_epsilon).sqrt()).to(x.dtype) * weights[name]

        x = weights["model.embed_tokens.weight"][token]
        for layer in range(shape.layers):
            name = f"model.layers.{layer}."
            h = normed(x, name + "input_layernorm.weight")
            query = (h @ weights[name + "self_attn.q_proj.weight"].T).view(-1, shape.heads, shape.head_dim)
            key = (h @ weights[name + "self_attn.k_proj.weight"].T).view(-1, shape.kv_heads, shape.head_dim)
            value = (h @ weights[name + "self_attn.v_proj.weight"].T).view(-1, shape.kv_heads, shape.head_dim)
            cache[2 * layer].append(spun(key))
            cache[2 * layer + 1].append(value)
            keys, values = torch.stack(cache[2 * layer], 1), torch.stack(cache[2 * layer + 1], 1)
            # query head h reads key head h // (heads / kv_heads)
            shared = query.view(-1, shape.kv_heads, shape.heads // shape.kv_heads, shape.head_dim)
            score = torch.einsum("rkgd,rpkd->rkgp", spun(shared), keys) / math.sqrt(shape.head_dim)
            mixed = torch.einsum("rkgp,rpkd->rkgd", torch.softmax(score.float(), -1).to(x.dtype), values)
            x = x + mixed.reshape(-1, shape.heads * shape.head_dim) @ weights[name + "self_attn.o_proj.weight"].T
            h = normed(x, name + "post_attention_layernorm.weight")
            gate = h @ weights[name + "mlp.gate_proj.weight"].T
            gate = gate * torch.sigmoid(gate)
            up = h @ weights[name + "mlp.up_proj.weight"].T
            x = x + (gate * up) @ weights[name + "mlp.down_proj.weight"].T
        return normed(x, "model.norm.weight") @ weights["lm_head.weight"].T
