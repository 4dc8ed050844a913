"""What ``check --deep`` came to: one real run on a CPU, and made ones of H100s that show what no healthy machine does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from envdoctor.facts import Builds, Facts, Gpus, Known, Unknown
from envdoctor.linkage import Linking  # noqa: TC001 - msgspec reads it
from envdoctor.loaded import CollectiveTried, DeviceTried, ImportTried, KernelTried, Live, PairTried
from tests import linked
from tests.factory import SITE, gpu, healthy

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = Path(__file__).parent / "recorded" / "deep-cpu.json"
ERROR = "relative error"
FRAMES = """Timeout (0:00:15)!
Thread 0x00007f2a8c1fe740 (most recent call first):
  File "envdoctor_live/compiling.py", line 97 in cuda_graph
  File "envdoctor_live/battery.py", line 76 in run
  File "envdoctor_live/device.py", line 119 in in_stages"""


class Recorded(msgspec.Struct):
    """The parts of a recorded run that the section shows."""

    live: Live
    linking: Linking
    builds: Builds
    gpus: Gpus


def recorded() -> Facts:
    """Torch 2.13.0 for the CPU on a machine without a GPU, as `check --deep --record` wrote it on 2026-11-26."""
    parts = msgspec.json.decode(RECORDED.read_bytes(), type=Recorded)
    return msgspec.structs.replace(healthy(), live=parts.live, linking=parts.linking, builds=parts.builds, gpus=parts.gpus)


def check(
    name: str,
    state: str = "passed",
    value: float | None = None,
    bound: float | None = None,
    unit: str = "",
    says: str = "",
    seconds: float = 0.1,
) -> KernelTried:
    """One check."""
    return KernelTried(name=name, state=state, value=value, bound=bound, unit=unit, says=says, seconds=seconds)


def h100(index: int, *checks: KernelTried, during: str | None = None, ended: str | None = None, said: str = "") -> DeviceTried:
    """One H100."""
    return DeviceTried(
        device=f"cuda:{index}",
        name="NVIDIA H100 80GB HBM3",
        compute_capability="9.0",
        checks=checks,
        during=during,
        ended=ended,
        said=said,
    )


def good() -> tuple[KernelTried, ...]:
    """The first checks of a healthy device."""
    room = "78.6 of 79.2 GiB free"
    return (
        check("context", says=f"torch 2.11.0+cu130 imported in 3.1 s, built with CUDA 13.0; {room}", seconds=0.9),
        check("allocation", value=70.74, unit="GiB", says="a pattern written to 71 pieces and read back whole", seconds=0.7),
        check("copy host to device", value=55.1, unit="GB/s", says="the copy equals the source; best of 4"),
        check("matmul float32", value=2.1e-07, bound=3.1e-05, unit=ERROR, says="1024 x 512 by 512 x 1024 against float64"),
    )


def imported(package: str, **more: object) -> ImportTried:
    """One package that could be imported."""
    given = {"package": package, "module": package, "state": "imported", "seconds": 3.2, "error": None, "trace": ()}
    return ImportTried(**{**given, **more})  # type: ignore[arg-type]


def on(live: Live, count: int) -> Facts:
    """A machine with so many H100s."""
    facts = healthy()
    gpus = msgspec.structs.replace(facts.gpus, devices=Known(tuple(map(gpu, range(count))), "NVML"))
    return msgspec.structs.replace(facts, gpus=gpus, live=live)


def wrong_and_hung() -> Facts:
    """Two H100s: a product of the first is wrong, the second hangs; vLLM does not load, which nobody had predicted."""
    wrong = check(
        "matmul bfloat16",
        "wrong",
        0.241,
        0.00397,
        ERROR,
        "1024 x 512 by 512 x 1024 against float64; summed in float32; u + gamma of 2 u32",
    )
    rest = (
        check(
            "matmul float8", "failed", says="RuntimeError: CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul`"
        ),
        check("matmul float4", "skipped", says="tensor cores take float4 from compute capability 10.0 (Blackwell) on"),
        check("attention flash-attn", "skipped", says="the package flash-attn is not installed"),
    )
    hung = h100(1, *good(), during="cuda graph", ended="no answer in 15 s", said=FRAMES)
    why = "cuda:1 does not work by itself (no answer in 15 s), so nothing was tried with others"
    error = f"ImportError: {SITE}/vllm/_C.abi3.so: undefined symbol: {linked.THROW}"
    live = Live(
        devices=Known((h100(0, *good(), wrong, *rest, said="cuBLAS API failed"), hung), "run"),
        pairs=Unknown(why),
        collective=Unknown(why),
        imports=Known((imported("torch"), imported("vllm", state="raised", error=error)), "imported"),
    )
    # the file that the loader refused is one that the linker had judged
    return msgspec.structs.replace(on(live, 2), linking=linked.linking(linked.module("vllm", "vllm/_C.abi3.so")))


def slow_link() -> Facts:
    """Two H100s that should be joined by NVLink and are not; a module that was not to load and does."""
    live = Live(
        devices=Known((h100(0, *good()), h100(1, *good())), "run"),
        pairs=Known(
            (
                PairTried(first=0, second=1, peer_access=False, link="pcie", gb_per_s=11.8, says="256 MiB, the copy equals the source"),
                PairTried(first=1, second=0, peer_access=None, link=None, gb_per_s=None, says="no answer in 30 s"),
            ),
            "copies",
        ),
        collective=Known(
            CollectiveTried(
                backend="nccl", devices=2, state="late", bus_gb_per_s=None,
                says="not done in 60 s: rank 1 is in 'meet the others', the others in 'the sum'",
            ),
            "an all-reduce",
        ),
        imports=Known((imported("torch"), imported("vllm", unloaded=("vllm._moe_C: killed by SIGILL",))), "imported"),
    )  # fmt: skip
    broken = linked.module("vllm", "vllm/_C.abi3.so", linked.undefined())
    return msgspec.structs.replace(on(live, 2), linking=linked.linking(broken))


MADE: dict[str, Callable[[], Facts]] = {
    "recorded-cpu": recorded,
    "h100x2-wrong-and-hung": wrong_and_hung,
    "h100x2-slow-link": slow_link,
}
