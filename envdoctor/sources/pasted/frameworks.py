"""Reports and logs of frameworks that do not write fields: vLLM's log, Unsloth's banner, xformers, ds_report, verl, bitsandbytes. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.fields import CUDA
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.names import gpu_model, version_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

MAX_LINE_READ = 4000
VLLM = re.compile(
    r"(?:vLLM API server version|Initializing (?:an?|the) (?:V[01] )?LLM engine \(v?|[▀▄█] {1,4}version|vLLM version) ?v?(?P<version>\d{1,2}\.\d{1,3}\.\w[\w.+]{0,40})"
)
"""What vLLM logs of itself: "vLLM API server version 0.11.0", "Initializing a V1 LLM engine (v0.8.5) with config"."""
UNSLOTH = re.compile(r"Unsloth:? (?P<version>20\d\d\.\d{1,2}\.\d{1,3}(?:\.\w{1,8})?)[: ]")
UNSLOTH_OTHERS = re.compile(r"\b(?P<name>Transformers|vLLM|Triton|Xformers) ?[:=] (?P<version>\d[\w.+]{1,40})")
UNSLOTH_TORCH = re.compile(
    r"Torch: (?P<torch>\d[\w.+]{1,40}?)\. CUDA: (?P<sm>\d{1,2}\.\d)\. CUDA Toolkit: (?P<cuda>\d{1,2}\.\d)(?:\. Triton: (?P<triton>\d[\w.]{1,20}))?"
)
"""Of Unsloth's banner: its "CUDA" is the compute capability, its toolkit what torch was built with."""
UNSLOTH_GPU = re.compile(r"(?P<gpu>[A-Z][\w .-]{2,60}?)\. Num GPUs = (?P<count>\d{1,3})\.")
MOST_GPUS = 16
TORCH_LOADED = re.compile(r"\bTorch (?P<version>\d\.\d{1,2}\.\d{1,2}(?:\+\w{1,20})?)")
YOU_HAVE = re.compile(r"(?:^|\s)PyTorch (?P<built>\d\S{2,40}) with CUDA \S{1,10} \(you have (?P<torch>\d[^\s()]{2,40})\)")
NVCC = re.compile(r"Cuda compilation tools, release (?P<version>\d{1,2}\.\d)")
DEEPSPEED = re.compile(r"^\s{0,4}deepspeed info ?\.{2,40} (?P<version>\d[\w.+]{1,40}),")
BITSANDBYTES = re.compile(r"^=+ ?bitsandbytes v(?P<version>\d[\w.+]{1,40}) ?=+$")
BNB_CAPABILITY = re.compile(
    r"Highest [Cc]ompute [Cc]apability(?: among GPUs detected)?: \(?(?P<major>\d{1,2})(?:, ?|\.)(?P<minor>\d)"
)
VERL_SECTION = re.compile(r"^-{6,20} ?(?P<name>[A-Za-z ]{2,30}?) ?-{3,20}$")
DEVICE_QUERY = re.compile(r"CUDA Driver Version / Runtime Version\s{1,20}(?P<version>\d{1,2}\.\d) /")


def frameworks(lines: Sequence[Line]) -> Iterator[Seen]:
    """All of it."""
    section = ""
    for line in lines:
        text = line.text[:MAX_LINE_READ]
        match = VLLM.search(text) if "ersion" in text or "LLM engine" in text else None
        if match is not None:
            yield Seen(Kind.PACKAGE, "vllm", match["version"].rstrip(".,)"), line.number, "a log")
        if "nsloth" in text or "Torch: " in text or "Num GPUs" in text:
            yield from _unsloth(text, line)
        yield from _lines(text, line)
        match = VERL_SECTION.match(text) if text.startswith("------") else None
        if match is not None:
            section = match["name"].strip().lower()
        elif section:
            yield from _verl(section, text, line)


def _unsloth(text: str, line: Line) -> Iterator[Seen]:
    match = UNSLOTH.search(text)
    if match is not None:
        yield Seen(Kind.PACKAGE, "unsloth", match["version"], line.number, "a log")
        for other in UNSLOTH_OTHERS.finditer(text):
            yield Seen(Kind.PACKAGE, other["name"].lower(), other["version"].rstrip("."), line.number, "a log")
    match = UNSLOTH_TORCH.search(text)
    if match is not None:
        yield Seen(Kind.TORCH, "", match["torch"], line.number, "a log")
        yield Seen(Kind.TORCH_CUDA, "", match["cuda"], line.number, "a log")
        yield Seen(Kind.CAPABILITY, "0", match["sm"], line.number, "a log")
        if match["triton"]:
            yield Seen(Kind.PACKAGE, "triton", match["triton"].rstrip("."), line.number, "a log")
    match = UNSLOTH_GPU.search(text)
    name = gpu_model(match["gpu"]) if match is not None else None
    for number in range(min(int(match["count"]), MOST_GPUS)) if match is not None and name is not None else ():
        yield Seen(Kind.GPU, str(number), str(name), line.number, "a log")


def _lines(text: str, line: Line) -> Iterator[Seen]:
    match = YOU_HAVE.search(text) if "(you have" in text else None
    if match is not None:
        yield Seen(Kind.TORCH, "", match["torch"], line.number, "xformers' warning")
    match = TORCH_LOADED.search(text) if "Torch " in text and "PyTorch" not in text else None
    if match is not None:
        yield Seen(Kind.TORCH, "", match["version"], line.number, "a log")
    match = NVCC.search(text) if "compilation tools" in text else None
    if match is not None:
        yield Seen(Kind.NVCC, "", match["version"], line.number, "nvcc")
    match = DEEPSPEED.match(text) if "deepspeed info" in text else None
    if match is not None:
        yield Seen(Kind.PACKAGE, "deepspeed", match["version"], line.number, "fields")
    match = BITSANDBYTES.match(text) if "bitsandbytes v" in text else None
    if match is not None:
        yield Seen(Kind.PACKAGE, "bitsandbytes", match["version"], line.number, "fields")
    match = BNB_CAPABILITY.search(text) if "ompute " in text else None
    if match is not None:
        yield Seen(Kind.CAPABILITY, "highest", f"{match['major']}.{match['minor']}", line.number, "a log")
    match = DEVICE_QUERY.search(text) if "CUDA Driver Version" in text else None
    if match is not None:
        yield Seen(Kind.CUDA_API, "", match["version"], line.number, "fields")


def _verl(section: str, text: str, line: Line) -> Iterator[Seen]:
    """A field of verl's scripts/diagnose.py whose key says little without its section."""
    key, mark, value = (part.strip() for part in text.partition(":"))
    version = version_in(value) if mark else None
    if version is None:
        return
    if key == "Version" and section == "verl info":
        yield Seen(Kind.PACKAGE, "verl", version, line.number, "fields")
    elif key == "Version" and section == "python info":
        yield Seen(Kind.PYTHON, "", version, line.number, "fields")
    elif key == "CUDA Runtime" and (match := CUDA.search(value)) is not None:
        yield Seen(Kind.TORCH_CUDA, "", match["version"], line.number, "fields")
