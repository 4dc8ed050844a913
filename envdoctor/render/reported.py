"""What a page says of a pasted report besides its diagnoses: the error that names no cause, and what would make it sure. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envdoctor.facts import Known
from envdoctor.quoting import untold
from envdoctor.signatures import WRAPPER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts

HELPFUL = "envdoctor facts --format issue"
"""What prints all that a report should hold."""
BESIDE = "Also wrong, but not what failed in the report:"
DRIVER, GPU, TORCH, PACKAGES, VARIABLES = "driver", "gpu", "torch", "packages", "variables"
ASKS = {
    DRIVER: "the version of the NVIDIA driver (the head of nvidia-smi)",
    GPU: "which GPU it is (nvidia-smi -L)",
    TORCH: "the version and build of torch (python -c 'import torch; print(torch.__version__)', or pip show torch)",
    PACKAGES: "the list of installed packages (pip list)",
    VARIABLES: "the value of LD_LIBRARY_PATH",
}
NEEDED = {
    **dict.fromkeys(("driver-too-old-for-cuda", "ptx-newer-than-driver", "cuda-compat-conflict"), (DRIVER, TORCH)),
    **dict.fromkeys(("fabric-manager", "container-driver-requirement"), (DRIVER,)),
    **dict.fromkeys(("arch-not-in-torch-build", "gpu-arch-unsupported-by-kernel", "ptxas-too-old"), (GPU, TORCH)),
    **dict.fromkeys(("ld-library-path-shadow", "cudnn-shadow", "nccl-version-mismatch"), (VARIABLES, PACKAGES)),
    **dict.fromkeys(("no-gpu-host", "wsl-libcuda", "libcuda-not-found", "container-toolkit-missing"), (DRIVER,)),
    **dict.fromkeys(
        (
            "flash-attn-abi", "kernel-ext-torch-abi", "torch-vllm-pin-mismatch", "xformers-torch-mismatch",
            "torchvision-torch-mismatch", "cuda-major-mismatch", "mixed-cuda-majors", "torch-cpu-build", "bitsandbytes-cuda",
        ),
        (TORCH, PACKAGES),
    ),
}  # fmt: skip
"""Cause -> what a report should say to be sure of it and of what mends it; of the others the list of packages."""


class KnownError(NamedTuple):
    """An error of a report that is known and names no cause."""

    leads: bool
    """It is what failed, and no fault of the environment; others come after what the facts say."""
    head: str
    title: str
    line: int
    quote: str
    why: str
    says: str


def known_error(facts: Facts) -> KnownError | None:
    """The error that ended the run, where it is known and is no fault of the environment, or has several causes."""
    found = untold(facts)
    if found is None:
        return None
    one = found.text
    if found.elsewhere:
        head = "What failed is known, and no fault of the environment"
    elif one.signature.depth == WRAPPER:
        head = "What is shown says only that something failed before it"
    else:
        head = "What failed is known, and does not say which of its causes it has"
    return KnownError(found.elsewhere, head, one.title, one.number, one.line, one.why, one.says)


def missing(facts: Facts, cause: str | None) -> tuple[str, ...]:
    """What a report does not say that would help to be sure of a cause (None: of any)."""
    if cause is None:
        return tuple(ASKS[one] for one in (DRIVER, TORCH, PACKAGES) if one in set(_unsaid(facts)))
    lacking = set(_unsaid(facts))
    return tuple(ASKS[one] for one in NEEDED.get(cause, (PACKAGES,)) if one in lacking)


def _unsaid(facts: Facts) -> Iterator[str]:
    if not any(isinstance(one, Known) for one in (facts.driver.kernel_module, facts.driver.smi)):
        yield DRIVER
    if not isinstance(facts.gpus.devices, Known):
        yield GPU
    if not isinstance(facts.builds.torch, Known):
        yield TORCH
    if not isinstance(facts.packages.distributions, Known):
        yield PACKAGES
    if not isinstance(facts.environ, Known):
        yield VARIABLES
