"""The block for a GitHub issue: every field of torch's and vLLM's collect_env, nothing that breaks out of it."""

from __future__ import annotations

import pytest

from envdoctor.facts import Known, Unknown
from envdoctor.render.issue import render
from tests.factory import dist, edit, healthy, put

# the keys that torch 2.13.0 (torch/utils/collect_env.py) and vllm 0.32.0 (vllm/collect_env.py) print
FIELDS = (
    "OS", "GCC version", "Clang version", "CMake version", "Libc version", "PyTorch version", "Is debug build",
    "CUDA used to build PyTorch", "ROCM used to build PyTorch", "XPU used to build PyTorch", "Python version", "Python platform",
    "Is CUDA available", "CUDA runtime version", "CUDA_MODULE_LOADING set to", "GPU models and configuration",
    "Nvidia driver version", "cuDNN version", "Is XPU available", "HIP runtime version", "MIOpen runtime version",
    "Is XNNPACK available", "Caching allocator config", "ROCM Version", "vLLM Version", "vLLM Build Flags",
)  # fmt: skip
SECTIONS = ("CPU Info", "Versions of relevant libraries", "GPU Topology:", "Environment Variables")


def test_every_field_of_both_collect_envs_is_there() -> None:
    lines = render(healthy()).splitlines()
    keys = {line.split(" : ")[0].strip() for line in lines if " : " in line}
    assert set(FIELDS) <= keys
    assert all(any(section in line for line in lines) for section in SECTIONS)


@pytest.mark.parametrize(
    "line",
    [
        "PyTorch version              : 2.5.1+cu124",
        "Nvidia driver version        : 550.54.15",
        "GPU models and configuration : 1 x NVIDIA H100 80GB HBM3 (sm_90, 80 GiB)",
        "[pip3] vllm==0.6.6.post1",
        "NCCL_DEBUG=INFO",
        "GCC version                  : gcc (Debian 12.2.0) 12.2.0",
    ],
)
def test_values_are_those_of_the_facts(line: str) -> None:
    facts = edit(
        healthy(),
        environ=Known({"NCCL_DEBUG": "INFO"}, "the environment of the target"),
        extras={
            "gcc": Known("gcc (Debian 12.2.0) 12.2.0", "gcc --version"),
            "lscpu": Known("Architecture: x86_64\nCPU(s): 2", "lscpu"),
        },
    )
    assert line in render(facts).splitlines()


def test_what_is_unknown_says_why_and_what_only_an_import_knows_says_so() -> None:
    page = render(
        edit(healthy(), builds__torch=Unknown("torch/version.py: Permission denied"), driver__kernel_module=Unknown("x"))
    )
    assert "PyTorch version              : Could not collect (torch/version.py: Permission denied)" in page
    assert "Is CUDA available            : not asked (it would import torch)" in page


def test_a_value_cannot_close_the_fence_or_start_a_line() -> None:
    page = render(put(healthy(), dist("torch", "1\n```\n</details>\nforged")))
    assert page.count("```") == 2
    assert "\nforged" not in page
