"""The worker's door: settings in, events out. ``main`` under the doctor; run as a module under torch.distributed.run."""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import Tuple

from .settings import Settings, from_json
from .telling import Teller, whole_message
from .visible import only_device

QUIET = {
    # nothing is fetched, nothing is reported to anybody
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # what goes wrong in a collective is in the output, with its reason
    "NCCL_DEBUG": "WARN",
}
DEFAULTS = {
    # in this process: its weights can be reached, and its exceptions are ours
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
FRAMES = 12


def main(words: Tuple[str, ...], descriptor: int, scratch: str) -> None:
    """Run the smoke whose settings (JSON) are the first word; tells "done" with the document, or "failed" with the reason."""
    began = time.perf_counter()
    teller = Teller(descriptor)
    settings = asked = from_json(words[0])._replace(scratch=scratch)
    if settings.engine == "vllm":
        settings = settings._replace(device=only_device(settings.device))
    os.environ.update({name: value for name, value in QUIET.items() if name != "NCCL_DEBUG" or name not in os.environ})
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        measured = run(settings, teller)
    except BaseException as error:  # noqa: BLE001 - whatever ends a run is told, and then ends it
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        teller.tell(
            "failed",
            phase=teller.phase_name,
            type=type(error).__name__,
            message=whole_message(error)[:8000],
            trace=[f"{short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
        )
        traceback.print_exc()
        sys.stdout.flush()
        raise SystemExit(1) from None
    measured["asked"]["device"] = asked.device
    measured["times_s"]["worker"] = time.perf_counter() - began
    teller.tell("done", measured=measured)


def run(settings: Settings, teller: Teller) -> dict:  # type: ignore[type-arg]
    """Import what is needed, each in a phase of its own, and run it."""
    began = time.perf_counter()
    teller.phase("import torch")
    import torch  # noqa: F401

    imported = time.perf_counter() - began
    if settings.engine.startswith("trl"):
        from . import trl_run

        measured = trl_run.run(settings, teller)
    else:
        from . import grpo

        measured = grpo.run(settings, teller)
    measured["times_s"].setdefault("import_torch", imported)
    return measured


def short(file: str) -> str:
    """The last three parts of a path: enough to find it, and nobody's home folder."""
    return "/".join(file.split(os.sep)[-3:])


if __name__ == "__main__":
    pipe, folder = sys.argv[1:3]
    # only rank 0 tells; the others' end of the pipe is never opened
    told_to = os.open(pipe, os.O_WRONLY) if os.environ.get("RANK", "0") == "0" else -1
    main(tuple(sys.argv[3:]), told_to, folder)
