"""Linkage facts for tests: the healthy node's, and small edits. Messages are those of glibc's loader."""

from __future__ import annotations

from typing import Any

from envdoctor.facts import Known
from envdoctor.linkage import LinkedModule, Linking, LinkProblem, NamePair, Names, NameUse, TorchImport

VIA = "ld.so simulated on the files"
THROW = "_ZNK3c1011StorageImpl27throw_data_ptr_access_errorEv"
"""In torch from 2.6 on; vLLM 0.8.5 needs it."""


def undefined(symbol: str = THROW, file: str = "vllm/_C.abi3.so", of: str | None = None) -> LinkProblem:
    """A symbol that no library in scope defines."""
    message = f"~/venv/lib/python3.11/site-packages/{file}: undefined symbol: {symbol}"
    return LinkProblem(kind="undefined-symbol", file=file, wants=symbol, of=of, message=message)


def not_found(soname: str, file: str) -> LinkProblem:
    """A library that is nowhere on the loader's path."""
    message = f"{soname}: cannot open shared object file: No such file or directory"
    return LinkProblem(kind="missing-library", file=file, wants=soname, of=None, message=message)


def module(package: str, path: str, *problems: LinkProblem, **more: Any) -> LinkedModule:
    """One module that was judged."""
    name = None if path.rpartition("/")[2].startswith("lib") else path.split(".", maxsplit=1)[0].replace("/", ".")
    values = {"package": package, "path": path, "module": name, "problems": problems, "problem_count": len(problems)}
    return LinkedModule(**(values | more))


def linking(*modules: LinkedModule, torch: tuple[LinkProblem, ...] = ()) -> Linking:
    """What the section of this name says of a machine with a driver."""
    return Linking(
        torch=Known(TorchImport(problems=torch, preloads=()), VIA),
        modules=Known(modules, VIA),
        copies=Known((), VIA),
        driver_libraries=Known("present", VIA),
        seconds=0.1,
    )


HEALTHY = linking(
    module("torch", "torch/_C.cpython-311-x86_64-linux-gnu.so"),
    module("torchvision", "torchvision/_C.so"),
    module("vllm", "vllm/_C.abi3.so"),
    module("xformers", "xformers/_C.so"),
)


def use(name: str, **more: Any) -> NameUse:
    """A name that TRL 0.25.0 takes from vLLM."""
    values: dict[str, Any] = {
        "importer": "trl", "exporter": "vllm", "file": "trl/trainer/grpo_trainer.py", "line": 95, "module": "vllm.sampling_params",
        "name": name, "place": "module", "scope": "",
    }  # fmt: skip
    return NameUse(**(values | more))


def names(*missing: NameUse) -> Names:
    """What the section of this name says."""
    pairs = tuple(
        NamePair(importer=importer, exporter=exporter, names=count, undecided=0)
        for importer, exporter, count in (
            ("trl", "vllm", 12),
            ("trl", "transformers", 40),
            ("trl", "accelerate", 8),
            ("vllm", "transformers", 90),
        )
    )
    return Names(pairs=Known(pairs, "source text"), missing=Known(missing, "source text"), seconds=0.1)
