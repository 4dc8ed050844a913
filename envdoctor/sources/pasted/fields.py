"""Fields of the form "Key: value", as environment reports and people write them. Pure.

They are collect_env of torch and vLLM in all ages, the bullets of trl, transformers, accelerate and LLaMA-Factory, sglang's and
flashinfer's reports, rows of Markdown tables, forms of issue trackers, and what people type by hand, in English or Chinese. They
differ in case, padding, marks around the key and in words; so the key is brought to one form and looked up in ``keys``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.probe.environ import allowed
from envdoctor.probe.environ import cleaned as without_secrets
from envdoctor.sources.pasted.found import Kind, Seen
from envdoctor.sources.pasted.keys import CUDA_OF_TORCH, EXACT, NOTHING, SAID_CUDA
from envdoctor.sources.pasted.names import KNOWN, gpu_model, version_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envdoctor.sources.pasted.text import Line

FIELD = re.compile(
    r"^(?P<before>[\s>*#|•·✓✔✗x+-]{0,16})(?:\[[ xX]\] ?)?(?:\d{1,2}[.、)] ?)?[`*_\"']{0,4}"
    r"(?P<key>[A-Za-z\u4e00-\u9fff][A-Za-z0-9 ,./()_?+'&\u4e00-\u9fff-]{0,78}?)[`*_\"']{0,4}\s{0,60}"
    r"(?P<mark>:(?![:/])|：|=(?!=)|->)[`*_\"' \t]{0,60}(?P<value>\S.{0,2000})?$"
)
CELLS = re.compile(
    r"^\|\s{0,40}(?P<key>[^|:]{1,60}?)\s{0,40}\|\s{0,40}(?P<value>[^|]{1,200}?)\s{0,40}\|(?:[^|]{0,200}\|)?\s{0,8}$"
)
"""A row of a Markdown table with two or three columns."""
LEADER = re.compile(r"^\s{0,4}(?P<key>[A-Za-z][A-Za-z /()_-]{1,40}[A-Za-z)]) ?\.{3,60} ?(?P<value>\S.{0,400})$")
"""A field with dots up to its value: ds_report's."""
EXAMPLE = re.compile(
    r"\s?\((?:e\.?g\.?|for example|例如|如|gpu|accelerator|cuda order|nvidia-smi order|env|if any|可选)(?![a-z(])[^)]{0,40}\)\??"
)
"""What forms and reports put behind a key."""
GPU_KEY = re.compile(r"gpu ?(?P<numbers>\d{1,3}(?:, ?\d{1,3}){0,31})(?: (?P<what>type|name|model|compute capability))?")
GPU_UNNAMED = re.compile(r"(?<![\d.])(?P<model>[1-5]0[5-9]0(?: ?Ti| ?SUPER| ?D)?)\b", re.IGNORECASE)
"""A consumer GPU by its number alone, in a field that is of GPUs: "4090 * 2"."""
DRIVER = re.compile(r"(?<![\d.])(?P<version>[3-9]\d\d\.\d{2,3}(?:\.\d{2,3})?)(?![\d.]{0,8}\d)")
CUDA = re.compile(r"(?<![\d.])(?P<version>1?\d\.\d{1,2})(?:\.\d{1,3})?\b")
ARCH = re.compile(r"\b(?:sm|compute)_\d{2,3}[af]?\b")
GLIBC = re.compile(r"(?:glibc|GLIBC)?[ -]?(?P<version>2\.\d{1,2}(?:\.\d)?)")
PYTHON = re.compile(r"(?<![\d.])(?P<version>[23]\.\d{1,2}(?:\.\d{1,2})?)\b")
CAPABILITY = re.compile(r"^[(\s]{0,2}(?P<major>\d{1,2})(?:\.|, ?)(?P<minor>\d)\b")
SET = re.compile(
    r"(?:^[\s$#>]{0,8}(?:export |set |setx |ENV |env |declare -x )?|\s(?:-e|--env|env|export)[ =])"
    r"(?P<name>[A-Z][A-Z0-9_]{2,60})=(?P<value>\"[^\"]{0,2000}\"|'[^']{0,2000}'|\S{0,4000})"
)
SET_IN_PYTHON = re.compile(r"os\.environ\[[\"'](?P<name>[A-Z][A-Z0-9_]{2,60})[\"']\] ?= ?[\"'](?P<value>[^\"']{0,2000})[\"']")
SHORT = 120
MAX_FIELD = 8_000
BULLET_GPU = re.compile(r"^[\s*•-]{0,8}(?:\d{1,2} ?[x×*] ?)?(?:NVIDIA|Nvidia|GeForce|Tesla|RTX|GTX)\b[^:]{2,100}$")
"""A line that is nothing but a GPU: "- NVIDIA RTX 5090, 32 GB VRAM"."""
ABSENT = frozenset({"not installed", "not found", "module not found", "not found."})


class Field(NamedTuple):
    """One field of one line."""

    key: str
    value: str
    indent: int


def fields(lines: Sequence[Line]) -> Iterator[Seen]:
    """The values of all fields that are known."""
    gpus_below = False
    lerobot = False
    torch_at = None
    for line in lines:
        yield from _variables(line)
        text = line.text
        if len(text) < SHORT and BULLET_GPU.match(text):
            model = gpu_model(text)
            if model is not None:
                yield Seen(Kind.GPU, "", model, line.number, "prose")
        one = _field(text)
        if one is None:
            if gpus_below and (model := gpu_model(text.strip())) is not None:
                yield Seen(Kind.GPU, "", model, line.number, "collect_env")
            gpus_below = gpus_below and text.startswith((" ", "GPU", "\t"))
            continue
        lerobot = lerobot or one.key in CUDA_OF_TORCH
        numbered = GPU_KEY.fullmatch(one.key) if one.key.startswith("gpu") else None
        gpus_below = (one.key == "gpu models and configuration" and not one.value) or (gpus_below and numbered is not None)
        if numbered is not None:
            yield from _numbered(numbered, one.value, line)
            continue
        # bitsandbytes, and people, put torch's own CUDA under torch
        under_torch = torch_at is not None and one.indent > torch_at
        if EXACT.get(one.key) is Kind.TORCH:
            torch_at = one.indent
        elif not under_torch:
            torch_at = None
        yield from _known(one, line, of_torch=lerobot or under_torch)


def _field(text: str) -> Field | None:
    if len(text) > MAX_FIELD:
        return None
    if "\t" in text or "`" in text:
        text = text.replace("\t", " ").replace("`", "")
    match = CELLS.match(text) if text.startswith("|") else None
    if match is None and (":" in text or "=" in text or "：" in text or "->" in text):
        match = FIELD.match(text)
    if match is None and "..." in text:
        match = LEADER.match(text)
    if match is None:
        return None
    key = " ".join(match["key"].strip("*_ ").lower().split())
    if "(" in key:
        key = EXAMPLE.sub("", key)
    before = match.groupdict().get("before") or ""
    value = (match["value"] or "").strip(" \t*\"',;")
    # a template that nobody filled in, and the program that prints it
    return Field(key.rstrip("?"), "" if "{" in value or value.startswith("<!--") else value, len(before))


def _numbered(key: re.Match[str], value: str, line: Line) -> Iterator[Seen]:
    """GPU 0, GPU 0,1,2 and what is said of them."""
    kind, told = (Kind.CAPABILITY, _capability(value)) if key["what"] == "compute capability" else (Kind.GPU, gpu_model(value))
    for number in key["numbers"].split(",") if told is not None else ():
        yield Seen(kind, number.strip(), str(told), line.number, "fields")


def _variables(line: Line) -> Iterator[Seen]:
    """Environment variables that are set, of those that the probe may collect too."""
    if "=" not in line.text:
        return
    for pattern in (SET, SET_IN_PYTHON) if "environ" in line.text else (SET,):
        for match in pattern.finditer(line.text[:MAX_FIELD]):
            if allowed(match["name"]):
                value = str(without_secrets(match["value"].strip("\"'")))
                yield Seen(Kind.VARIABLE, match["name"], value, line.number, "variables")


def _known(one: Field, line: Line, *, of_torch: bool) -> Iterator[Seen]:
    kind = EXACT.get(one.key)
    value = one.value
    if one.key in SAID_CUDA:
        version = CUDA.search(value[:SHORT])
        if version is not None:
            # elsewhere people write what nvidia-smi, nvcc or a tag says
            said = Seen(Kind.NVCC, "said", version["version"], line.number, "fields")
            yield said._replace(kind=Kind.TORCH_CUDA, name="") if of_torch else said
    elif one.key in {"cuda_home", "cuda_path"} and value.startswith("/"):
        yield Seen(Kind.VARIABLE, one.key.upper(), value, line.number, "variables")
    elif kind is None:
        yield from _package(one, line)
    elif value.lower().strip(" ._") in NOTHING and kind is not Kind.TORCH_CUDA:
        return
    elif kind is Kind.DRIVER and "cuda driver" in one.key and DRIVER.search(value) is None:
        version = CUDA.search(value[:SHORT])
        if version is not None:
            yield Seen(Kind.CUDA_API, "", version["version"], line.number, "fields")
    else:
        yield from _of_kind(kind, value, line)


def _package(one: Field, line: Line) -> Iterator[Seen]:
    name = (
        one.key.removesuffix("版本")
        .strip()
        .removesuffix(" version")
        .removesuffix("-version")
        .removeprefix("version of ")
        .strip(" .")
    )
    if name != one.key and name in {"torch", "pytorch", "python"}:
        yield from _of_kind(Kind.PYTHON if name == "python" else Kind.TORCH, one.value, line)
        return
    known = KNOWN.get(name.replace("_", "-").replace(" ", "-"))
    if known is None or known == "torch":
        return
    version = version_in(one.value)
    if version is not None:
        yield Seen(Kind.PACKAGE, known, version, line.number, "fields")
    elif one.value.lower() in ABSENT:
        yield Seen(Kind.NOT_INSTALLED, known, "", line.number, "fields")


def _of_kind(kind: Kind, value: str, line: Line) -> Iterator[Seen]:
    read = READ.get(kind)
    said = value[:300] if read is None else read(value[:2000])
    if said is not None:
        yield Seen(kind, "", said, line.number, "fields")
    if kind is Kind.TORCH and said is not None and "(CPU)" in value:
        yield Seen(Kind.TORCH_CUDA, "", "", line.number, "fields")


def _first(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    """What the pattern's group ``version`` finds in a value."""

    def read(value: str) -> str | None:
        match = pattern.search(value)
        return None if match is None else match["version"]

    return read


def _cuda_of_torch(value: str) -> str | None:
    """The CUDA that torch was built with; empty for a build without.

    torch's collect_env writes None as it is where nothing else of CUDA is there, and as "Could not collect" where something is.
    """
    return "" if value in {"None", "none", "Could not collect"} else _first(CUDA)(value)


def _available(value: str) -> str | None:
    word = value.lower()
    if word.startswith(("true", "yes", "available")):
        return "True"
    return "False" if word.startswith(("false", "no", "unavailable")) else None


def _boolean(value: str) -> str | None:
    return {"true": "True", "1": "True", "false": "False", "0": "False"}.get(value.lower().split(" ")[0])


def _archs(value: str) -> str | None:
    """The architectures of a list that was not cut off."""
    whole = "[" not in value or "]" in value
    return (" ".join(ARCH.findall(value)) or None) if whole else None


def _capability(value: str) -> str | None:
    match = CAPABILITY.match(value)
    return None if match is None else f"{match['major']}.{match['minor']}"


def _system(value: str) -> str | None:
    """A name of an operating system, not only its kind."""
    return None if value.lower() in {"linux", "os independent"} else value[:200]


def _gpu(value: str) -> str | None:
    """The GPU of a field that is of GPUs, where a number is enough."""
    model = gpu_model(value)
    if model is not None:
        return model
    match = GPU_UNNAMED.search(value[:SHORT])
    if match is None:
        return None
    return f"{'GTX' if match['model'].startswith('1') else 'RTX'} {match['model']}"


READ: dict[Kind, Callable[[str], str | None]] = {
    Kind.TORCH: version_in,
    Kind.TORCH_CUDA: _cuda_of_torch,
    Kind.TORCH_HIP: lambda value: value.split()[0] if value[:1].isdigit() else None,
    Kind.CXX11_ABI: _boolean,
    Kind.DRIVER: _first(DRIVER),
    Kind.NVCC: _first(CUDA),
    Kind.CUDA_AVAILABLE: _available,
    Kind.ARCHS: _archs,
    Kind.LIBC: _first(GLIBC),
    Kind.PYTHON: _first(PYTHON),
    Kind.GPU: _gpu,
    Kind.CAPABILITY: _capability,
    Kind.OS: _system,
}
"""Kind -> what reads its value out of what stands behind the key; all others are taken as they are."""
