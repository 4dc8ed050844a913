"""flashinfer's companion packages are of another version than flashinfer.

## What it checks
Whether flashinfer-cubin (precompiled kernels) and flashinfer-jit-cache, where installed, have the same public version as
flashinfer-python. A local part ("+cu129") does not count. FLASHINFER_DISABLE_VERSION_CHECK, if set, is honoured.

## Why it breaks
flashinfer compares them when it is imported: "RuntimeError: flashinfer-cubin version (0.6.13) does not match flashinfer version
(0.7.0.post1)". vLLM pins flashinfer-python; since 0.26 it no longer pins flashinfer-cubin, so an old one stays behind an upgrade.

## What to do
Uninstall the companion: flashinfer then loads or compiles its kernels when they are first used. Or install the companion of
flashinfer's version, from flashinfer's own index where the default one has none.

## Sources
- https://github.com/vllm-project/vllm/issues/49804
- https://github.com/NVIDIA-NeMo/Export-Deploy/pull/679
- flashinfer/jit/env.py of the flashinfer-python 0.6.6 wheel
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known
from envdoctor.findings import Change, Evidence, Finding, Joint, Kind, Layer, Severity, Source
from envdoctor.pins import said
from envdoctor.views import distributions, metadata_path, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix

CODE = "ED403"
CAUSE = "flashinfer-mismatch"
JOINT = Joint.ENGINE
QUESTION = "Do flashinfer and its companions have one version?"
EXPLAINED_BY = ("ED201",)

COMPANIONS = ("flashinfer-cubin", "flashinfer-jit-cache")
SWITCH = "FLASHINFER_DISABLE_VERSION_CHECK"
SOURCE = Source("https://github.com/vllm-project/vllm/issues/49804", "2026-11-22")


def check(facts: Facts, matrix: Matrix) -> Iterator[Finding]:  # noqa: ARG001 - the shape of every rule
    """One finding for each companion that differs."""
    main = version_of(facts, "flashinfer-python")
    if main is None or (isinstance(facts.environ, Known) and facts.environ.value.get(SWITCH) == "1"):
        return
    present = distributions(facts)
    for name in COMPANIONS:
        version = version_of(facts, name)
        if version is None or version.public == main.public:
            continue
        one, flashinfer = present[name], present["flashinfer-python"]
        error = f"{name} version ({version}) does not match flashinfer version ({main})"
        yield Finding(
            code=CODE,
            title=f"{said(one)} does not belong to {said(flashinfer)}",
            severity=Severity.ERROR,
            layer=Layer.DECLARED,
            cause=CAUSE,
            subjects=(name, "flashinfer-python"),
            why=f'"RuntimeError: {error}" when flashinfer is imported.',
            evidence=(
                Evidence(f"installed {name}", one.version, metadata_path(one)),
                Evidence("installed flashinfer-python", flashinfer.version, metadata_path(flashinfer)),
            ),
            sources=(SOURCE,),
            changes=(
                Change(
                    kind=Kind.UNINSTALL,
                    says=f"Uninstall {name}: flashinfer then loads or compiles its kernels when they are first used.",
                    remove=(name,),
                ),
            ),
        )
