"""One device: everything that the stack asks of it, in the order of what needs what. torch.compile is last: it takes longest."""

from __future__ import annotations

import faulthandler
import os
import time
from typing import TYPE_CHECKING, Any

from . import attention, compiling, matmul, memory
from .battery import Bench, Check, Measured, run, tell
from .telling import one_line

if TYPE_CHECKING:
    from typing import List

    from .telling import Teller

CHECKS: List[Check] = [
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
    ("attention flash-attn", attention.flash_attn),
    ("cuda graph", compiling.cuda_graph),
    ("triton kernel", compiling.triton_kernel),
    ("torch.compile", compiling.torch_compile),
]
OF_VLLM: List[Check] = [("attention vllm", attention.vllm_flash)]
"""Apart: importing vLLM alone takes longer than all the others."""


def main(teller: Teller, device: str, limit_s: float, scratch: str, *, vllm: bool = False) -> None:
    """Try one device. What hangs ends the process, with the frames in which it hangs on standard error.

    That watch is a thread of C (faulthandler): it works while a call into the driver holds Python's lock.

    Args:
        teller: told each result.
        device: cuda:0 or cpu.
        limit_s: for everything once torch is imported.
        scratch: a folder where compilers write.
        vllm: only the kernels that vLLM brings along.
    """
    # what was compiled before must not pass for what compiles now, and nothing is left behind
    os.environ["TRITON_CACHE_DIR"] = os.path.join(scratch, "triton")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.path.join(scratch, "inductor")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # one kernel: a pool of processes would only take time
    teller.tell("phase", name="import torch")
    began = time.monotonic()
    import torch

    imported = time.monotonic() - began
    faulthandler.dump_traceback_later(limit_s, exit=True, file=2)
    bench = context(teller, torch, device, scratch, imported)
    if bench is not None:
        run(teller, bench, OF_VLLM if vllm else CHECKS)
    faulthandler.cancel_dump_traceback_later()
    teller.tell("done")


def context(teller: Teller, torch: Any, device: str, scratch: str, imported: float) -> Bench | None:  # noqa: ANN401
    """Start the device and say what it is; None where that fails: nothing else can be tried then."""
    teller.tell("phase", name="context")
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
            free, total = torch.cuda.mem_get_info()
            room = f"{free / memory.GIB:.1f} of {total / memory.GIB:.1f} GiB free"
            says = f"torch {torch.__version__} imported in {imported:.1f} s, built with CUDA {torch.version.cuda}; {room}"
    except Exception as error:  # noqa: BLE001 - whatever CUDA's start raises is the result
        tell(teller, "context", "failed", Measured(one_line(error)), time.monotonic() - began)
        return None
    told = f"{capability[0]}.{capability[1]}" if device != "cpu" else None
    teller.tell("device", device=device, name=name, compute_capability=told)
    tell(teller, "context", "passed", Measured(says), time.monotonic() - began)
    return Bench(torch, device, capability, scratch)
