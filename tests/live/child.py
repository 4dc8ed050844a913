"""Checks of the deep check with something wrong under them: ``python -m tests.live.child`` prints a JSON object, story -> result.

Runs in a Python that has torch; knows nothing of the doctor. Each story changes what torch gives, or what the device holds, and
leaves the check as it is. "cpu:0" is a CPU that the checks take for a GPU: their code for GPUs runs as far as it needs no driver.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import itertools
import json
import os
import sys
import tempfile
import types
import warnings
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from envdoctor.live import attention, battery, compiling, matmul, memory
from envdoctor.live.battery import Bench, Measured

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = Bench(torch, "cpu", (0, 0), tempfile.gettempdir())
LIKE_A_GPU = Bench(torch, "cpu:0", (10, 0), tempfile.gettempdir())
RIGHT = torch.Tensor.__matmul__


class Told:
    """Takes the place of the teller."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def tell(self, event: str, **values: Any) -> None:
        """Keep it."""
        self.events.append({"event": event, **values})


def judged(check: Callable[[Bench], Measured], bench: Bench = CPU) -> dict[str, Any]:
    """What the battery tells of one check, on smaller copies and, where a CPU's product takes a second, on fewer rows."""
    told = Told()
    rows = {"cpu": 64} if check is matmul.float8 else {}
    with (
        mock.patch("torch.cuda.synchronize"),
        mock.patch.dict(matmul.ROWS, rows),
        mock.patch.object(memory, "COPY_BYTES", 16 << 20),
    ):
        battery.run(told, bench, [("it", check)])  # type: ignore[arg-type]
    return told.events[-1]


def off_by(factor: float) -> Callable[..., Measured]:
    """matmul.judged with one number of the product this many bounds away from what it must be."""
    real = matmul.judged

    def judge(product: Any, left: Any, right: Any, bound: float, says: str) -> Measured:
        wanted = left.double() @ right.double().T
        product = product.double()
        product[3, 5] = wanted[3, 5] + factor * bound * (left.double().abs() @ right.double().abs().T)[3, 5]
        return real(product, left, right, bound, says)

    return judge


def product_off(name: str, factor: float) -> dict[str, Any]:
    with mock.patch.object(matmul, "judged", off_by(factor)):
        return judged(matmul.float8 if name == "float8" else matmul.in_format(name))


def attention_off(factor: float) -> dict[str, Any]:
    real = attention.judged

    def judge(bench: Bench, made: Any, result: Any, **more: Any) -> Measured:
        bound = real(bench, made, result, **more).bound or 0.0
        result = result.double()
        result[1, 2, 3, 4] = made.wanted[1, 2, 3, 4] + factor * bound * made.scale_of_errors[1, 2, 3, 4]
        return real(bench, made, result, **more)

    with mock.patch.object(attention, "judged", judge):
        return judged(attention.sdpa("FLASH_ATTENTION"))


def with_products(made: Callable[[Any, Any], Any], name: str) -> dict[str, Any]:
    """A product of the format that is tried is made by a function; the float64 reference is torch's."""

    def matmul_of(left: Any, right: Any) -> Any:
        return RIGHT(left, right) if left.dtype == torch.float64 else made(left, right)

    with mock.patch.object(torch.Tensor, "__matmul__", matmul_of):
        return judged(matmul.in_format(name))


def as_tf32(left: Any, right: Any) -> Any:
    """Of each factor the 10 bits that TF32 keeps."""
    left, right = ((one.view(torch.int32) + 0x1000 & ~0x1FFF).view(torch.float32) for one in (left, right))
    return RIGHT(left, right)


def summed_in_half(left: Any, right: Any) -> Any:
    """Each sum rounded to the format of its terms after every term."""
    result = torch.zeros(left.shape[0], right.shape[1], dtype=left.dtype)
    for k in range(left.shape[1]):
        result = result + left[:, k : k + 1] * right[k : k + 1]
    return result


def tile_left_out(left: Any, right: Any) -> Any:
    result = RIGHT(left, right)
    result[64:128, 128:192] = 0
    return result


def one_nan(left: Any, right: Any) -> Any:
    result = RIGHT(left, right)
    result[7, 7] = float("nan")
    return result


def float8_as(change: Callable[[Any], Any]) -> dict[str, Any]:
    real = torch._scaled_mm

    def scaled_mm(*args: Any, **more: Any) -> Any:
        return change(real(*args, **more))

    with mock.patch("torch._scaled_mm", scaled_mm):
        return judged(matmul.float8)


def zeroed(result: Any) -> Any:
    result[:16, :16] = 0
    return result


def float4(*, alike: bool) -> dict[str, Any]:
    """The product of packed numbers, unpacked again as NVFP4 is: the low half of a byte comes first; of the right one only if alike.

    With the halves of both swapped the same products are summed, in another order: what the check says does not rest on it.
    """

    def scaled_mm(left: Any, right: Any, *, scale_a: Any, scale_b: Any, out_dtype: Any) -> Any:
        assert scale_a.dtype == scale_b.dtype == torch.float8_e4m3fn
        assert scale_a.numel() == left.shape[0] * left.shape[1] * 2 // 16
        assert left.shape[1] == right.shape[0]
        assert right.stride() == (1, left.shape[1])  # cuBLAS takes the second one by columns
        table = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
        both = []
        for one, low_first in ((left, True), (right.T, alike)):
            raw = one.view(torch.uint8).long()
            halves = (raw & 15, raw >> 4) if low_first else (raw >> 4, raw & 15)
            both.append(table[torch.stack(halves, -1).flatten(1)])
        return (both[0] @ both[1].T).to(out_dtype)

    with mock.patch("torch._scaled_mm", scaled_mm):
        return judged(matmul.float4, LIKE_A_GPU)


def attention_as(change: Callable[[Any], Any], **given: Any) -> dict[str, Any]:
    real = torch.nn.functional.scaled_dot_product_attention

    def sdpa(q: Any, k: Any, v: Any, is_causal: bool = False) -> Any:
        return change(real(q, k, v, **{"is_causal": is_causal, **given}))

    with mock.patch("torch.nn.functional.scaled_dot_product_attention", sdpa):
        return judged(attention.sdpa("FLASH_ATTENTION"))


def nan_in(result: Any) -> Any:
    result[0, 0, 0, 0] = float("nan")
    return result


def bit_flipped(piece: int | None) -> dict[str, Any]:
    """One bit of the memory changes between writing and reading: of a piece, or (None) of what the pieces are compared with."""
    real = memory.reads_back

    def reads_back(of: Any, chunk: Any, ramp: Any, number: int) -> bool:
        if number + 1 == piece:
            chunk[12345] ^= 1 << 17
        right = real(of, chunk, ramp, number)
        if piece is None and number == 7:
            ramp[-1] ^= 1
        return right

    with mock.patch.object(memory, "reads_back", reads_back):
        return judged(memory.allocation)


def full(free: int, after: int) -> dict[str, Any]:
    """A GPU with so many bytes free that gives no more after some pieces; and what is told of the check behind it."""
    real, left = torch.empty, [after]

    def empty(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 32.00 MiB.")
        return real(*args, **more)

    told = Told()
    with (
        mock.patch("torch.empty", empty),
        mock.patch("torch.cuda.mem_get_info", return_value=(free, 2 * free)),
        mock.patch("torch.cuda.synchronize"),
        mock.patch("torch.cuda.empty_cache") as emptied,
    ):
        checks = [("allocation", memory.allocation), ("matmul", matmul.in_format("float32"))]
        battery.run(told, LIKE_A_GPU, checks)  # type: ignore[arg-type]
        told.events[1]["emptied"] = emptied.call_count
    return {**told.events[1], "next": told.events[3]["state"]}


def copy_off() -> dict[str, Any]:
    real = memory.compared

    def compared(bench: Bench, got: Any, wanted: Any, seconds: float, size: int) -> Measured:
        got[99] ^= 1 << 30
        return real(bench, got, wanted, seconds, size)

    with mock.patch.object(memory, "compared", compared):
        return judged(memory.within)


def compiled_as(factor: float) -> dict[str, Any]:
    def compile_(function: Any) -> Any:
        return lambda x: function(x) * (1 + factor)

    with mock.patch("torch.compile", compile_):
        return judged(compiling.torch_compile)


def no_compiler() -> dict[str, Any]:
    with mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
        os.environ.pop("CXX", None)
        return judged(compiling.torch_compile)


def module(name: str, **attributes: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    made.__dict__.update(attributes)
    return made


def with_modules(check: Callable[[Bench], Measured], *modules: types.ModuleType, bench: Bench = LIKE_A_GPU) -> dict[str, Any]:
    with mock.patch.dict(sys.modules, {one.__name__: one for one in modules}):
        return judged(check, bench)


def flash_attn_func(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    """As the package does it: [batch, tokens, heads, head]."""
    inputs = (one.transpose(1, 2) for one in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=causal).transpose(1, 2)


def not_causal(q: Any, k: Any, v: Any, causal: bool) -> Any:
    assert causal
    return flash_attn_func(q, k, v)


def of_vllm(supported: dict[int, bool], **changed: Any) -> types.ModuleType:
    """VLLM's kernels: sequences end to end, [tokens of all, heads, head]; a version that is named gives another result."""

    def varlen(q: Any, k: Any, v: Any, *, max_seqlen_q: int, cu_seqlens_q: Any, max_seqlen_k: int, cu_seqlens_k: Any,
               causal: bool, fa_version: int = 2) -> Any:  # fmt: skip
        ends = cu_seqlens_q.tolist()
        assert cu_seqlens_q.dtype == torch.int32
        assert ends == cu_seqlens_k.tolist()
        assert max(b - a for a, b in itertools.pairwise(ends)) == max_seqlen_q == max_seqlen_k
        places = [slice(a, b) for a, b in itertools.pairwise(ends)]
        result = torch.cat([flash_attn_func(q[one][None], k[one][None], v[one][None], causal)[0] for one in places])
        assert supported[fa_version]
        return (result * 1.05, None) if changed.get("wrong") == fa_version else result

    return module(
        "vllm.vllm_flash_attn",
        flash_attn_varlen_func=varlen,
        is_fa_version_supported=lambda version: supported[version],
        fa_version_unsupported_reason=lambda version: f"FA{version} is unavailable: undefined symbol",
    )


def copied(check: Callable[[Bench], Measured]) -> dict[str, Any]:
    with mock.patch.object(torch.Tensor, "pin_memory", lambda one: one):
        return judged(check, LIKE_A_GPU)


def graph_that_replays_nothing() -> dict[str, Any]:
    with (
        mock.patch("torch.cuda.Stream"),
        mock.patch("torch.cuda.current_stream"),
        mock.patch("torch.cuda.stream", contextlib.nullcontext),
        mock.patch("torch.cuda.graph", contextlib.nullcontext),
        mock.patch("torch.cuda.CUDAGraph"),
    ):
        return judged(compiling.cuda_graph, LIKE_A_GPU)


VLLM = module("vllm")
STORIES: dict[str, Callable[[], dict[str, Any]]] = {
    **{
        f"{name} {factor} bounds off": (lambda name=name, factor=factor: product_off(name, factor))  # type: ignore[misc]
        for name in ("float32", "bfloat16", "float16", "float8")
        for factor in (0.999, 1.001)
    },
    "attention 0.999 bounds off": lambda: attention_off(0.999),
    "attention 1.001 bounds off": lambda: attention_off(1.001),
    "float32 as TF32": lambda: with_products(as_tf32, "float32"),
    "float16 summed in half": lambda: with_products(summed_in_half, "float16"),
    "bfloat16 summed in half": lambda: with_products(summed_in_half, "bfloat16"),
    "a tile left out": lambda: with_products(tile_left_out, "bfloat16"),
    "a NaN": lambda: with_products(one_nan, "float32"),
    "float8, a tile left out": lambda: float8_as(zeroed),
    "float8 of an old torch": lambda: float8_as(lambda result: (result, None)),
    "float4": lambda: float4(alike=True),
    "float4 with the halves of one swapped": lambda: float4(alike=False),
    "attention not causal": lambda: attention_as(lambda result: result, is_causal=False),
    "attention with a NaN": lambda: attention_as(nan_in),
    "a bit of piece 4": lambda: bit_flipped(4),
    "a bit of what is compared with": lambda: bit_flipped(None),
    "memory full": lambda: full(256 << 20, 5),
    "memory full from the start": lambda: full(1 << 20, 5),
    "copy off": copy_off,
    "compiled 1e-6 off": lambda: compiled_as(1e-6),
    "no compiler": no_compiler,
    "flash-attn": lambda: with_modules(attention.flash_attn, module("flash_attn", flash_attn_func=flash_attn_func)),
    "flash-attn not causal": lambda: with_modules(attention.flash_attn, module("flash_attn", flash_attn_func=not_causal)),
    "flash-attn-4 alone": lambda: with_modules(attention.flash_attn, module("flash_attn")),
    "flash-attn on a T4": lambda: with_modules(
        attention.flash_attn, module("flash_attn"), bench=LIKE_A_GPU._replace(capability=(7, 5))
    ),
    "vllm": lambda: with_modules(attention.vllm_flash, VLLM, of_vllm({2: True, 3: True})),
    "vllm, version 3 wrong": lambda: with_modules(attention.vllm_flash, VLLM, of_vllm({2: True, 3: True}, wrong=3)),
    "vllm, version 2 alone": lambda: with_modules(attention.vllm_flash, VLLM, of_vllm({2: True, 3: False}, wrong=3)),
    "vllm, none": lambda: with_modules(attention.vllm_flash, VLLM, of_vllm({2: False, 3: False})),
    "to device": lambda: copied(memory.to_device),
    "to host": lambda: copied(memory.to_host),
    "a graph that replays nothing": graph_that_replays_nothing,
}


def main() -> None:
    """Print what every story came to."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps({name: story() for name, story in STORIES.items()}) + "\n")


if __name__ == "__main__":
    main()
