"""Which of several versions counts, and what a torch of another build is not held to."""

from __future__ import annotations

import pytest

from envdoctor.facts import Distribution, Facts, Known, Unknown, need
from envdoctor.sources import pasted
from tests.factory import MATRIX


def read(text: str) -> Facts:
    return pasted.facts_of(text.encode(), "a test", MATRIX)


def there(text: str) -> dict[str, Distribution]:
    leaf = read(text).packages.distributions
    return {one.name: one for one in leaf.value} if isinstance(leaf, Known) else {}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("pip install trl==0.9.6\ntrl                0.15.2\n", "0.15.2"),
        ("trl==0.15.2\npip install trl==0.9.6\n", "0.15.2"),
        ("trl==0.9.6\nafter that:\ntrl==0.15.2\n", "0.15.2"),
        ("TRL version: 0.15.2\nsomebody runs trl 0.9.6 fine\n", "0.15.2"),
        ("trl 0.9.6 is here, trl 0.15.2 is there", None),
        ("    Found existing installation: trl 0.9.6\nSuccessfully installed trl-0.15.2 peft-0.15.0\n", "0.15.2"),
        ("A new version of trl (0.19.0) is available!", None),
        ("Collecting trl==0.19.0\n", None),
        ("ERROR: No matching distribution found for trl==9.9.9\n", None),
        ("if trl.__version__ == '0.1':\nassert trl == 0.1.2\n", "0.1.2"),
        ("rc == 0\nsys.version_info.major==3\n", None),
    ],
)
def test_the_version_that_counts(text: str, version: str | None) -> None:
    found = there(text).get("trl")
    assert (None if found is None else found.version) == version


def test_a_package_says_where_it_was_read() -> None:
    assert there("x\ntrl==0.15.2\n")["trl"].metadata_dir == "line 2 of the report (pip freeze)"


@pytest.mark.parametrize(
    ("text", "torch"),
    [
        ("torch==2.6.0\nPyTorch version: 2.6.0+cu124\n", "2.6.0+cu124"),
        ("PyTorch version: 2.6.0+cu124\ntorch==2.6.0\n", "2.6.0+cu124"),
        ("Torch: 2.5.1\n    PyTorch 2.6.0+cu124 with CUDA 1204 (you have 2.5.1+cu121)\n", "2.5.1+cu121"),
        ("    PyTorch 2.2.0+cu121 with CUDA 1201 (you have 2.2.0+cpu)\n", "2.2.0+cpu"),
        ("[conda] pytorch   2.4.1   py3.11_cuda12.1_cudnn9.1.0_0    pytorch\n", "2.4.1"),
    ],
)
def test_torchs_own_word_names_its_build(text: str, torch: str) -> None:
    assert there(text)["torch"].version == torch


@pytest.mark.parametrize("torch", ["2.5.0+rocm6.2", "2.6.0a0+ecf3bae40a.nv25.01", "2.5.1+xpu"])
def test_a_torch_of_another_kind_is_not_held_to_what_an_index_pins(torch: str) -> None:
    assert there(f"vllm==0.8.5\ntorch=={torch}\ntriton==3.1.0\n")["vllm"].requires == ()
    assert "torch==2.6.0" in there("vllm==0.8.5\ntorch==2.6.0+cu124\n")["vllm"].requires


def test_condas_torch_asks_for_no_wheels() -> None:
    row = "pytorch                   2.4.1           py3.11_cuda12.1_cudnn9.1.0_0    pytorch\n"
    assert there(f"{row}triton==9.9\n")["torch"].requires == ()


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("PyTorch version: 2.5.0+rocm6.2\n", None),
        ("[conda] pytorch   2.1.2   py3.10_cuda11.8_cudnn8.7.0_0    pytorch\n", "11.8"),
        ("[conda] pytorch   2.1.2   cpu_py310h1234567_0    conda-forge\n", None),
        ("    pytorch-1.12.1             |      py3.8_cpu_0       133.8 MB  pytorch\n", None),
        ("  pytorch            pytorch/linux-64::pytorch-2.1.2-py3.10_cuda11.8_cudnn8.7.0_0\n", "11.8"),
        ("PyTorch version: 2.2.2\nCUDA used to build PyTorch: Could not collect\n", None),
        ("PyTorch version: 2.0.1+cu118.with.pypi.cudnn\n", "11.8"),
        ("PyTorch version: 2.6.0a0+ecf3bae40a.nv25.01\nCUDA used to build PyTorch: 12.8\n", "12.8"),
    ],
)
def test_how_torch_was_built(text: str, cuda: str | None) -> None:
    build = need(read(text).builds.torch)
    assert build is not None
    assert build.cuda == cuda


def test_a_release_without_its_build_beside_another_cuda_may_be_another_build() -> None:
    assert isinstance(read("PyTorch: 2.7.0\nCUDA: 12.8\nGPU: RTX 5090\n").builds.torch, Unknown)
    assert isinstance(read("PyTorch: 2.7.0\nCUDA: 12.6\n").builds.torch, Known)


def test_architectures_that_a_compiler_cannot_make_are_told_only_where_a_gpu_needs_them() -> None:
    for gpu, known in (("RTX 5090", True), ("RTX 4090", False)):
        build = need(read(f"PyTorch version: 2.4.0+cu124\nGPU: {gpu}\n").builds.torch)
        assert build is not None
        assert isinstance(build.gpu_archs, Known) == known


def test_windows_is_no_wsl_and_what_linux_says_of_windows_driver_is() -> None:
    assert isinstance(read("OS: Microsoft Windows 11 Pro\n").host.wsl, Unknown)
    assert isinstance(read("Please use WSL2 instead.\n").host.wsl, Unknown)
    assert read("| NVIDIA-SMI 575.51.02   Driver Version: 576.02   CUDA Version: 12.9 |\n").host.wsl == Known(
        2, "the report speaks of WSL"
    )


def test_a_python_that_read_its_own_binary_does_not_know_the_c_library() -> None:
    assert isinstance(read("Libc version: glibc-2.17\nPython version: 3.7.9 (64-bit runtime)\n").host.libc, Unknown)
    assert isinstance(read("Libc version: glibc-2.9\n").host.libc, Unknown)
    assert need(read("Libc version: glibc-2.17\nPython version: 3.9.1\n").host.libc).version == "2.17"


def test_secrets_are_not_taken_from_variables() -> None:
    facts = read(
        "export VLLM_API_KEY=abc123\nHF_TOKEN=hf_0123456789abcdef0123\nNCCL_DEBUG=INFO\ndocker run -e VLLM_USE_V1=0 -e NCCL_SOCKET_IFNAME=eth0 x\n"
    )
    assert facts.environ == Known({"NCCL_DEBUG": "INFO", "VLLM_USE_V1": "0", "NCCL_SOCKET_IFNAME": "eth0"}, "the report")
