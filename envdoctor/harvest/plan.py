"""What a refresh reads: the packages of the stack, from which release on."""

from __future__ import annotations

from typing import NamedTuple

from packaging.version import Version


class Reading(NamedTuple):
    """One package."""

    package: str
    since: str
    """The oldest release that is read; what is older runs with no stack in the table."""

    def wants(self, version: Version) -> bool:
        """Whether that release is read."""
        return version >= Version(self.since)


READINGS = (
    Reading("vllm", "0.5.2"),
    Reading("torch", "2.0"),
    Reading("torchvision", "0.15"),  # of torch 2.0
    Reading("torchaudio", "2.0"),
    Reading("triton", "2.0"),
    Reading("xformers", "0.0.17"),  # the first for torch 2.0
    Reading("flashinfer-python", "0"),
    Reading("transformers", "4.40"),
    Reading("trl", "0.12"),
    Reading("verl", "0"),
    Reading("openrlhf", "0.6"),
    Reading("accelerate", "0"),
    Reading("peft", "0"),
    Reading("deepspeed", "0"),
    Reading("flash-attn", "0"),
    Reading("ray", "0"),
    Reading("numpy", "0"),
    Reading("compressed-tensors", "0"),
    Reading("xgrammar", "0"),  # vLLM pins it, and releases of it are gone from the index
    Reading("bitsandbytes", "0"),
    Reading("sglang", "0"),
    Reading("outlines", "0"),
    Reading("unsloth", "0"),
    Reading("unsloth-zoo", "0"),
    Reading("nvidia-nccl-cu11", "0"),
    Reading("nvidia-nccl-cu12", "0"),
    Reading("nvidia-nccl-cu13", "0"),
)
"""In the order in which they are read: what the table is made of first."""
PACKAGES = tuple(one.package for one in READINGS)
ENGINE = "vllm"
"""The engine whose releases trainers name."""
TRAINERS = ("trl", "verl", "openrlhf")
"""Whose code is read for the vLLM releases it accepts."""


class Named(NamedTuple):
    """A package whose Python files are read: for the names that it has, and for those that it takes of others."""

    package: str
    exports: bool
    takes: bool

    @property
    def imported_as(self) -> str:
        """Its import name; all of these packages are named for it."""
        return self.package.replace("-", "_")


NAMED = (
    Named("unsloth", exports=False, takes=True),
    Named("unsloth-zoo", exports=False, takes=True),
    Named("verl", exports=False, takes=True),
    Named("openrlhf", exports=False, takes=True),
    Named("trl", exports=True, takes=True),
    Named("vllm", exports=True, takes=True),
    Named("peft", exports=True, takes=True),
    Named("compressed-tensors", exports=True, takes=True),
    Named("transformers", exports=True, takes=False),
    Named("accelerate", exports=True, takes=False),
    Named("xgrammar", exports=True, takes=False),
    Named("outlines", exports=True, takes=False),
)
"""Those that import stand before what they import: of a class is asked what they patch, of a function what they pass by keyword.
torch is not among them, since compiled code makes most of its names."""
EXPORTED = tuple(one.imported_as for one in NAMED if one.exports)
"""Import names of the packages whose names are known."""
