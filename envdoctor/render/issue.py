"""``envdoctor facts --format issue``: the block one pastes into a GitHub issue.

It has every field that torch.utils.collect_env and vLLM's collect_env print, from the facts alone: nothing is imported, so
it also works where those two crash. A field that only an import could fill says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.facts import Known, NotObserved, Unknown
from envdoctor.render import harmless
from envdoctor.stack import gpu_summary
from envdoctor.views import distributions, driver_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.facts import Facts

NOT_IMPORTED = "not asked (it would import torch)"
N_A = "N/A"
RELEVANT = (
    "torch", "numpy", "triton", "onnx", "nccl", "transformers", "nvidia", "pynvml", "flashinfer", "vllm", "trl", "verl",
    "openrlhf", "accelerate", "peft", "deepspeed", "xformers", "flash-attn", "flash_attn", "bitsandbytes", "ray", "optree",
    "zmq", "mypy", "flake8", "helion", "tokenizers", "sglang", "sgl-kernel", "compressed-tensors",
)  # fmt: skip


def render(facts: Facts) -> str:
    """The block, in Markdown, ending in a newline."""
    lines = ["<details>", "<summary>Environment, as envdoctor read it</summary>", "", "```text"]
    for title, rows in _sections(facts):
        lines += ["=" * 30, title.center(30).rstrip(), "=" * 30]
        lines += rows
        lines.append("")
    # a fence inside a value would end the block
    body = [harmless(line).replace("```", "'''") for line in lines[4:]]
    return "\n".join([*lines[:4], *body[:-1], "```", "", "</details>"]) + "\n"


def _sections(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    yield "System Info", list(_system(facts))
    yield "PyTorch Info", list(_pytorch(facts))
    yield "Python Environment", list(_python(facts))
    yield "CUDA / GPU Info", list(_gpu(facts))
    yield "CPU Info", _extra(facts, "lscpu", _cpu(facts)).splitlines()
    yield "Versions of relevant libraries", list(_libraries(facts))
    yield "vLLM Info", list(_vllm(facts))
    yield "Environment Variables", list(_environ(facts))


def _row(key: str, value: object) -> str:
    return f"{key:<28} : {value}"


def _extra(facts: Facts, name: str, otherwise: str = "Could not collect") -> str:
    leaf = facts.extras.get(name)
    return leaf.value if isinstance(leaf, Known) else otherwise


def _value(leaf: Known[object] | Unknown, none: str = "None") -> str:
    """The value, or the reason why there is none."""
    if isinstance(leaf, Unknown):
        return f"Could not collect ({leaf.why})"
    return none if leaf.value is None else str(leaf.value)


def _system(facts: Facts) -> Iterator[str]:
    host = facts.host
    libc = host.libc
    yield _row("OS", f"{_value(host.os_name)} ({_value(host.arch)})")
    yield _row("GCC version", _extra(facts, "gcc"))
    yield _row("Clang version", _extra(facts, "clang"))
    yield _row("CMake version", _extra(facts, "cmake"))
    yield _row("Libc version", _value(libc) if isinstance(libc, Unknown) else f"{libc.value.name}-{libc.value.version}")
    yield _row("Container", _value(facts.container.runtime, "none"))


def _pytorch(facts: Facts) -> Iterator[str]:
    build = facts.builds.torch
    if isinstance(build, Unknown) or build.value is None:
        yield _row("PyTorch version", _value(build, "not installed"))
        return
    torch = build.value
    yield _row("PyTorch version", torch.version)
    yield _row("Is debug build", torch.debug)
    yield _row("CUDA used to build PyTorch", torch.cuda or N_A)
    yield _row("ROCM used to build PyTorch", torch.hip or N_A)
    yield _row("XPU used to build PyTorch", NOT_IMPORTED)
    yield _row("cxx11 ABI", _value(torch.cxx11_abi))
    archs = torch.gpu_archs
    yield _row("Compiled GPU architectures", " ".join(archs.value) or N_A if isinstance(archs, Known) else _value(archs))


def _python(facts: Facts) -> Iterator[str]:
    if isinstance(facts.python, Unknown):
        yield _row("Python version", _value(facts.python))
        return
    python = facts.python.value
    yield _row("Python version", f"{python.version} ({python.bits}-bit runtime, {python.kind})")
    kernel, arch, libc = facts.host.kernel, facts.host.arch, facts.host.libc
    parts = ["Linux", *(leaf.value for leaf in (kernel, arch) if isinstance(leaf, Known))]
    if isinstance(libc, Known):
        parts.append(f"with-{libc.value.name}{libc.value.version}")
    yield _row("Python platform", "-".join(parts))


def _gpu(facts: Facts) -> Iterator[str]:
    driver, smi = facts.driver, facts.driver.smi
    yield _row("Is CUDA available", NOT_IMPORTED)
    toolkits = facts.cuda.toolkits
    versions = [one.version or one.path for one in toolkits.value] if isinstance(toolkits, Known) else [_value(toolkits)]
    yield _row("CUDA runtime version", _extra(facts, "nvcc", ", ".join(versions) or "No CUDA toolkit"))
    variables = facts.environ.value if isinstance(facts.environ, Known) else {}
    yield _row("CUDA_MODULE_LOADING set to", variables.get("CUDA_MODULE_LOADING", "not set (LAZY by default)"))
    yield _row("GPU models and configuration", gpu_summary(facts) or "none seen by NVML")
    yield _row("Nvidia driver version", _value(driver_version(facts), "no driver"))
    yield _row("CUDA the driver supports", _value(driver.cuda_api))
    if isinstance(smi, Known) and smi.value is not None:
        yield _row("nvidia-smi", f"driver {smi.value.driver_version}, CUDA {smi.value.cuda_version or N_A}")
    libraries = facts.cuda.libraries
    cudnn = [one.path for one in libraries.value if one.stem == "libcudnn"] if isinstance(libraries, Known) else []
    yield _row("cuDNN version", " ".join(cudnn) or "Could not collect")
    for key in ("HIP runtime version", "MIOpen runtime version", "Is XPU available"):
        yield _row(key, NOT_IMPORTED)
    yield _row("Is XNNPACK available", NOT_IMPORTED)
    yield _row("Caching allocator config", variables.get("PYTORCH_ALLOC_CONF") or variables.get("PYTORCH_CUDA_ALLOC_CONF") or N_A)


def _cpu(facts: Facts) -> str:
    return f"{_value(facts.host.cpu_count)} x {_value(facts.host.cpu_model)}, {_value(facts.host.memory_bytes)} bytes of memory"


def _libraries(facts: Facts) -> Iterator[str]:
    try:
        present = distributions(facts)
    except NotObserved as lack:
        yield f"[pip3] Could not collect ({lack.why})"
        return
    for name in sorted(present):
        if any(word in name for word in RELEVANT):
            yield f"[pip3] {name}=={present[name].version}"
    yield "[conda] see [pip3]: conda's Python packages carry the same metadata"


def _vllm(facts: Facts) -> Iterator[str]:
    build = facts.builds.vllm
    yield _row("ROCM Version", "Could not collect")
    if isinstance(build, Known) and build.value is not None:
        yield _row("vLLM Version", build.value.version)
        yield _row("vLLM Build Flags", f"CUDA major it links against: {_value(build.value.cuda_major, 'none (no CUDA build)')}")
    else:
        yield _row("vLLM Version", _value(build, "not installed"))
    yield "GPU Topology:"
    yield from _extra(facts, "topology").splitlines()


def _environ(facts: Facts) -> Iterator[str]:
    if isinstance(facts.environ, Unknown):
        yield _value(facts.environ)
        return
    for name, value in sorted(facts.environ.value.items()):
        yield f"{name}={value}"
