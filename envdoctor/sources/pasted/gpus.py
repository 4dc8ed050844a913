"""Compute capability of a GPU by the name that people give it, and what a CUDA compiler can make code for. Pure; the data knows both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from envdoctor.views import parsed

if TYPE_CHECKING:
    from envdoctor.matrix import Matrix

WORDS = re.compile(r"[a-z]+\d+[a-z]*|\d+[a-z]*|[a-z]+")
GLUED = re.compile(r"(?<=rtx|gtx)(?=a?\d)|(?<=titan)(?=x)|(?<=\d)(?=ti\b|super\b)")


def capability(name: str, matrix: Matrix) -> str | None:
    """The compute capability, "9.0"; None where the name tells none, or could be that of two GPUs."""
    words = WORDS.findall(GLUED.sub(" ", name.lower()))
    said = f" {' '.join(words)} "
    # the longest name counts: an RTX 4000 Ada is no Quadro RTX 4000, an A10 no A100
    known = [(len(row.words), row.compute_capability) for row in matrix.gpu_names() if f" {row.words} " in said]
    known += [(len(row.key), row.compute_capability) for row in matrix.gpu_products() if row.key in words]
    return max(known)[1] if known else None


def compiled_for(cuda: str, matrix: Matrix) -> tuple[str, ...]:
    """All architectures that the compiler of a CUDA release can make code for, ("sm_50", "sm_52"); empty where nobody knows."""
    release = parsed(cuda)
    if release is None:
        return ()
    return tuple(
        f"sm_{row.compute_capability.replace('.', '')}"
        for row in matrix.nvcc_architectures()
        if Version(row.since) <= release and (row.until is None or release <= Version(row.until))
    )
