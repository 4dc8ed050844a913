"""The attention kernels that a stack would use, each against float64 on the CPU.

The error of each element is told relative to ``P64 |V|``, the sum of the weighted magnitudes that make it. Bound, with u the unit
roundoff of the format (half of finfo.eps), n keys and d elements a head, and s the largest ``|q| |k| / sqrt(d)``:

- a fused kernel rounds the weights P once and the result once, and computes scores and sums in float32, where the exponential
  turns an absolute error of a score into a relative one (Dao et al., FlashAttention, arXiv 2205.14135, algorithm 1):
  ``2 u + gamma_n(2 u32) + 2 s gamma_d(2 u32) + 8 u32`` (8 units for the exponential and the division);
- the plain one ("math") may also round q, k and the scores: ``2 * 3 u s`` on top. It is given float32 with TF32 off: in bfloat16
  that bound would pass almost anything, and torch from 2.5 on computes it in float32 anyway.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from .battery import Measured, Skip
from .matmul import SEED, U32, Exactly, gamma
from .telling import one_line

if TYPE_CHECKING:
    from .battery import Bench

BATCH, HEADS, TOKENS, HEAD = 2, 4, 256, 64
NO_KERNEL = ("No available kernel", "No viable backend")
EXP_UNITS = 8


class Problem(NamedTuple):
    """Inputs [batch, heads, tokens, head], and what comes of them in float64; on the CPU."""

    q: Any
    k: Any
    v: Any
    wanted: Any
    scale_of_errors: Any
    largest_score: float


def problem(bench: Bench, *, plain: bool = False) -> Problem:
    """Causal attention over random inputs in the format that the kernels are for: bfloat16, float16 before Ampere."""
    torch = bench.torch
    dtype = torch.float16 if bench.on_gpu and bench.capability < (8, 0) else torch.bfloat16
    dtype = torch.float32 if plain else dtype
    generator = torch.Generator().manual_seed(SEED)
    q, k, v = (torch.randn(BATCH, HEADS, TOKENS, HEAD, generator=generator).to(dtype) for _ in range(3))
    q64, k64, v64 = q.double(), k.double(), v.double()
    mask = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    scores = (q64 @ k64.transpose(-1, -2) / math.sqrt(HEAD)).masked_fill(~mask, float("-inf"))
    weights = torch.softmax(scores, -1)
    largest = (q64.abs() @ k64.abs().transpose(-1, -2) / math.sqrt(HEAD)).max().item()
    return Problem(q, k, v, weights @ v64, weights @ v64.abs(), largest)


def judged(bench: Bench, made: Problem, result: Any, *, plain: bool = False, says: str = "") -> Measured:  # noqa: ANN401
    """The largest error of a result [batch, heads, tokens, head]."""
    unit = bench.torch.finfo(made.q.dtype).eps / 2
    bound = 2 * unit + gamma(TOKENS, 2 * U32) + 2 * made.largest_score * gamma(HEAD, 2 * U32) + EXP_UNITS * U32
    if plain:
        bound += 2 * 3 * unit * made.largest_score
    error = ((result.double().cpu() - made.wanted).abs() / made.scale_of_errors).max().item()
    what = f"causal, {TOKENS} tokens, {HEADS} heads of {HEAD}, {str(made.q.dtype).rpartition('.')[2]}, against float64"
    return Measured(f"{what}{'; ' if says else ''}{says}", error, bound, "relative error", wrong=error != error)  # noqa: PLR0124


def sdpa(name: str) -> Callable[[Bench], Measured]:
    """The check of one backend of torch's scaled_dot_product_attention."""

    def check(bench: Bench) -> Measured:
        torch = bench.torch
        try:
            from torch.nn.attention import SDPBackend, sdpa_kernel
        except ImportError as error:
            raise Skip(f"torch {torch.__version__} cannot choose a backend by name; from 2.3 on it does") from error
        backend = getattr(SDPBackend, name, None)
        if backend is None:
            raise Skip(f"torch {torch.__version__} does not have this backend")
        plain = name == "MATH"
        made = problem(bench, plain=plain)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                with sdpa_kernel([backend]), Exactly(torch):
                    inputs = (one.to(bench.device) for one in made[:3])
                    result = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True)
                    bench.wait()
            except RuntimeError as error:
                if not any(sign in str(error) for sign in NO_KERNEL):
                    raise
                why = "; ".join(dict.fromkeys(str(one.message).partition(" (Triggered")[0] for one in said))[:300]
                raise Skip(f"torch has no such kernel for this device: {why or one_line(error, 200)}") from error
        return judged(bench, made, result, plain=plain)

    return check


def flash_attn(bench: Bench) -> Measured:
    """The package flash-attn, by which transformers does "flash_attention_2"; it takes [batch, tokens, heads, head]."""
    if importlib.util.find_spec("flash_attn") is None:
        raise Skip("the package flash-attn is not installed")
    for_gpus(bench)
    module = importlib.import_module("flash_attn")
    if not hasattr(module, "flash_attn_func"):  # flash-attn-4 alone puts a folder of that name there
        raise Skip("flash_attn has no flash_attn_func, by which transformers does flash_attention_2")
    made = problem(bench)
    inputs = (one.transpose(1, 2).contiguous().to(bench.device) for one in made[:3])
    result = module.flash_attn_func(*inputs, causal=True)
    return judged(bench, made, result.transpose(1, 2), says=f"flash_attn {getattr(module, '__version__', '')}".strip())


def vllm_flash(bench: Bench) -> Measured:
    """The kernels that vLLM brings along, by the versions of them that it says this device has; sequences end to end."""
    if importlib.util.find_spec("vllm") is None:
        raise Skip("vLLM is not installed")
    for_gpus(bench)
    try:
        module = importlib.import_module("vllm.vllm_flash_attn")
    except ModuleNotFoundError as error:
        raise Skip(f"this vLLM brings no flash attention: {one_line(error, 200)}") from error
    torch = bench.torch
    made = problem(bench)
    supported = getattr(module, "is_fa_version_supported", None)
    versions = [2] if supported is None else [one for one in (2, 3) if supported(one)]
    if not versions:
        reason = getattr(module, "fa_version_unsupported_reason", lambda _: None)
        raise RuntimeError(f"vLLM says that its flash attention does not run on this device: {reason(2)}")
    packed = [one.transpose(1, 2).reshape(BATCH * TOKENS, HEADS, HEAD).contiguous().to(bench.device) for one in made[:3]]
    starts = torch.arange(0, (BATCH + 1) * TOKENS, TOKENS, dtype=torch.int32, device=bench.device)
    says = f"version {versions[0]}" if len(versions) == 1 else f"versions {' and '.join(map(str, versions))}, the worst of them"
    worst = None
    for version in versions:
        more = {} if supported is None else {"fa_version": version}
        result = module.flash_attn_varlen_func(
            *packed, max_seqlen_q=TOKENS, cu_seqlens_q=starts, max_seqlen_k=TOKENS, cu_seqlens_k=starts, causal=True, **more
        )
        result = (result[0] if isinstance(result, tuple) else result).reshape(BATCH, TOKENS, HEADS, HEAD).transpose(1, 2)
        one = judged(bench, made, result, says=says)
        if worst is None or one.wrong or (one.value or 0.0) > (worst.value or 0.0):
            worst = one
    assert worst is not None  # noqa: S101 - there is at least one version
    return worst


def for_gpus(bench: Bench) -> None:
    """Raises Skip for a device that FlashAttention's CUDA kernels are not for."""
    if not bench.on_gpu:
        raise Skip("its kernels are for GPUs")
    if bench.capability < (8, 0):
        raise Skip("its kernels are for compute capability 8.0 and newer")
