"""A real model folder on disk, made of named tensors: what transformers, vLLM and TRL open as if it came from a hub.

Nothing is downloaded and nothing but torch is needed: config.json, generation_config.json, the weights (safetensors where that
can be imported, else a pickle of torch), and a tokenizer with one character a token, written by hand as tokenizer.json.

head_dim decides which attention kernels take the model. vLLM's CPU attention knows 32, 64, 80, 96, 112, 128 and more
(v1/attention/backends/cpu_attn.py); FlashAttention 32, 64, 96, 128 ... in 0.8.5 to 0.11 and every multiple of 8 up to 256 since;
FlashInfer 64, 128 and 256 only, and it comes first on Blackwell; Triton, which newer releases take for float32, 32 and more;
FlexAttention, which 0.11 takes for float32, any. **64 is what all of them take**, in every release read (0.8.5, 0.11.0, 0.20.0,
0.27.0, 0.32.0). None was run on a GPU.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from .engines import Weights
    from .model import Shape

PADDING, BEGIN, END, SEPARATOR = 0, 1, 2, 3
SPECIAL = ("<pad>", "<s>", "</s>")
"""Ids 0 to 2. The padding stands for unknown characters too, so that a vocabulary of 16 has no place without a letter."""
SIGNS = "=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-*/.,:;!?()<> \n"
FIRST_FOREIGN = 0x4E00
"""A larger vocabulary goes on from here: a block of Unicode in which every code point is a character."""


def write(folder: str, weights: Weights, shape: Shape) -> None:
    """Write the folder; it is made if it is not there.

    Args:
        folder: where to.
        weights: every tensor of the model under the names of Hugging Face's Llama, or of its Qwen2 (which has biases on the
            projections of the attention). Without lm_head.weight the head is tied to the embedding.
        shape: what cannot be read from the tensors: head_dim, positions, rotary_base and norm_epsilon.

    Raises:
        KeyError: a tensor is not there.
        ValueError: head_dim does not divide the projections.
    """
    os.makedirs(folder, exist_ok=True)
    _json(folder, "config.json", config(weights, shape))
    _json(folder, "generation_config.json", GENERATION)
    letters = characters(dict(weights)["model.embed_tokens.weight"].shape[0])
    _json(folder, "tokenizer.json", tokenizer(letters))
    _json(
        folder,
        "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": SPECIAL[PADDING],
            "unk_token": SPECIAL[PADDING],
            "bos_token": SPECIAL[BEGIN],
            "eos_token": SPECIAL[END],
            "model_max_length": shape.positions,
            "clean_up_tokenization_spaces": False,
        },
    )
    write_weights(folder, weights)


GENERATION: Dict[str, Any] = {
    "bos_token_id": BEGIN,
    "eos_token_id": END,
    "pad_token_id": PADDING,
    "do_sample": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
}
"""Plain sampling: a folder without it would get transformers' own top_k of 50 (4.x)."""


def config(weights: Weights, shape: Shape) -> Dict[str, Any]:
    """config.json: the sizes as the tensors have them."""
    sizes = {name: tuple(tensor.shape) for name, tensor in weights}
    first = "model.layers.0."
    queries, hidden = sizes[first + "self_attn.q_proj.weight"]
    keys = sizes[first + "self_attn.k_proj.weight"][0]
    if queries % shape.head_dim or keys % shape.head_dim:
        raise ValueError(f"projections of {queries} and {keys} rows are no multiple of head_dim {shape.head_dim}")
    qwen2 = first + "self_attn.q_proj.bias" in sizes
    return {
        "architectures": ["Qwen2ForCausalLM" if qwen2 else "LlamaForCausalLM"],
        "model_type": "qwen2" if qwen2 else "llama",
        "vocab_size": sizes["model.embed_tokens.weight"][0],
        "hidden_size": hidden,
        "intermediate_size": sizes[first + "mlp.gate_proj.weight"][0],
        "num_hidden_layers": len({name.split(".")[2] for name in sizes if name.startswith("model.layers.")}),
        "num_attention_heads": queries // shape.head_dim,
        "num_key_value_heads": keys // shape.head_dim,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": shape.positions,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rotary_base,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": "lm_head.weight" not in sizes,
        "use_cache": True,
        "use_sliding_window": False,
        "bos_token_id": BEGIN,
        "eos_token_id": END,
        "pad_token_id": PADDING,
        # every release reads this name; "dtype" only those from 4.56 on
        "torch_dtype": "float32",
    }


def characters(count: int) -> List[str]:
    """The tokens of a vocabulary of so many, by id."""
    known = [*SPECIAL, *SIGNS]
    return [*known, *(chr(FIRST_FOREIGN + place) for place in range(count - len(known)))][:count]


def tokenizer(letters: List[str]) -> Dict[str, Any]:
    """tokenizer.json: each character is a token of its own. Format: the serialization of Hugging Face's tokenizers library."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, content in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {letter: number for number, letter in enumerate(letters)},
            "unk_token": SPECIAL[PADDING],
        },
    }


def write_weights(folder: str, weights: Weights) -> str:
    """Write the tensors, float32, from wherever they are; gives the file's name. An older file of ours is replaced."""
    import torch

    plain = {name: tensor.detach().to("cpu", torch.float32).contiguous().clone() for name, tensor in weights}
    try:
        from safetensors.torch import save_file
    except ImportError:
        name = "pytorch_model.bin"
        torch.save(plain, os.path.join(folder, name))
        return name
    name = "model.safetensors"
    save_file(plain, os.path.join(folder, name), metadata={"format": "pt"})
    return name


def _json(folder: str, name: str, value: Dict[str, Any]) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
