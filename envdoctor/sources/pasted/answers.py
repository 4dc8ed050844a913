"""What Python printed when it was asked, at its prompt or by python -c: answers stand below, in the order of the questions. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envdoctor.sources.pasted.fields import ARCH, CUDA
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.names import gpu_model
from envdoctor.views import parsed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

ASKED: dict[str, Kind | None] = {
    "torch.__version__": Kind.TORCH, "torch.version.__version__": Kind.TORCH, "torch.version.cuda": Kind.TORCH_CUDA, "torch.version.hip": Kind.TORCH_HIP,
    "torch.cuda.is_available()": Kind.CUDA_AVAILABLE, "torch.cuda.get_arch_list()": Kind.ARCHS, "torch._C._GLIBCXX_USE_CXX11_ABI": Kind.CXX11_ABI,
    "torch.compiled_with_cxx11_abi()": Kind.CXX11_ABI, "torch.cuda.get_device_name": Kind.GPU, "torch.cuda.get_device_capability": Kind.CAPABILITY,
    "vllm.__version__": Kind.PACKAGE, "transformers.__version__": Kind.PACKAGE, "trl.__version__": Kind.PACKAGE, "flash_attn.__version__": Kind.PACKAGE,
    "torchvision.__version__": Kind.PACKAGE, "xformers.__version__": Kind.PACKAGE, "numpy.__version__": Kind.PACKAGE,
    "torch.cuda.device_count()": None, "torch.backends.cudnn.version()": None, "torch.cuda.nccl.version()": None,
}  # fmt: skip
"""Expressions that people print -> what the answer is; None: an answer that says nothing here, but takes its place."""
QUESTION = re.compile("|".join(re.escape(one) for one in sorted(ASKED, key=len, reverse=True)))
AT_PROMPT = re.compile(r"^(?:>>> |In \[\d{1,4}\]: |.{0,200}\bpython[\d.]{0,5}(?:\.exe)? .{0,80}-c\b|print\()")
"""A question that is asked, not a line of a program in a traceback."""
ANSWERED = 6
"""Lines after a question in which its answer stands."""
TOKEN = re.compile(r"\[[^\]]{0,600}\]|\([^)]{0,80}\)|'[^']{0,80}'|[^\s,]{1,80}")
LIST = re.compile(r"^\s{0,8}\[(?:'(?:sm|compute)_\d{2,3}[af]?'(?:, )?){1,30}\]\s{0,8}$")
OUT = re.compile(r"^(?:Out\[\d{1,4}\]: )?")
MAX_LINE_READ = 2000


def answers(lines: Sequence[Line]) -> Iterator[Seen]:
    """All of them, and lists of architectures that stand alone."""
    waiting: list[str] = []
    since = 0
    for line in lines:
        text = line.text
        if len(text) > MAX_LINE_READ:
            continue
        if "_" in text and LIST.match(text):
            yield Seen(Kind.ARCHS, "", " ".join(ARCH.findall(text)), line.number, "python")
        asked = QUESTION.findall(text) if ("torch." in text or "__version__" in text) and AT_PROMPT.match(text) else []
        if asked:
            waiting, since = asked, line.number
        elif waiting and line.number - since <= ANSWERED and not text.startswith(">>>"):
            waiting = yield from _answered(waiting, text, line)
        elif not text.startswith(">>>"):
            waiting = []


def _answered(waiting: list[str], text: str, line: Line) -> Generator[Seen, None, list[str]]:
    """What one line answers; the questions that still wait."""
    bare = OUT.sub("", text.strip())
    for token in TOKEN.findall(bare):
        if not waiting:
            break
        name, *waiting = waiting
        kind = ASKED[name]
        if kind is None:
            continue
        value = _value(kind, token.strip("'\""), bare)
        if value is None:
            return []
        subject = name.partition(".")[0].replace("_", "-") if kind is Kind.PACKAGE else "0" if kind in OF_A_GPU else ""
        yield Seen(kind, subject, value, line.number, "python")
        if kind is Kind.GPU:
            break
    return waiting


OF_A_GPU = frozenset({Kind.GPU, Kind.CAPABILITY})


def _value(kind: Kind, token: str, text: str) -> str | None:
    """The value of an answer; None where it can be none."""
    if kind in {Kind.TORCH, Kind.PACKAGE}:
        return token if "." in token and parsed(token) is not None else None
    if kind is Kind.TORCH_CUDA:
        match = CUDA.fullmatch(token)
        return match["version"] if match is not None else {"None": ""}.get(token)
    if kind is Kind.TORCH_HIP:
        return None
    if kind in {Kind.CUDA_AVAILABLE, Kind.CXX11_ABI}:
        return token if token in {"True", "False"} else None
    if kind is Kind.ARCHS:
        return " ".join(ARCH.findall(token)) if token.startswith("[") and token.endswith("]") else None
    if kind is Kind.GPU:
        return gpu_model(text)
    match = re.fullmatch(r"\((?P<major>\d{1,2}), (?P<minor>\d)\)", token)
    return None if match is None else f"{match['major']}.{match['minor']}"
