"""Whose a symbol is that the loader did not find: torch's, a CUDA library's, Python's, or the project's own. Pure.

Names are read as the Itanium C++ ABI writes them (https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling), as far as needed:
the qualified name of what was looked for, and which std::string its parameters have. Symbols come from strangers and may be cut
off anywhere; one walk from left to right reads them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_SYMBOL = 2000
TORCH, NCCL, CUDNN, NVJITLINK, CUDART, CUDA, DRIVER, NVML, PYTHON, STDCXX, OWN, OTHER = (
    "torch", "nccl", "cudnn", "nvjitlink", "cudart", "cuda", "driver", "nvml", "python", "libstdc++", "own", "other",
)  # fmt: skip
_C_NAMES = (
    # the C side of torch: its stable ABI, its Python objects, and the THC of before 1.11
    (re.compile(r"^(?:aoti_torch_|torch_|THP|THC|TH[A-Z]|c10_|at_)"), TORCH),
    (re.compile(r"^p?nccl[A-Z]"), NCCL),
    (re.compile(r"^cudnn[A-Z]"), CUDNN),
    (re.compile(r"^_{0,2}nvJitLink"), NVJITLINK),
    (re.compile(r"^(?:cuda[A-Z]|__cuda[A-Z])"), CUDART),
    (re.compile(r"^(?:cublas|cublasLt|cusparse|cusparseLt|cusolver|cufft|curand|nvrtc|nvtx|npp|cupti)[A-Z_]"), CUDA),
    (re.compile(r"^nvml[A-Z]"), NVML),
    (re.compile(r"^cu[A-Z]"), DRIVER),
    (re.compile(r"^_?Py[A-Z_]"), PYTHON),
    (re.compile(r"^(?:__cxa_|__gxx_|_Unwind_)"), STDCXX),
)
"""Beginning of a C name -> whose it is; the first that fits."""
_NAMESPACES = {
    **dict.fromkeys(("c10", "at", "torch", "caffe2", "c10d", "c10_cuda", "executorch"), TORCH),
    **dict.fromkeys(("std", "__gnu_cxx", "__cxxabiv1"), STDCXX),
    "cudnn": CUDNN,
    **dict.fromkeys(
        ("google", "absl", "fmt", "gloo", "tensorpipe", "grpc", "nvinfer1", "pybind11", "cv", "arrow", "boost"), OTHER
    ),
}
"""Outermost namespace -> whose it is; a name in none of them is the project's own."""
_SHORT = {
    "a": "std::allocator",
    "b": "std::basic_string",
    "s": "std::string",
    "i": "std::istream",
    "o": "std::ostream",
    "d": "std::iostream",
}
_SPECIAL = re.compile(r"_Z(?:T[VTIS]|GV|GR|Th[\dn]\d{0,8}_|Tv[\dn]\d{0,8}_[\dn]\d{0,8}_)?")
_DEMANGLED = re.compile(r"^(?:typeinfo (?:name )?for |vtable for )?([A-Za-z_]\w{0,80})(?:::|\(|$)")


class Symbol(NamedTuple):
    """What the name of a symbol tells."""

    name: str
    """Its qualified name without parameters: "c10::cuda::SetDevice"; the symbol itself where it is a C name."""
    side: str
    """Whose it is: TORCH, NCCL, ..., OWN for one of the project that looks for it."""
    strings: str
    """"old" or "new": which std::string stands in its parameters (before C++11 or since); "" for none."""


def read(symbol: str) -> Symbol:
    """What a symbol's name tells.

    Args:
        symbol: as the loader printed it, mangled or not, perhaps cut off.
    """
    symbol = symbol.strip()[:MAX_SYMBOL]
    start = _SPECIAL.match(symbol)
    if start is None:
        return _unmangled(symbol)
    components, end = _name(symbol, start.end())
    root = components[0] if components else ""
    side = _NAMESPACES.get(root, OWN if root else OTHER)
    return Symbol("::".join(components) or symbol, side, _strings(symbol, end))


def _unmangled(symbol: str) -> Symbol:
    if "::" in symbol or "(" in symbol:
        match = _DEMANGLED.match(symbol)
        root = match.group(1) if match is not None else ""
        strings = "new" if "__cxx11" in symbol else "old" if "std::string" in symbol or "std::basic_string" in symbol else ""
        return Symbol(symbol.partition("(")[0], _NAMESPACES.get(root, OWN if root else OTHER), strings)
    return Symbol(symbol, next((side for pattern, side in _C_NAMES if pattern.search(symbol)), OTHER), "")


def _name(symbol: str, at: int) -> tuple[list[str], int]:
    """Components of the name that begins at a place, and where it ends."""
    nested = symbol[at : at + 1] == "N"
    if nested:
        at = _behind(symbol, at + 1, "rVKRO")
    components: list[str] = []
    while at < len(symbol):
        at, more = _component(symbol, _behind(symbol, at, "L"), components, nested=nested)
        if not more:
            break
        if not nested and components[-1:] != ["std"]:
            return components, _skipped(symbol, at) if symbol[at : at + 1] == "I" else at
    return components, at + (nested and symbol[at : at + 1] == "E")


def _behind(symbol: str, at: int, letters: str) -> int:
    """The first place from ``at`` on with none of these letters: qualifiers, and the mark of internal linkage."""
    while symbol[at : at + 1] and symbol[at] in letters:
        at += 1
    return at


def _component(symbol: str, at: int, components: list[str], *, nested: bool) -> tuple[int, bool]:
    """Add the component that begins at a place: where it ends, and whether there was one, or a part of the last."""
    letter, follow = symbol[at : at + 1], symbol[at + 1 : at + 2]
    if letter.isdecimal():
        text, at = _identifier(symbol, at)
        components.append(text)
    elif letter == "S" and (follow == "t" or follow in _SHORT):
        components += ["std"] if follow == "t" else _SHORT[follow].split("::")
        at += 2
    elif letter == "I":
        at = _skipped(symbol, at)
    elif letter == "B":  # an ABI tag: B5cxx11
        _, at = _identifier(symbol, at + 1)
    elif nested and letter in {"C", "D"} and follow.isdecimal():
        components.append(("~" if letter == "D" else "") + (components[-1] if components else ""))
        at += 2
    elif nested and letter.islower():
        components.append("operator")
        at += 2
    else:
        return at, False
    return at, True


def _identifier(symbol: str, at: int) -> tuple[str, int]:
    """The ``<length><text>`` at a place, and where it ends."""
    end = at
    while end < len(symbol) and end - at < 4 and symbol[end].isdecimal():  # noqa: PLR2004 - digits of a length
        end += 1
    size = int(symbol[at:end] or "0")
    return symbol[end : end + size], min(end + max(size, 0), len(symbol)) if end > at else at + 1


def _skipped(symbol: str, at: int) -> int:
    """Where the arguments ``I...E`` that begin at a place end."""
    deep = 0
    for start, end, kind in _tokens(symbol, at):
        if kind in "INXJF":
            deep += 1
        elif kind == "E":
            deep -= 1
        if deep <= 0 and start >= at:
            return end
    return len(symbol)


def _tokens(symbol: str, at: int) -> list[tuple[int, int, str]]:
    """(start, end, kind) of what stands from a place on: kind is the letter, "#" for a name, "s" for the old std::string."""
    found: list[tuple[int, int, str]] = []
    while at < len(symbol):
        start, letter = at, symbol[at]
        kind = letter
        if letter.isdecimal():
            text, at = _identifier(symbol, at)
            kind = "@" if text == "__cxx11" else "#"
        elif letter == "S":
            follow = symbol[at + 1 : at + 2]
            if follow in _SHORT or follow == "t":
                at += 2
                kind = "s" if follow == "s" else "#"
            else:
                at = _reference(symbol, at)
                kind = "#"
        elif letter == "T":
            at = _reference(symbol, at)
            kind = "#"
        elif letter == "L":
            end = symbol.find("E", at + 1)
            at = end + 1 if end >= 0 else len(symbol)
            kind = "#"
        elif letter == "D" and symbol[at + 1 : at + 2] in {"T", "t"}:
            at += 2
            kind = "X"  # decltype: closed by E
        elif letter == "D":
            at += 2
            kind = "#"
        else:
            at += 1
        found.append((start, at, kind))
    return found


def _reference(symbol: str, at: int) -> int:
    """Where ``S12_`` or ``T0_`` ends."""
    end = at + 1
    while end < len(symbol) and end - at < 6 and (symbol[end].isdecimal() or symbol[end].isupper()):  # noqa: PLR2004 - digits
        end += 1
    return end + 1 if symbol[end : end + 1] == "_" else at + 1


def _strings(symbol: str, at: int) -> str:
    """Which std::string the parameters from a place on have."""
    kinds = {kind for _, _, kind in _tokens(symbol, at)}
    return "new" if "@" in kinds or "B5cxx11" in symbol else "old" if "s" in kinds else ""
