"""Code that is made on the spot: torch.compile, a Triton kernel by itself, and a CUDA graph."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from .battery import Measured, Skip
from .matmul import U32

if TYPE_CHECKING:
    from .battery import Bench

COUNT = 4096
COMPILERS = {"cuda": ("gcc", "clang", "cc"), "cpu": ("g++", "clang++", "c++")}
"""What Triton looks for to build the launcher of its kernels, and what torch.compile builds a CPU's kernels with."""
SUM_UNITS = 8
"""x * sin(x) + x: three operations of at most one unit each, and sin within two units (CUDA C Programming Guide; SLEEF)."""


def need_compiler(bench: Bench) -> None:
    """Raises Skip without a compiler."""
    names = COMPILERS["cuda" if bench.on_gpu else "cpu"]
    named = os.environ.get("CC" if bench.on_gpu else "CXX")
    if shutil.which(named or names[0]) is None and not any(shutil.which(name) for name in names):
        raise Skip(f"it needs a compiler and there is none on PATH ({', '.join(names)}): apt-get install -y build-essential")


def formula(x: Any) -> Any:  # noqa: ANN401 - a tensor
    """What is compiled; also for the reference."""
    return x * x.sin() + x


def compared(result: Any, x: Any, seconds: float, says: str) -> Measured:  # noqa: ANN401 - tensors
    """The error of the formula against float64, relative to the magnitudes that are summed."""
    x64 = x.double().cpu()
    scale = (x64 * x64.sin()).abs() + x64.abs()
    error = ((result.double().cpu() - formula(x64)).abs() / scale.clamp_min(1e-30)).max().item()
    return Measured(f"{says}, ready in {seconds:.1f} s", error, SUM_UNITS * U32, "relative error", wrong=error != error)  # noqa: PLR0124


def torch_compile(bench: Bench) -> Measured:
    """One fused kernel by torch.compile: Triton on a GPU, C++ on a CPU. Caches are empty: it really compiles."""
    torch = bench.torch
    need_compiler(bench)
    if bench.on_gpu and importlib.util.find_spec("triton") is None:
        raise Skip("Triton is not installed, and torch.compile makes GPU code by it: pip install triton")
    x = torch.linspace(-3, 3, COUNT, device=bench.device)
    began = time.monotonic()
    result = torch.compile(formula)(x)
    bench.wait()
    how = "Triton" if bench.on_gpu else "C++"
    return compared(result, x, time.monotonic() - began, f"one kernel through {how}")


def triton_kernel(bench: Bench) -> Measured:
    """One kernel of Triton's without torch.compile, as vLLM and Liger bring them."""
    torch = bench.torch
    if not bench.on_gpu:
        raise Skip("Triton makes code for GPUs")
    if importlib.util.find_spec("triton") is None:
        raise Skip("Triton is not installed")
    need_compiler(bench)
    module = importlib.import_module(".triton_kernel", __package__)
    x = torch.linspace(-3, 3, COUNT, device=bench.device)
    result = torch.empty_like(x)
    began = time.monotonic()
    module.kernel[(COUNT // module.BLOCK,)](x, result, COUNT, BLOCK=module.BLOCK)
    bench.wait()
    seconds = time.monotonic() - began
    right = bool(torch.equal(result, x * 2 + 1))  # both exact but for one rounding, which IEEE 754 fixes
    says = "equals torch's own" if right else "differs from torch's own"
    return Measured(f"2 x + 1 over {COUNT} numbers {says}, ready in {seconds:.1f} s", wrong=not right)


def cuda_graph(bench: Bench) -> Measured:
    """A product and a sum captured once and replayed on other inputs."""
    if not bench.on_gpu:
        raise Skip("CUDA graphs are for GPUs")
    torch = bench.torch
    x = torch.ones(256, 256, device=bench.device)
    stream = torch.cuda.Stream(bench.device)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # what is made at the first call (cuBLAS handles) must not be captured
        for _ in range(3):
            y = x @ x + x
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = x @ x + x
    wrong = []
    for number in (2.0, 3.0, 5.0):
        x.fill_(number)
        graph.replay()
        bench.wait()
        if not bool((y == 256 * number * number + number).all()):  # whole numbers: exact in TF32 and float32
            wrong.append(number)
    if wrong:
        return Measured(f"a replay gave another result than its inputs say, for {wrong}", wrong=True)
    return Measured("captured once, replayed on 3 inputs, exact each time")
