"""The torch build no longer has code for this GPU, which is older than the build.

## What it checks
The same comparison as ED107, for GPUs older than every architecture torch was compiled for: CUDA 13 builds start at
compute capability 7.5 and leave out V100 (7.0) and P100 (6.0).

## Why it breaks
"PyTorch no longer supports this GPU because it is too old", then "CUDA error: no kernel image is available for
execution on the device" at the first kernel.

## What to do
Install the newest torch release that still has code for the GPU, or torch's CUDA 12.6 build, which keeps the older
architectures. Newer releases of vLLM leave those GPUs behind as well.

## Sources
- https://github.com/pytorch/pytorch/issues/157517
- https://github.com/pytorch/pytorch/issues/172352
- https://github.com/vllm-project/vllm/issues/19185
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.architectures import Reach, coverage
from envdoctor.findings import Finding, Joint, Layer, Severity, Source
from envdoctor.rules.ed107_gpu_arch_missing import WHY, changes, engine_changes, evidence, fitting, sources, title, usable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED108"
CAUSE = "arch-not-in-torch-build"
JOINT = Joint.TORCH
QUESTION = "Does this torch still support the GPU?"
EXPLAINED_BY = ()

SOURCE = Source("https://github.com/pytorch/pytorch/issues/172352", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:
    """One finding for each compute capability that is older than the build."""
    groups = coverage(facts)
    others = usable(groups)
    for group in groups:
        if group.reach is Reach.TOO_OLD:
            newest = next(reversed(fitting(facts, matrix, group.capability)), None)
            yield Finding(
                code=CODE,
                title=title(facts, group),
                severity=Severity.WARNING if others else Severity.ERROR,
                layer=Layer.LINKED,
                cause=CAUSE,
                subjects=("torch", "__gpu"),
                why=f'"PyTorch no longer supports this GPU because it is too old"; then {WHY}{others}',
                evidence=evidence(facts, group),
                sources=(SOURCE, *sources(newest)),
                changes=(
                    *changes(newest, group.capability),
                    *engine_changes(facts, matrix, group.capability, older=True),
                ),
            )
