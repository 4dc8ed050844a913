"""One device: everything that the stack asks of it, in stages, in the order of what needs what.

What is read from a disk (torch, Triton, the packages of kernels) has a time of its own in each stage: a cold disk is no sick GPU.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import time
from typing import TYPE_CHECKING, Any, List, NamedTuple, Tuple

from . import attention, compiling, matmul, memory, watch
from .battery import Bench, Check, Measured, run, tell
from .telling import one_line

if TYPE_CHECKING:
    from .telling import Teller


class Limits(NamedTuple):
    """Seconds that each part of the work may take."""

    start_s: float
    """The start of the device: CUDA's context."""
    load_s: float
    """Reading torch from disk, and what the checks of one stage use."""
    checks_s: float
    """All checks of one stage."""


class Stage(NamedTuple):
    """Some checks, and the modules that they use, imported before their time begins."""

    of_gpus: Tuple[str, ...]
    of_all: Tuple[str, ...]
    checks: List[Check]


KERNELS: List[Check] = [
    ("allocation", memory.allocation),
    ("copy host to device", memory.to_device),
    ("copy device to host", memory.to_host),
    ("copy within device", memory.within),
    ("matmul float32", matmul.in_format("float32")),
    ("matmul bfloat16", matmul.in_format("bfloat16")),
    ("matmul float16", matmul.in_format("float16")),
    ("matmul float8", matmul.float8),
    ("matmul float4", matmul.float4),
    ("attention flash", attention.sdpa("FLASH_ATTENTION")),
    ("attention efficient", attention.sdpa("EFFICIENT_ATTENTION")),
    ("attention cudnn", attention.sdpa("CUDNN_ATTENTION")),
    ("attention math", attention.sdpa("MATH")),
    ("cuda graph", compiling.cuda_graph),
]
STAGES = [
    Stage((), (), KERNELS),
    Stage(
        ("triton",),
        ("torch._dynamo", "torch._inductor.compile_fx"),
        [("triton kernel", compiling.triton_kernel), ("torch.compile", compiling.torch_compile)],
    ),
    # last: a build for another torch may end the process when it is imported
    Stage(("flash_attn",), (), [("attention flash-attn", attention.flash_attn)]),
]
OF_VLLM = [Stage(("vllm", "vllm.vllm_flash_attn"), (), [("attention vllm", attention.vllm_flash)])]
"""Apart: importing vLLM alone takes longer than all the others."""


def main(teller: Teller, device: str, limits: Limits, scratch: str, *, vllm: bool = False) -> None:
    """Try one device. What hangs ends the process, with the frames in which it hangs on standard error.

    Args:
        teller: told each result.
        device: cuda:0 or cpu.
        limits: for the parts of it, once torch is imported.
        scratch: a folder where compilers write.
        vllm: only the kernels that vLLM brings along.
    """
    # what was compiled before must not pass for what compiles now, and nothing is left behind
    os.environ["TRITON_CACHE_DIR"] = os.path.join(scratch, "triton")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(scratch, "inductor")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # one kernel: a pool of processes would only take time
    if os.environ.get("NVIDIA_TF32_OVERRIDE"):
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # it would overrule us: the bound of float32 is one without TF32
    watch.within(teller, "import torch", limits.load_s)
    began = time.monotonic()
    import torch

    imported = time.monotonic() - began
    watch.within(teller, "context", limits.start_s)
    bench = context(teller, torch, device, scratch, imported)
    if bench is not None:
        in_stages(teller, bench, limits, OF_VLLM if vllm else STAGES)
    watch.over()
    teller.tell("done")


def in_stages(teller: Teller, bench: Bench, limits: Limits, stages: List[Stage]) -> None:
    """Run the checks; once the device answers nothing, the rest is only told."""
    broken = ""
    for stage in stages:
        names = (*(stage.of_gpus if bench.on_gpu else ()), *stage.of_all)
        if names and not broken:
            watch.within(teller, f"import {names[0]}", limits.load_s)
            load(names)
        watch.within(teller, stage.checks[0][0], limits.checks_s)
        broken = run(teller, bench, stage.checks, broken)


def load(names: Tuple[str, ...]) -> None:
    """Import what is there; what fails here fails again in the check that uses it, and is told there."""
    for name in names:
        with contextlib.suppress(Exception):
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)


def context(teller: Teller, torch: Any, device: str, scratch: str, imported: float) -> Bench | None:  # noqa: ANN401
    """Start the device and say what it is; None where that fails: nothing else can be tried then."""
    began = time.monotonic()
    try:
        if device == "cpu":
            name, capability = "CPU", (0, 0)
            kind = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "unknown")()
            says = f"torch {torch.__version__} imported in {imported:.1f} s; its CPU kernels: {kind}"
        else:
            torch.cuda.init()
            torch.cuda.set_device(device)
            torch.ones(1, device=device).add_(1).item()
            name, capability = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
            free, total = torch.cuda.mem_get_info(device)
            room = f"{free / memory.GIB:.1f} of {total / memory.GIB:.1f} GiB free"
            says = f"torch {torch.__version__} imported in {imported:.1f} s, built with CUDA {torch.version.cuda}; {room}"
    except Exception as error:  # noqa: BLE001 - whatever CUDA's start raises is the result
        tell(teller, "context", "failed", Measured(one_line(error)), time.monotonic() - began)
        return None
    told = f"{capability[0]}.{capability[1]}" if device != "cpu" else None
    teller.tell("device", device=device, name=name, compute_capability=told)
    tell(teller, "context", "passed", Measured(says), time.monotonic() - began)
    return Bench(torch, device, capability, scratch)
