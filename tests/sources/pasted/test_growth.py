"""Hostile texts cost time in proportion to their length, in every reader."""

from __future__ import annotations

import time

import pytest

from envdoctor.sources import pasted
from envdoctor.sources.pasted.text import cleaned

UNITS = [
    "x", "PyTorch version: 2.6.0 torch==2.5.1 CUDA: ", "\n", "```\n> ```python\n~~~\n<details>\n", "torch==2.6.0\nnumpy 1.2.3\n", ":" * 5000 + "\n",
    " " * 5000 + "x\n", "a==" * 2000 + "\n", "requires torch==2, but you have " * 100 + "\n", "NVIDIA RTX A100 " * 300 + "\n", "| 0  NVIDIA A  | " * 300 + "\n",
    "sm_80 compute_90 " * 400 + "\n", "a. " * 2500 + "\n", "lib.so.1 => /a " * 400 + "\n", "torch version " + "." * 7000 + "\n", "-" * 7000 + "\n",
    "(" * 3000 + ")" * 3000 + "\n", "|" * 6000 + "\n", "\x1b[" * 3000 + "\n", "&" * 3000 + ";" * 3000 + "\n", "<b " * 2500 + "\n", '"name": "a", ' * 500 + "\n",
    ">>> print(torch.__version__)\n" + "[" * 1900 + "\n", "GPU 0," + "1," * 3000 + ": x\n", "_" * 6000 + "=1\n", "a-" * 3000 + "1.whl\n", "WSL OS: " * 700 + "\n",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=range(len(UNITS)))
def test_time_is_linear(unit: str) -> None:
    took = []
    for size in (150_000, 600_000):
        document = (unit * (size // len(unit) + 1))[:size].encode()
        began = time.process_time()
        for _ in pasted.observed(cleaned(document)):
            pass
        took.append(time.process_time() - began)
    assert took[1] < 2.0
    assert took[1] < 10 * max(took[0], 0.05), took
