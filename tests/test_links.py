"""links.py: who should have provided what the loader misses."""

from __future__ import annotations

import pytest

from envdoctor.linkage import LinkProblem
from envdoctor.links import named, provider, shortened
from tests import linked
from tests.factory import dist, healthy, put


@pytest.mark.parametrize(
    ("symbol", "whom"),
    [
        (linked.THROW, "torch"),
        ("_ZN2at4_ops9from_file4callESt17basic_string_viewIcSt11char_traitsIcEE", "torch"),
        ("_ZN5torch8autograd12VariableInfoC1ERKN2at6TensorE", "torch"),
        ("_ZTIN3c105ErrorE", "torch"),
        ("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_appendEPKcm", ""),
        ("ncclCommRegister", "nvidia-nccl-cu12"),
        ("cudaGetDriverEntryPointByVersion", "nvidia-cuda-runtime-cu12"),
        ("__nvJitLinkComplete_12_4", "nvidia-nvjitlink-cu12"),
        ("cublasLtMatmul", "nvidia-cublas"),
        ("cuMemCreate", "__driver"),
        ("nvmlDeviceGetCount_v2", "__driver"),
        ("Py_Version", "__python"),
        ("currentTime", ""),
    ],
)
def test_a_symbol_tells_who_defines_it(symbol: str, whom: str) -> None:
    assert provider(healthy(), linked.undefined(symbol)) == whom


@pytest.mark.parametrize(
    ("soname", "whom"),
    [
        ("libcudart.so.12", "nvidia-cuda-runtime-cu12"),
        ("libcudart.so.13", "nvidia-cuda-runtime"),
        ("libcublasLt.so.12", "nvidia-cublas-cu12"),
        ("libcudnn_graph.so.9", "nvidia-cudnn"),
        ("libtorch_cuda.so", "torch"),
        ("libc10.so", "torch"),
        ("libc.so.6", "__glibc"),
        ("libcuda.so.1", "__driver"),
        ("libpython3.10.so.1.0", "__python"),
        ("libavutil.so.56", ""),
    ],
)
def test_a_missing_library_tells_which_distribution_brings_it(soname: str, whom: str) -> None:
    assert provider(healthy(), linked.not_found(soname, "vllm/_C.abi3.so")) == whom


def test_of_the_wheels_for_two_cudas_the_one_that_torch_asks_for_is_named() -> None:
    both = put(healthy(), dist("nvidia-nccl-cu13", "2.28.9"))
    assert provider(both, linked.not_found("libnccl.so.2", "torch/lib/libtorch_cuda.so")) == "nvidia-nccl-cu12"


def test_the_library_that_was_found_counts_before_the_symbol() -> None:
    problem = linked.undefined("cublasLtMatmul", of="~/venv/lib/python3.11/site-packages/nvidia/nccl/lib/libnccl.so.2")
    assert provider(healthy(), problem) == "nvidia-nccl-cu12"


def test_a_version_that_is_missing_is_the_librarys() -> None:
    problem = LinkProblem(kind="missing-version", file="a.so", wants="GLIBC_2.38", of="libc.so.6", message="not found")
    assert provider(healthy(), problem) == "__glibc"


def test_providers_are_named_as_one_says_them() -> None:
    assert named(healthy(), "torch") == "torch 2.5.1"
    assert named(healthy(), "__python") == "Python 3.11.10"
    assert named(healthy(), "__glibc") == "glibc"


def test_a_long_symbol_is_cut() -> None:
    assert shortened("x" * 100) == "x" * 60 + "..."
