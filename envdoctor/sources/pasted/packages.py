"""Which package a file, a library or a name in a pasted text belongs to. Pure."""

from __future__ import annotations

import re

from envdoctor.views import normalized

MAX_PATH = 400
_SITE = re.compile(r"(?:site|dist)-packages/(?P<first>[^/\s\"',:()]{1,100})(?:/(?P<second>[^/\s\"',:()]{1,100}))?")
_LIBRARY = re.compile(r"[\w.+-]{1,100}\.(?:so[.\d]{0,12}|pyd|dll)\b")
_EXTENSION_AFTER = re.compile(r"\.(?:cpython-[\w-]{1,40}|abi3|cp\d{2,3}-win\w{1,12})?\.?(?:so[.\d]{0,12}|pyd|dll)$")
_BROUGHT = {
    "flash-attn": (
        "flash_attn_2_cuda flash_attn_3_cuda flash_attn_cuda flash_attn_3 _flash_attn flash_attn flash_attn_interface rotary_emb "
        "dropout_layer_norm xentropy_cuda_lib fused_dense_lib"
    ),
    "vllm": "vllm _moe_C _vllm_fa2_C _vllm_fa3_C cumem_allocator vllm_flash_attn _flashmla_C",
    "sgl-kernel": "sgl_kernel common_ops",
    "transformer-engine": "transformer_engine transformer_engine_torch transformer_engine_extensions transformer_engine_cu12",
    "torchvision": "torchvision",
    "xformers": "xformers _C_flashattention",
    "bitsandbytes": "bitsandbytes libbitsandbytes_cpu libbitsandbytes",
    "apex": "amp_C apex_C fused_layer_norm_cuda syncbn fused_weight_gradient_mlp_cuda apex",
    "causal-conv1d": "causal_conv1d_cuda causal_conv1d",
    "mamba-ssm": "selective_scan_cuda mamba_ssm",
}
OF_MODULE = {module: package for package, modules in _BROUGHT.items() for module in modules.split()}
"""Module, or file of one, -> the package that brings it, where they differ or where a path is not installed."""
PLAIN = frozenset(
    ("trl", "verl", "openrlhf", "sglang", "transformers", "deepspeed", "torchaudio", "torchtext", "torchao", "auto_gptq",
     "autoawq", "awq", "exllamav2", "flashinfer", "triton", "torch", "peft", "accelerate", "unsloth", "unsloth_zoo",
     "llamafactory", "swift", "lmdeploy", "tensorrt_llm", "mmcv", "torch_scatter", "torch_sparse", "torch_cluster",
     "torch_spline_conv", "pyg_lib", "detectron2", "pytorch3d", "natten", "cupy", "numba", "jax", "onnxruntime", "tensorflow",
     "deep_ep", "deep_gemm", "megatron", "nemo", "llmcompressor", "colossalai", "diffusers", "open_clip", "areal", "slime",
     "easyr1", "rllm", "skyrl_train", "prime_rl", "marti", "roll")
)  # fmt: skip
"""Packages whose folder is told from its name alone, in a path that is not installed."""


def root(module: str) -> str:
    """First part of a dotted name."""
    return module.partition(".")[0]


def package_of_library(text: str) -> str | None:
    """The package that a compiled library named in a line belongs to; torch's own and CUDA's libraries do not count."""
    for found in _LIBRARY.finditer(text[: 20 * MAX_PATH]):
        start = max(0, found.start() - MAX_PATH)
        path = text[start : found.end()]
        path = path[max(path.rfind(mark) for mark in (" ", '"', "'", "(", "`", "\t")) + 1 :]
        package = package_of_path(path)
        if package is not None and package not in {"torch", "nvidia"}:
            return package
    return None


def package_named(text: str) -> str | None:
    """The package with a compiled part that a line names in passing: "xFormers can't load C++/CUDA extensions"."""
    found = _NAMED.search(text[:MAX_PATH])
    return (
        _OF_NAME[found.group().lower().replace("-", "_").replace("flash_attention", "flash_attn")] if found is not None else None
    )


_NAMED = re.compile(
    r"(?i)\b(?:xformers|flash[_-]attn|flash[_-]attention|vllm|sgl[_-]kernel|torchvision|transformer[_-]engine|bitsandbytes)(?![A-Za-z])"
)
_OF_NAME = {
    "xformers": "xformers", "flash_attn": "flash-attn", "vllm": "vllm", "sgl_kernel": "sgl-kernel", "torchvision": "torchvision",
    "transformer_engine": "transformer-engine", "bitsandbytes": "bitsandbytes",
}  # fmt: skip


def package_of_path(path: str) -> str | None:
    """The package that a file belongs to, by its place or its name.

    Args:
        path: of a Python file or a compiled one, absolute or not.
    """
    path = path.replace("\\", "/")
    site = None
    for site in _SITE.finditer(path):  # noqa: B007 - the last one counts: environments lie in each other
        pass
    name = _EXTENSION_AFTER.sub("", path.rpartition("/")[2])
    if name in OF_MODULE:
        return OF_MODULE[name]
    if site is not None:
        first = site.group("first")
        if first.endswith(".egg") and site.group("second"):
            first = site.group("second")
        first = _EXTENSION_AFTER.sub("", first).removesuffix(".py")
        return OF_MODULE.get(first, normalized(first))
    for part in reversed(path.split("/")[:-1]):
        if part in OF_MODULE or part in PLAIN:
            return OF_MODULE.get(part, normalized(part))
    if name.startswith("libbitsandbytes"):
        return "bitsandbytes"
    return normalized(name) if name in PLAIN else None
