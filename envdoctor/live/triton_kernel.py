"""One kernel of Triton's; imported only where Triton is (it reads this file's text, so it cannot stand in a function)."""

import triton
import triton.language as tl

BLOCK = 256


@triton.jit
def kernel(x_ptr, out_ptr, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, N803 - Triton's way of writing
    """Write 2 x + 1."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=inside) * 2 + 1, mask=inside)
