"""Matrix products in each number format the device has, against a float64 reference made on the CPU.

The inputs are rounded to the format first and the reference takes the rounded ones, so that only the product is judged. The
error of each element is told relative to what rounding scales with, ``max |C - C64| / (|A| |B|)`` (Higham, Accuracy and
Stability of Numerical Algorithms, 2nd ed., section 3.5: ``|C - C64| <= gamma_k |A| |B|``, ``gamma_k = k u / (1 - k u)``).
Bounds, with k terms a sum, u the unit roundoff (half of finfo.eps) and u32 = 2^-24 of float32:

- float32 with TF32 off: ``gamma_k`` of u32. TF32 keeps 10 bits of each factor and does not pass it.
- bfloat16, float16: products of two such numbers are exact in float32 and are summed there; tensor cores may truncate where
  IEEE 754 rounds (Fasi et al., Numerical behavior of NVIDIA tensor cores, PeerJ Comput. Sci. 7:e330, 2021), which doubles u32.
  The result is rounded once: ``u + gamma_k(2 u32)``. Sums in half precision are switched off, they would need ``gamma_k(u)``.
- float8 e4m3: Hopper's tensor cores keep about 14 bits while they sum (DeepSeek-V3, arXiv 2412.19437, section 3.3.2), and
  without fast accumulation cuBLAS adds to float32 every 128 terms (CUTLASS, mma_promotion_interval of 4 instructions of 32):
  ``128 * 2^-13 + u(bfloat16) + gamma_k(2 u32)``.
- float4 e2m1: factors are multiples of 0.5 up to 6, so every sum of k = 512 terms is exact in float32, and only the result is
  rounded: ``u(bfloat16)``, with ``gamma_k(2 u32)`` for a scale that is not folded exactly.

A product whose tile was not computed has an error near 0.3 at k = 512: no bound comes near it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Tuple

from .battery import Measured, Skip

if TYPE_CHECKING:
    from .battery import Bench

U32 = 2.0**-24
U_BFLOAT16 = 2.0**-8
ROWS = {"gpu": 1024, "cpu": 256}
INNER = 512
PROMOTED_EVERY = 128
FP8_SUM_UNIT = 2.0**-13
FP8_FROM = (8, 9)
FP4_FROM = (10, 0)
FP4_VALUES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Of the codes 0 to 7; 8 to 15 are the same with a minus (OCP Microscaling Formats 1.0, E2M1)."""
SEED = 20261126


def gamma(terms: int, unit: float) -> float:
    """The growth of rounding errors in a sum."""
    return terms * unit / (1 - terms * unit)


def samples(bench: Bench) -> Tuple[Any, Any]:
    """Two float32 matrices on the CPU, the second one transposed: both are read along their rows."""
    torch = bench.torch
    generator = torch.Generator().manual_seed(SEED)
    rows = ROWS["gpu" if bench.on_gpu else "cpu"]
    return tuple(torch.randn(rows, INNER, generator=generator) for _ in range(2))


def judged(product: Any, left: Any, right: Any, bound: float, says: str) -> Measured:  # noqa: ANN401 - tensors
    """The error of left @ right.T against float64; a NaN anywhere is wrong."""
    left64, right64 = left.double(), right.double()
    error = ((product.double().cpu() - left64 @ right64.T).abs() / (left64.abs() @ right64.abs().T)).max().item()
    rows, inner = left.shape
    shape = f"{rows} x {inner} by {inner} x {right.shape[0]} against float64"
    return Measured(f"{shape}; {says}", error, bound, "relative error", wrong=error != error)  # noqa: PLR0124 - NaN


def in_format(name: str) -> Callable[[Bench], Measured]:
    """The check of a format that torch.matmul takes."""

    def check(bench: Bench) -> Measured:
        torch = bench.torch
        dtype = getattr(torch, name)
        if bench.on_gpu and name == "bfloat16" and bench.capability < (8, 0):
            raise Skip("tensor cores take bfloat16 from compute capability 8.0 on")
        left, right = (one.to(dtype) for one in samples(bench))
        with Exactly(torch):
            product = left.to(bench.device) @ right.to(bench.device).T
        if name == "float32":
            return judged(product, left, right, gamma(INNER, U32), "TF32 off; k u32 / (1 - k u32)")
        bound = torch.finfo(dtype).eps / 2 + gamma(INNER, 2 * U32)
        return judged(product, left, right, bound, "summed in float32; u + gamma of 2 u32")

    return check


class Exactly:
    """torch.matmul without TF32 and without sums in half precision, as long as it lasts."""

    NAMES = ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")

    def __init__(self, torch: Any) -> None:  # noqa: ANN401
        self.switches = torch.backends.cuda.matmul
        self.before: Dict[str, bool] = {}

    def __enter__(self) -> None:
        for name in self.NAMES:
            if hasattr(self.switches, name):
                self.before[name] = getattr(self.switches, name)
                setattr(self.switches, name, False)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            setattr(self.switches, name, value)


def float8(bench: Bench) -> Measured:
    """e4m3 by torch._scaled_mm, which vLLM's and torchao's float8 layers call; scales of 1."""
    torch = bench.torch
    if not hasattr(torch, "float8_e4m3fn") or not hasattr(torch, "_scaled_mm"):
        raise Skip(f"torch {torch.__version__} has no float8 product")
    if bench.on_gpu and bench.capability < FP8_FROM:
        raise Skip("tensor cores take float8 from compute capability 8.9 on")
    left, right = (one.to(torch.float8_e4m3fn) for one in samples(bench))
    product = scaled(bench, left.to(bench.device), right.to(bench.device), torch.ones((), device=bench.device))
    bound = PROMOTED_EVERY * FP8_SUM_UNIT + U_BFLOAT16 + gamma(INNER, 2 * U32)
    return judged(product, left.float(), right.float(), bound, "sums of 14 bits, in float32 every 128 terms; result in bfloat16")


def scaled(bench: Bench, left: Any, right: Any, scale: Any) -> Any:  # noqa: ANN401 - tensors
    """The product of left and right.T; torch before 2.5 gives the largest value along with it."""
    torch = bench.torch
    try:
        product = torch._scaled_mm(left, right.T, scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16)  # noqa: SLF001
    except (RuntimeError, NotImplementedError) as error:
        if not bench.on_gpu:
            raise Skip(f"torch {torch.__version__} has no float8 product on this CPU: {error}") from error
        raise
    return product[0] if isinstance(product, tuple) else product


def float4(bench: Bench) -> Measured:
    """e2m1 in blocks of 16 with scales in e4m3 (NVFP4), all of them 1, so that their order in memory does not matter."""
    torch = bench.torch
    if not bench.on_gpu:
        raise Skip("no CPU has a float4 product in torch")
    if bench.capability < FP4_FROM:
        raise Skip("tensor cores take float4 from compute capability 10.0 (Blackwell) on")
    if not hasattr(torch, "float4_e2m1fn_x2"):
        raise Skip(f"torch {torch.__version__} has no float4; from 2.8 on it does")
    generator = torch.Generator().manual_seed(SEED)
    rows = ROWS["gpu"]
    codes = [torch.randint(0, 16, (rows, INNER), generator=generator) for _ in range(2)]
    table = torch.tensor([*FP4_VALUES, *(-one for one in FP4_VALUES)])
    left, right = (table[one] for one in codes)
    packed = [(one[:, ::2] | one[:, 1::2] << 4).to(torch.uint8).to(bench.device).view(torch.float4_e2m1fn_x2) for one in codes]
    scale = torch.ones(rows * INNER // 16, device=bench.device).to(torch.float8_e4m3fn)
    product = scaled(bench, packed[0], packed[1], scale)
    bound = U_BFLOAT16 + gamma(INNER, 2 * U32)
    return judged(product, left, right, bound, "blocks of 16 with scales of 1; sums are exact, result in bfloat16")
