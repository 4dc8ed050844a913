"""Which of two releases that do not belong together is the wrong one: judges of names, modules, ranges and arguments. Pure.

Each takes what the judges of :mod:`envdoctor.sources.pasted.causes` take.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from envdoctor.causes import HARMLESS, OF_OWNER
from envdoctor.sources.pasted.packages import package_of_path, root
from envdoctor.sources.pasted.surroundings import OF_TRL
from envdoctor.views import normalized, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.sources.pasted.sides import Standing
    from envdoctor.sources.pasted.surroundings import About, Around

NEAR = 3
"""Lines of a traceback above, in which the import stands that failed."""
TRAINERS = frozenset(
    ("verl", "openrlhf", "areal", "slime", "rllm", "skyrl-train", "prime-rl", "easyr1", "nemo-rl", "marti", "roll", "unsloth",
     "unsloth-zoo", "ms-swift", "swift", "llamafactory")
)  # fmt: skip
"""Frameworks beside TRL that drive vLLM from inside."""


def name(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """A name is imported that the installed release does not have."""
    wanted, module = values.get("name", ""), values.get("module") or _imported_from(values.get("name", ""), around)
    where = root(module)
    if where in {"transformers", "trl"}:
        return about.sides.of(module, wanted)  # what no release ever had is the program's own mistake
    importer = around.importer(module)
    if where == "vllm" or module.startswith("verl.third_party.vllm"):  # which verl fills for releases that it takes alone
        cause = _engine("verl" if where == "verl" else importer or about.trainer)
        return cause or ("rl-framework-vllm-unsupported" if importer is None and about.rolls_out else None)
    if where == "numpy":
        return "numpy2-abi"
    if where == "torch":
        return {"transformers": "transformers-too-new", None: None}.get(importer, OF_OWNER.get(importer or ""))
    if where in {"flashinfer", "flash_attn", "sgl_kernel"} and importer in {"vllm", "sglang"}:
        return "flashinfer-mismatch" if where == "flashinfer" else None
    if where in {"huggingface_hub", "tokenizers", "accelerate", "peft", "datasets"} and importer is not None:
        return "package-pin-conflict"
    return None


_FROM = re.compile(r"\bfrom (?P<module>[\w.]{1,120}) import ")


_FROM_BELOW = re.compile(r"^\W{0,8}from ['\"`]?(?P<module>\w[\w.]{1,120})['\"`]?\W{0,8}$")


def _imported_from(wanted: str, around: Around) -> str:
    """The module in the line above that imports a name, where an older Python does not say it."""
    lines = (line for line in around.before(NEAR) if wanted in line)
    before = next((found["module"] for line in lines if (found := _FROM.search(line[:400]))), "")
    # a person who tells it breaks the sentence before "from"
    below = next((found["module"] for line in around.after(1) if (found := _FROM_BELOW.match(line[:400]))), "")
    return before or below


def _engine(importer: str | None) -> str | None:
    """The cause where a package reaches for what its vLLM does not have."""
    if importer in OF_TRL:
        return "trl-vllm-unsupported"
    return "rl-framework-vllm-unsupported" if importer in TRAINERS else None


_KEY = re.compile(r'"([^"\s]{1,300})"')


def position_ids(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A checkpoint has, or lacks, what models keep in it up to transformers 4.30 alone, and nothing else."""
    keys = _KEY.findall(around.line.partition("state_dict:")[2][:4000])
    if not all(key.endswith("position_ids") for key in keys):
        return HARMLESS
    older = about.sides.before("transformers", Version("4.31"))
    if values.get("which") == "Unexpected":
        return None if older else "transformers-too-new"
    return "transformers-too-old" if older or not about.sides.names("transformers") else None


def masked(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A package says that transformers is not there; where vLLM calls it, transformers is, and lacks a name."""
    del values
    called = any(package_of_path(path) == "vllm" for path in around.frames)
    other = any("No module named" in line or "cannot import name" in line for line in around.before())
    return None if not called or other or about.sides.before("transformers", Version("4.48")) else "transformers-too-new"


def engine_part(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A part of vLLM's engine has moved: the trainer that reaches for it is of another age."""
    cause = _engine(around.importer("vllm")) or _engine(about.trainer)
    word = (values.get("keyword") or values.get("word", "")).replace("-", "_")
    return cause or ("rl-framework-vllm-unsupported" if word in _OF_RL else None)


_OF_RL = frozenset(("model_hf_config", "worker_extension_cls"))
"""Arguments of the engine that trainers alone pass: verl's own copy of it took the first, vLLM takes the second since 0.8."""


def model_type(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """A kind of model is looked up by its name: one that older releases of transformers do not have."""
    standing = about.sides.of(f"transformers.models.{values.get('model', '')}")
    # the table of the kinds itself failed: whatever version the text names, what runs does not know it
    looked_up = any(path.endswith("models/auto/configuration_auto.py") for path in around.frames[:3])
    if standing is not None and standing.side == "old":
        return standing
    return "transformers-too-old" if looked_up else HARMLESS


def architecture(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """A checkpoint's kind is not known: an older transformers, where a later one knows it; else it is the checkpoint's own."""
    del around
    model = values.get("name", "").replace("-", "_")
    modules = [f"transformers.models.{one}" for one in dict.fromkeys((model, _PART.sub("", model)))]
    standing = next((found for one in modules if (found := about.sides.of(one)) is not None and found.side == "old"), None)
    return standing or ("transformers-too-old" if any(about.sides.ever(one) for one in modules) else None)


_PART = re.compile(r"(?:_(?:text|vision|audio|vl|thinker|language))+$")
"""A part of a model has a kind of its own, and lies in the folder of the whole."""
_ASKED_FIRST = frozenset(("vllm_ascend", "mergekit", "llm_blender", "liger_kernel"))
"""What TRL imports only where transformers' _is_package_available says that it is there. Of transformers 5 that gives a pair
(there or not, version), which is true whatever it says; TRL up to 0.24 takes it for a yes or a no."""
WINDOWS_LACKS = frozenset(("resource", "fcntl", "termios", "pwd", "grp"))
"""Modules of Python's standard library that there are on Unix only (docs.python.org, each module's availability)."""
_LINUX_ONLY = frozenset(("vllm._C", "triton", "flash_attn_2_cuda", "uvloop"))
"""Modules of packages that have no wheels for Windows."""
_OLD_PYTHON = frozenset(("distutils", "imp", "asyncore", "asynchat", "cgi", "pipes", "telnetlib", "crypt"))
"""Modules that Python 3.12 and 3.13 took out."""
_NEW_PYTHON = frozenset(("tomllib", "zoneinfo", "graphlib", "importlib.metadata"))


def module(values: Mapping[str, str], around: Around, about: About) -> Standing | str | None:
    """A module is not there: that of another release, or one that a system or a Python lacks."""
    wanted = values.get("module", "")
    where = root(wanted)
    if wanted in WINDOWS_LACKS or (about.windows and wanted in _LINUX_ONLY):
        return "unsupported-os"
    if where in _OLD_PYTHON or wanted in _NEW_PYTHON:
        return "python-version-unsupported"
    if where == "vllm" and wanted not in {"vllm", "vllm._C", "vllm._version", "vllm._moe_C"}:
        return _engine(around.importer(wanted) or about.trainer)
    if wanted.startswith("transformers."):
        return about.sides.of(wanted, told=True)
    if where in _ASKED_FIRST and around.importer(wanted) == "trl":
        return "transformers-too-new"
    if where == "trl" and wanted != "trl":
        return about.sides.of(wanted)
    if wanted.startswith(("numpy._core", "numpy.core._")):
        return "numpy2-abi"
    return None


def requirement(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A package says which range of another it wants, and what is installed."""
    del about
    wanted, found = normalized(values.get("wanted", "")), values.get("has", "")
    asker = normalized(values["package"]) if values.get("package") else around.importer("") or ""
    side = _outside(values.get("range", ""), found)
    if asker == "vllm" and wanted == "torch":
        return "torch-vllm-pin-mismatch"
    if wanted == "torch" and asker in {"torchvision", "torchaudio"}:
        return "torchvision-torch-mismatch"
    if wanted == "torch" and asker in OF_OWNER:
        return OF_OWNER[asker]
    if wanted == "vllm" and asker == "trl":
        return "trl-vllm-unsupported"
    if wanted == "vllm" and asker in TRAINERS:
        return "rl-framework-vllm-unsupported"
    if wanted.startswith("flashinfer") and asker.startswith("flashinfer"):
        return "flashinfer-mismatch"
    if wanted in {"transformers", "trl"} and side:
        return f"{wanted}-too-{side}"
    return "package-pin-conflict"


_DEPENDS = re.compile(
    r"(?<![\w.-])(?P<asker>[A-Za-z0-9][\w.-]{0,80})(?:\[[\w, -]{0,80}\])?(?: |==)\d[\w.+!]{0,60} depends on (?P<wanted>[A-Za-z0-9][\w.-]{0,80})"
)
EXPLAINED = 16
"""Lines after and before, in which an installer says who asks for what."""


def no_solution(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """An installer finds no set of releases: where one package alone stands against what was asked for, its pin is the cause."""
    del values
    pairs = {
        (normalized(match["asker"]), normalized(match["wanted"]))
        for line in around.near(EXPLAINED)
        if " depends on " in line
        for match in _DEPENDS.finditer(line)
    }
    if len(pairs) == 1:
        asker, wanted = pairs.pop()
        return requirement({"package": asker, "wanted": wanted}, around, about)
    return "package-pin-conflict"


def _outside(text: str, found: str) -> str:
    """On which side of a range a version lies: "new" or "old"; "" where that cannot be told."""
    version = parsed(found)
    try:
        parts = SpecifierSet(text[:200])
    except InvalidSpecifier:
        return ""
    if version is None:
        return ""
    for part in parts:
        bound = parsed(part.version.removesuffix(".*"))
        if bound is None or part.contains(version, prereleases=True):
            continue
        if part.operator in {"<", "<="} or (part.operator in {"==", "~="} and version > bound):
            return "new"
        if part.operator in {">", ">="} or part.operator in {"==", "~="}:
            return "old"
    return ""


def module_attribute(values: Mapping[str, str], around: Around, about: About) -> Standing | None:
    """A module of TRL or transformers lacks a name that a program takes from it."""
    del around
    return about.sides.of(values.get("module", ""), values.get("name", ""))


def tokenizer_config(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """A tokenizer's file has a list where transformers 4 reads a table."""
    del values, about
    return "transformers-too-old" if any(path.endswith("tokenization_utils_base.py") for path in around.frames[:2]) else None


def least(values: Mapping[str, str], around: Around, about: About) -> str | None:
    """An engine asks for a newer release of the kernels that it uses."""
    del around, about
    return "flashinfer-mismatch" if normalized(values.get("package", "")).startswith("flashinfer") else "package-pin-conflict"
