"""What TRL is given: its environment, the model's folder, the prompts, and a GRPOConfig made of the fields that this TRL has.

Nothing here asks for a version. GRPOConfig has gained, renamed and lost fields in most releases (0.15 to 1.16 were read); each is
set where it is there, and what an older TRL cannot be asked for is told in ``unmeasured`` or changes what was asked.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

import torch

from .folder import characters
from .task import Echo

if TYPE_CHECKING:
    from .settings import Settings

END = "<end>"
DRAWS = 4096
"""So many prompts are drawn to see all that there are: at 1 in 24 the chance to miss one is below 1e-70."""
WITHOUT_VLLM, WITH_VLLM = "trl", "trl+vllm"
CONTEXT = 32
"""Tokens of a prompt and its answer that vLLM makes room for."""


class Mode(NamedTuple):
    """How TRL gets its answers."""

    name: str
    """generate, colocate, device (up to 0.16: vLLM in the trainer's process, on a device of its own) or server."""
    why: str


def quiet(scratch: str, *, vllm_on_cpu: bool) -> None:
    """Everything that Hugging Face, vLLM and torch want to keep goes into the run's folder; nothing is asked of a network.

    Before the first import of any of them: they read these variables then.
    """
    within = {
        "HF_HOME": "hf",
        "HF_DATASETS_CACHE": "datasets",
        "XDG_CACHE_HOME": "cache",
        "XDG_CONFIG_HOME": "config",
        "VLLM_CACHE_ROOT": "vllm",
        "VLLM_CONFIG_ROOT": "vllm-config",
        "TRITON_CACHE_DIR": "triton",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    }
    os.environ.update({name: os.path.join(scratch, folder) for name, folder in within.items()})
    os.environ.update(
        {
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "WANDB_MODE": "disabled",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "TOKENIZERS_PARALLELISM": "false",
            # a server of ours is on this machine, whatever proxy is set
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
    )
    # TRL reaches into the engine for its weights, which needs the engine in this process
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    # GiB; the default is half of the machine's memory
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    if vllm_on_cpu:
        # With oneDNN's kernels vLLM keeps a packed copy of each weight and drops the weight: TRL's push then fails ("'Parameter'
        # object has no attribute 'weight_loader'"). Held to AVX2, oneDNN has none for 16 bits, and vLLM takes torch's.
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
        # On a CPU with AMX vLLM packs small weights for kernels of its own, and drops them too; those kernels abort the process
        # where oneDNN is held to AVX2 ("BFloat16 Brgemm VNNI format is only supported ... when `amx` is supported").
        if hasattr(torch.cpu, "_is_amx_tile_supported"):
            torch.cpu._is_amx_tile_supported = no_amx  # noqa: SLF001 - what vLLM asks


def no_amx() -> bool:
    """What vLLM is told of this CPU's matrix tiles."""
    return False


def mode_of(settings: Settings, fields: Dict[str, Any]) -> Mode:
    """How this TRL can have the answers sampled.

    Raises:
        ValueError: it cannot do what was asked.
    """
    if settings.engine == WITHOUT_VLLM:
        return Mode("generate", "transformers' generate() in the trainer's process")
    if "use_vllm" not in fields:
        raise ValueError("this TRL's GRPOConfig has no use_vllm: update trl, or run the smoke with --engine trl without vLLM")
    on_gpu = settings.device.startswith("cuda")
    if on_gpu and settings.gpus > 1 and "vllm_device" not in fields:
        return Mode("server", "trl vllm-serve on the last GPU")
    if "vllm_mode" in fields:
        return Mode("colocate", "vLLM in the trainer's process")
    if "vllm_device" in fields:
        return Mode("device", "vLLM in the trainer's process, placed by vllm_device")
    raise ValueError(
        "this TRL (0.17) knows vLLM only as a server, which needs a GPU of its own: update trl to 0.18 or newer, or give --gpus 2"
    )


def asked_for(settings: Settings, fields: Dict[str, Any]) -> Settings:
    """What this TRL can do of what was asked.

    Raises:
        ValueError: another algorithm was asked for than GRPO.
    """
    if settings.loss not in ("grpo", "dr_grpo") or settings.reward != "outcome":
        raise ValueError(
            f"TRL's GRPOTrainer has no --loss {settings.loss} with --reward {settings.reward}: "
            "it takes grpo or dr_grpo with outcome; the others run with --engine bare"
        )
    if settings.model is not None:
        raise ValueError("--engine trl trains the tiny model only: leave --model out, or take --engine transformers or vllm")
    if settings.loss == "dr_grpo" and "scale_rewards" not in fields:
        raise ValueError(
            "this TRL always divides advantages by their spread (it has no scale_rewards): update trl to 0.16 or newer"
        )
    # every batch must be of different prompts, and a pass over all of them must be whole batches
    there = len(all_prompts(Echo(settings.answer_tokens)))
    if there % settings.prompts:
        fitting = ", ".join(str(count) for count in range(2, there + 1) if there % count == 0)
        raise ValueError(
            f"--prompts {settings.prompts} does not divide the {there} prompts that TRL is given: take one of {fitting}"
        )
    return settings if "num_iterations" in fields else settings._replace(inner_steps=1)


def all_prompts(task: Any) -> List[Tuple[int, ...]]:  # noqa: ANN401 - see task.py
    """Every prompt that is for training, as tokens; none of them is held out."""
    drawn = task.prompts(DRAWS, torch.Generator().manual_seed(0))
    return sorted({tuple(row) for row in drawn.tolist()})


def dataset_rows(task: Any) -> List[Dict[str, str]]:  # noqa: ANN401 - see task.py
    """The same as text, as the folder's tokenizer reads it."""
    letters = characters(task.vocabulary)
    return [{"prompt": "".join(letters[token] for token in row)} for row in all_prompts(task)]


def text_rewards(prompts: List[str], completions: List[str], places: int) -> List[float]:
    """What TRL is told of each answer: how often the letter stands in its text, of so many places.

    Where it stands does not count, since a decoder leaves out what is no letter; the same number is read from the tokens later.
    """
    return [answer.count(prompt[-2]) / places for prompt, answer in zip(prompts, completions)]


def end_outside(folder: str, vocabulary: int) -> None:
    """Give the folder an end-of-text that the model has no logit for, so that every answer has all its places.

    With one that can be sampled, answers would have different lengths, and each of TRL's losses would average them in its own
    way. And the model is told of no padding: transformers' embedding gives that token's row no gradient, while here it is a
    token like others.
    """
    write(folder, "generation_config.json", {**read(folder, "generation_config.json"), "eos_token_id": vocabulary})
    write(folder, "config.json", {**read(folder, "config.json"), "eos_token_id": vocabulary, "pad_token_id": None})
    tokenizer = read(folder, "tokenizer.json")
    tokenizer["model"]["vocab"][END] = vocabulary
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": vocabulary, "content": END})
    write(folder, "tokenizer.json", tokenizer)
    write(folder, "tokenizer_config.json", {**read(folder, "tokenizer_config.json"), "eos_token": END})


def read(folder: str, name: str) -> Dict[str, Any]:
    """A JSON file of the folder."""
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        document: Dict[str, Any] = json.load(file)
    return document


def write(folder: str, name: str, document: Dict[str, Any]) -> None:
    """Put a JSON file into the folder."""
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(document, file)


def fields_of(config: Any) -> Dict[str, Any]:  # noqa: ANN401 - a dataclass
    """Its fields and their defaults."""
    return {one.name: one.default for one in dataclasses.fields(config)}


def arguments(settings: Settings, fields: Dict[str, Any], mode: Mode, server: Optional[str]) -> Dict[str, Any]:
    """Arguments of GRPOConfig: the algorithm of the paper as it was asked for, and a run that leaves nothing behind.

    Args:
        settings: those of :func:`asked_for`.
        fields: of this TRL's GRPOConfig, with their defaults.
        mode: of :func:`mode_of`.
        server: address of the vLLM server in that mode.
    """
    on_cpu = not settings.device.startswith("cuda")
    grouped = not isinstance(fields.get("scale_rewards"), str)  # a switch up to 0.22, a word since
    wanted: Dict[str, Any] = {
        "output_dir": os.path.join(settings.scratch, "trl"),
        "seed": settings.seed,
        "max_steps": settings.steps * settings.inner_steps,
        "per_device_train_batch_size": settings.prompts * settings.group,
        "gradient_accumulation_steps": 1,
        "num_generations": settings.group,
        "num_iterations": settings.inner_steps,
        "max_completion_length": settings.answer_tokens,
        "max_prompt_length": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": fields.get("top_k"),  # the default means all of them: 0 or None; 50 in 0.16 to 0.18
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant",
        "warmup_ratio": 0.0 if fields.get("warmup_ratio") is not None else None,
        "adam_beta2": 0.95,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "beta": settings.kl_weight,
        "epsilon": settings.clip,
        "loss_type": settings.loss,
        "scale_rewards": (settings.loss != "dr_grpo") if grouped else ("none" if settings.loss == "dr_grpo" else "group"),
        # TRL's own additions to the paper's objective
        "use_bias_correction_kl": False,
        "mask_truncated_completions": False,
        "importance_sampling_level": "token",
        "disable_dropout": True,
        "shuffle_dataset": True,
        "pad_to_multiple_of": None,
        "remove_unused_columns": False,
        "bf16": False,
        "fp16": False,
        "tf32": False if not on_cpu else None,
        "gradient_checkpointing": False,
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "dataloader_num_workers": 0,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": [],
        "save_strategy": "no",
        "eval_strategy": "no",
        "disable_tqdm": True,
        "push_to_hub": False,
        "log_completions": False,
    }
    if fields.get("top_k") == 50:  # noqa: PLR2004 - would leave nothing out of 16 tokens, but says what is meant
        wanted["top_k"] = None
    if mode.name != "generate":
        wanted.update(
            use_vllm=True,
            vllm_mode=mode.name,
            vllm_gpu_memory_utilization=0.1 if on_cpu else 0.2,
            vllm_max_model_length=CONTEXT,
            vllm_max_model_len=CONTEXT,
            vllm_device=settings.device,
            vllm_dtype="float32",
        )
    if mode.name == "server":
        host, _, port = (server or "").rpartition(":")
        wanted.update(vllm_server_host=host, vllm_server_port=int(port))
    return {name: value for name, value in wanted.items() if name in fields and (value is not None or name in NONE_IS_SAID)}


NONE_IS_SAID = ("max_prompt_length", "pad_to_multiple_of", "top_k")
"""Fields whose None says something else than their default."""
