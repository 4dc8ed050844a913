"""flash-attn, which no index has as a wheel: the makers' wheel by name, a build that fits the memory, or neither."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known, Toolkit, Unknown
from envdoctor.fixing.flash_attn import advice, words
from tests.factory import MATRIX, blind, drop, edit, healthy, with_torch

GIB = 1 << 30


def test_the_makers_wheel_is_named_by_torch_cuda_abi_and_python() -> None:
    one = advice(healthy(), MATRIX)
    assert one.wheel == "flash_attn-2.8.3.post1+cu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
    assert one.url == f"https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3.post1/{one.wheel}"
    assert one.source is not None
    assert "v2.8.3.post1/.github/workflows/publish.yml" in one.source
    assert any(line.strip().startswith("uv pip install --no-deps 'https://github.com/Dao-AILab/") for line in words(one))


def test_a_release_can_be_asked_for_and_one_that_is_not_known_is_said() -> None:
    named = advice(healthy(), MATRIX, "2.7.4.post1").wheel
    assert named == "flash_attn-2.7.4.post1+cu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
    assert advice(healthy(), MATRIX, "9.9").why_none == "which wheels flash-attn 9.9 has is not in the data"


def test_a_torch_newer_than_every_wheel_leaves_a_build_sized_for_the_memory() -> None:
    facts = with_torch(drop(healthy(), "vllm"), "2.13.0", "13.0")
    facts = edit(facts, host__memory_bytes=Known(64 * GIB, "/proc/meminfo"), host__cpu_count=Known(16, "nproc"))
    one = advice(facts, MATRIX)
    assert (one.wheel, one.max_jobs) == (None, 3)  # 64 GiB hold three jobs of four threads of 5 GB
    assert one.why_none is not None
    assert one.why_none.startswith(
        "there is none for torch 2.13, CUDA 13 and cp311 among those of flash-attn 2.7.0 to 2.8.3.post1"
    )
    text = "\n".join(words(one))
    assert "MAX_JOBS=3" in text
    assert "CUDA toolkit (nvcc)" in text
    assert 'attn_implementation="sdpa"' in text


def test_a_toolkit_of_torchs_major_version_is_what_is_built_with() -> None:
    toolkits = (Toolkit(path="/usr/local/cuda-12.4", version="12.4", found_by="nvcc on PATH"),
                Toolkit(path="/usr/local/cuda-13.0", version="13.0", found_by="CUDA_HOME"))  # fmt: skip
    facts = edit(with_torch(healthy(), "2.13.0", "13.0"), cuda__toolkits=Known(toolkits, "PATH"))
    one = advice(facts, MATRIX)
    assert one.nvcc == "/usr/local/cuda-13.0"
    assert words(one)[-1].strip().startswith("CUDA_HOME=/usr/local/cuda-13.0 MAX_JOBS=")


def test_few_cores_and_a_containers_limit_count_before_the_machines_memory() -> None:
    facts = edit(
        healthy(),
        host__cpu_count=Known(2, "nproc"),
        host__memory_bytes=Known(512 * GIB, "/proc/meminfo"),
        container__memory_limit_bytes=Known(30 * GIB, "memory.max"),
    )
    one = advice(facts, MATRIX)
    assert (one.max_jobs, one.memory_gib) == (1, 30.0)


def test_unknown_memory_gives_no_number_of_jobs() -> None:
    facts = blind(healthy(), "host__memory_bytes", "container__memory_limit_bytes")
    assert advice(facts, MATRIX).max_jobs is None


def test_the_engine_that_brings_its_own_is_named_where_its_wheel_holds_it() -> None:
    assert advice(healthy(), MATRIX).engine_has_its_own == "vllm 0.6.6.post1"
    assert advice(drop(healthy(), "vllm"), MATRIX).engine_has_its_own is None


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (with_torch(healthy(), "2.5.1+cpu", None), "torch 2.5.1+cpu has no CUDA"),
        (edit(healthy(), builds__torch=Known(None, "there")), "torch is not installed"),
        (edit(healthy(), builds__torch=Unknown("no answer in 5 s")), "is not known"),
        (edit(healthy(), host__arch=Known("aarch64", "uname")), "this machine is aarch64"),
    ],
)
def test_where_no_wheel_can_be_told_the_reason_is(facts: Facts, why: str) -> None:
    one = advice(facts, MATRIX)
    assert (one.wheel, one.url) == (None, None)
    assert one.why_none is not None
    assert why in one.why_none


def test_an_unknown_abi_has_no_wheel_and_says_so() -> None:
    one = advice(blind(healthy(), "builds__torch__cxx11_abi"), MATRIX)
    assert (one.wheel, one.url) == (None, None)
    assert one.why_none == "whether torch was built with the C++11 ABI is not known, and its wheels are named after it"
