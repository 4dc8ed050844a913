"""The tiny policy: a Llama (RMSNorm, rotary positions, SwiGLU, grouped-query attention) of two layers, in torch alone.

Its parameters have the names and shapes of Hugging Face's ``LlamaForCausalLM``, so that transformers and vLLM take its weights
as they are. Sources: Touvron et al. 2023 (arXiv 2302.13971), Su et al. 2021 (arXiv 2104.09864), Ainslie et al. 2023
(arXiv 2305.13245). This is the trainer's side: whole sequences, no cache; the sampler has an implementation of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Shape(NamedTuple):
    """Sizes. head_dim is 64: vLLM's CPU attention takes 32 and more, its GPU back ends 64 and more."""

    vocabulary: int = 16
    hidden: int = 64
    inner: int = 128
    layers: int = 2
    heads: int = 2
    kv_heads: int = 1
    head_dim: int = 64
    positions: int = 64
    rotary_base: float = 10000.0
    norm_epsilon: float = 1e-6
    spread: float = 0.08
    """Standard deviation of the weights at the start: near-uniform answers, so that there is something to learn."""


class RMSNorm(nn.Module):
    """x / rms(x) * weight, over the last axis."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon))


def rotated(x: torch.Tensor, base: float) -> torch.Tensor:
    """Rotary positions of [batch, heads, length, head_dim], counted from 0; halves rotate, as Hugging Face's Llama has it."""
    length, size = x.shape[-2:]
    frequency = base ** (-torch.arange(0, size, 2, device=x.device, dtype=x.dtype) / size)
    angle = torch.arange(length, device=x.device, dtype=x.dtype)[:, None] * frequency
    cosine, sine = torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine


class Attention(nn.Module):
    """Causal self-attention; several query heads share one key and value head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj = nn.Linear(shape.hidden, shape.heads * shape.head_dim, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=False)
        self.o_proj = nn.Linear(shape.heads * shape.head_dim, shape.hidden, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, length, hidden] to the same shape."""
        batch, length, _ = x.shape
        query, key, value = (
            projection(x).view(batch, length, -1, self.shape.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        shared = self.shape.heads // self.shape.kv_heads
        key = rotated(key, self.shape.rotary_base)
        mixed = functional.scaled_dot_product_attention(
            rotated(query, self.shape.rotary_base),
            key.repeat_interleave(shared, 1),
            value.repeat_interleave(shared, 1),
            is_causal=True,
        )
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention, then MLP, each on a normed copy and added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden, shape.norm_epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.norm_epsilon)
        self.mlp = MLP(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    """Everything below the head; named ``model`` in the checkpoint."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.norm_epsilon)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """int64 [batch, length] to [batch, length, hidden]."""
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Llama(nn.Module):
    """``policy(tokens)`` gives logits; with ``outputs=1`` it is a value network."""

    def __init__(self, shape: Shape, outputs: int | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        self.lm_head = nn.Linear(shape.hidden, shape.vocabulary if outputs is None else outputs, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0.0, shape.spread)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Next-token logits, [batch, length, vocabulary], of int64 [batch, length]."""
        return self.lm_head(self.model(tokens))
