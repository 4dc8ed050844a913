"""Write what a release of vLLM takes, read from its wheel without importing it: tests/smoke/recorded/vllm-VERSION.json.

    python -m tools.vllm_signatures WHEEL...

`make smoke-vllm` runs the releases that install on a CPU; of older ones these signatures are what the engine is held against.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "tests" / "smoke" / "recorded"
ENGINE_ARGS = ("vllm/engine/arg_utils.py", "EngineArgs")
METHODS = {
    "LLM.__init__": ("vllm/entrypoints/llm.py", "LLM", "__init__"),
    "LLM.generate": ("vllm/entrypoints/llm.py", "LLM", "generate"),
    "LLM.collective_rpc": ("vllm/entrypoints/llm.py", "LLM", "collective_rpc"),
    "LLM.reset_prefix_cache": ("vllm/entrypoints/llm.py", "LLM", "reset_prefix_cache"),
    "GPUModelRunner.reload_weights": ("vllm/v1/worker/gpu_model_runner.py", "GPUModelRunner", "reload_weights"),
    "GPUModelRunner.get_model": ("vllm/v1/worker/gpu_model_runner.py", "GPUModelRunner", "get_model"),
    "LlamaForCausalLM.load_weights": ("vllm/model_executor/models/llama.py", "LlamaForCausalLM", "load_weights"),
}
"""What the engine calls -> file, class, method. A method that a base class has is looked for in LLM's mixins too."""
SAMPLING = ("vllm/sampling_params.py", "SamplingParams")
MIXINS = ("vllm/entrypoints/offline_utils.py", "vllm/entrypoints/llm.py")


def main() -> int:
    """One file a wheel."""
    OUT.mkdir(exist_ok=True)
    for name in sys.argv[1:]:
        found = re.match(r"vllm(?:_cpu)?-([0-9.]+)", Path(name).name)
        if found is None:
            sys.stderr.write(f"{name} is no wheel of vLLM\n")
            return 2
        with zipfile.ZipFile(name) as wheel:
            told = {"wheel": Path(name).name, **signatures(wheel)}
        path = OUT / f"vllm-{found[1]}.json"
        path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")
    return 0


def signatures(wheel: zipfile.ZipFile) -> dict[str, object]:
    """Parameters of every method and fields of both classes; null for what is not there."""
    return {
        "EngineArgs": fields(wheel, *ENGINE_ARGS),
        "SamplingParams": fields(wheel, *SAMPLING),
        **{name: parameters(wheel, *place) for name, place in METHODS.items()},
    }


def classes(wheel: zipfile.ZipFile, path: str) -> dict[str, ast.ClassDef]:
    """The classes of a file by name; none of a file that is not there."""
    if path not in wheel.namelist():
        return {}
    tree = ast.parse(wheel.read(path))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def fields(wheel: zipfile.ZipFile, path: str, name: str) -> list[str] | None:
    """Annotated fields of a dataclass or struct."""
    node = classes(wheel, path).get(name)
    if node is None:
        return None
    return [one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]


def parameters(wheel: zipfile.ZipFile, path: str, name: str, method: str) -> list[str] | None:
    """Parameters without self, ``*args`` and ``**kwargs`` as such; of LLM's bases where the class itself has no such method."""
    nodes = classes(wheel, path)
    bases = [base.id for base in nodes[name].bases if isinstance(base, ast.Name)] if name in nodes else []
    others = [classes(wheel, one).get(base) for base in bases for one in MIXINS]
    for node in (nodes.get(name), *others):
        for one in node.body if node is not None else ():
            if isinstance(one, ast.FunctionDef) and one.name == method:
                plain = [*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs]
                stars = [f"**{one.args.kwarg.arg}"] if one.args.kwarg is not None else []
                return [arg.arg for arg in plain if arg.arg != "self"] + stars
    return None


if __name__ == "__main__":
    sys.exit(main())
