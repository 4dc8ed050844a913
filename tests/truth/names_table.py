"""The environments in which the truth about names is taken: what is installed, whose imports are judged, against whom.

One environment holds one release of each exporter, with the dependencies of its day (nothing newer than ``date``) and a CPU
build of torch; the importers' sources lie beside it. Every importer is judged against every exporter that is installed, so
an environment gives several pairs. Many of the combinations are broken, on purpose: that is what recall is measured with.
"""

from __future__ import annotations

from dataclasses import dataclass

EXPORTERS = ("vllm", "transformers", "accelerate", "peft")
TORCH = "torch==2.13.0"
UNDATED = ("torch", "triton", "setuptools", "sympy", "pyairports")
"""Taken from today, whatever the date: one torch for all environments, and what it needs to be installed."""
LEFT_OUT = (
    *("torchvision", "torchaudio", "xformers", "vllm-flash-attn", "flashinfer-python", "deepspeed"),
    *("cupy-cuda12x", "cupy-cuda13x"),
)
"""Requirements that need the CUDA build of torch, or a compiler; no name is judged against them."""
USUAL = ("triton", "accelerate", "peft", "datasets", "rich", "hydra-core", "codetiming", "tensordict", "pandas", "wandb", "dill")
"""What importers and exporters import from third packages without asking for it, so that few stand-ins are needed."""


PRELOADED = (
    *("torch", "datasets", "transformers", "transformers.modeling_utils", "transformers.trainer", "accelerate", "peft"),
    *("vllm", "vllm.config", "vllm.distributed.parallel_state", "vllm.model_executor.models.utils", "vllm.entrypoints.llm"),
)
"""Imported once before the children are forked, so that not each of them spends its time on it; what fails is let be."""


@dataclass(frozen=True)
class Environment:
    """One row."""

    date: str
    installed: tuple[str, ...]
    importers: tuple[str, ...]
    """Pins. One that is also in ``installed`` is judged where it is installed."""

    @property
    def name(self) -> str:
        """What to call it, and its files."""
        return "+".join(one.replace("==", "-") for one in self.installed)


VLLM = (
    Environment(
        "2024-09-10", ("vllm==0.5.5",), ("trl==0.14.0", "trl==0.19.1", "verl==0.2", "openrlhf==0.4.6", "openrlhf==0.6.4")
    ),
    Environment(
        "2024-11-10", ("vllm==0.6.3.post1",), ("trl==0.16.1", "trl==0.25.1", "verl==0.2", "verl==0.4.1", "openrlhf==0.5.9.post1")
    ),
    Environment(
        "2025-01-20", ("vllm==0.6.6.post1",), ("trl==0.14.0", "trl==0.23.1", "verl==0.2", "verl==0.6.1", "openrlhf==0.7.4")
    ),
    Environment(
        "2025-03-15", ("vllm==0.7.3",), ("trl==0.16.1", "trl==0.29.1", "verl==0.4.1", "openrlhf==0.5.9.post1", "openrlhf==0.8.11")
    ),
    Environment(
        "2025-05-20", ("vllm==0.8.5.post1",), ("trl==0.14.0", "trl==0.19.1", "verl==0.4.1", "verl==0.8.0", "openrlhf==0.7.4")
    ),
    Environment("2025-07-20", ("vllm==0.9.2",), ("trl==0.19.1", "trl==1.6.0", "verl==0.2", "verl==0.6.1", "openrlhf==0.8.11")),
    Environment("2025-09-25", ("vllm==0.10.2",), ("trl==0.16.1", "trl==0.23.1", "verl==0.4.1", "verl==0.8.0", "openrlhf==0.6.4")),
    Environment(
        "2025-10-20", ("vllm==0.11.0",), ("trl==0.14.0", "trl==0.25.1", "verl==0.6.1", "openrlhf==0.4.6", "openrlhf==0.9.10")
    ),
    Environment("2025-12-20", ("vllm==0.12.0",), ("trl==0.19.1", "trl==0.25.1", "trl==1.16.0", "verl==0.6.1", "verl==0.9.1")),
    Environment(
        "2026-02-20", ("vllm==0.15.1",), ("trl==0.23.1", "trl==0.29.1", "verl==0.4.1", "verl==0.8.0", "openrlhf==0.9.10")
    ),
    Environment("2026-05-05", ("vllm==0.19.1",), ("trl==0.16.1", "trl==1.6.0", "verl==0.6.1", "verl==0.9.1", "openrlhf==0.8.11")),
    Environment(
        "2026-08-01",
        ("vllm==0.25.1",),
        ("trl==0.29.1", "trl==1.16.0", "verl==0.8.0", "openrlhf==0.5.9.post1", "openrlhf==0.11.2"),
    ),
    Environment("2026-11-20", ("vllm==0.33.0",), ("trl==0.25.1", "trl==1.16.0", "verl==0.2", "verl==0.9.1", "openrlhf==0.11.2")),
)
TRANSFORMERS = (
    Environment("2024-05-20", ("transformers==4.40.2",), ("trl==0.9.6", "trl==0.16.1", "openrlhf==0.4.6", "peft==0.17.1")),
    Environment("2025-02-20", ("transformers==4.48.3",), ("trl==0.14.0", "trl==1.6.0", "verl==0.6.1", "peft==0.21.2")),
    Environment("2026-01-20", ("transformers==4.57.6",), ("trl==0.23.1", "trl==1.16.0", "verl==0.6.1", "peft==0.14.0")),
    Environment(
        "2026-02-10", ("transformers==5.0.0",), ("trl==0.9.6", "trl==0.25.1", "verl==0.4.1", "peft==0.14.0", "peft==0.17.1")
    ),
    Environment(
        "2026-06-05", ("transformers==5.8.1",), ("trl==0.12.2", "trl==0.19.1", "verl==0.2", "openrlhf==0.7.4", "peft==0.11.1")
    ),
    Environment(
        "2026-11-22", ("transformers==5.24.0",), ("trl==0.14.0", "trl==1.16.0", "verl==0.8.0", "openrlhf==0.11.2", "peft==0.17.1")
    ),
)
MODELS = (
    Environment("2025-12-20", ("vllm==0.7.3", "transformers==4.57.1"), ("vllm==0.7.3",)),
    Environment("2025-10-10", ("vllm==0.8.5.post1", "transformers==4.56.2"), ("vllm==0.8.5.post1",)),
    Environment("2026-02-10", ("vllm==0.9.2", "transformers==5.0.0"), ("vllm==0.9.2",)),
    Environment("2025-10-20", ("vllm==0.11.0", "transformers==4.53.3"), ("vllm==0.11.0",)),
    Environment("2026-06-05", ("vllm==0.12.0", "transformers==5.8.1"), ("vllm==0.12.0",)),
    Environment("2026-11-20", ("vllm==0.25.1", "transformers==4.57.6"), ("vllm==0.25.1",)),
)
ENVIRONMENTS = (*VLLM, *TRANSFORMERS, *MODELS)
REASONS: dict[tuple[str, str], str] = {}
"""{(module, name): why prediction and truth differ}, found by reading; for the page."""
NOTES = """\
Found by this table and mended: `LazyLoader("name", globals(), ...)` made a whole module undecidable, so that 11 units (`EngineConfig` and
`VisionLanguageConfig` of `vllm.config` 0.9.2) were not foretold when 11 environments had been measured (566 of 577). The other 14 environments
were compared only after that, and changed nothing. Two faults were the measurement's own: a star import was not taken for a death, and another
release of peft that was already loaded stood for the one under test. The compiled part of vllm 0.5.5 does not load with the torch of these
environments: that is most of what is not judged.
"""
"""What a reader of the page has to know beside the numbers."""
