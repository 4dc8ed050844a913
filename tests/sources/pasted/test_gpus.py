"""Names of GPUs to compute capabilities, and what CUDA compilers make code for."""

from __future__ import annotations

import pytest

from envdoctor.sources.pasted.gpus import capability, compiled_for
from envdoctor.sources.pasted.names import gpu_model
from tests.factory import MATRIX

NAMES = {
    "NVIDIA GeForce RTX 5090 D": "12.0", "rtx5070ti": "12.0", "NVIDIA RTX PRO 6000 Blackwell Server Edition": "12.0", "RTX PRO 4000 Blackwell": "12.0",
    "NVIDIA GB10": "12.1", "NVIDIA DGX Spark": "12.1", "NVIDIA B200": "10.0", "NVIDIA GB200": "10.0", "NVIDIA B300 SXM6 AC": "10.3",
    "NVIDIA H100 80GB HBM3": "9.0", "NVIDIA H100 NVL": "9.0", "NVIDIA H800": "9.0", "NVIDIA H20": "9.0", "NVIDIA H20-3e": "9.0", "NVIDIA GH200 480GB": "9.0",
    "NVIDIA H200 NVL": "9.0", "NVIDIA L40S": "8.9", "NVIDIA L4": "8.9", "NVIDIA L20": "8.9", "NVIDIA RTX 6000 Ada Generation": "8.9",
    "NVIDIA RTX 4000 SFF Ada Generation": "8.9", "NVIDIA GeForce RTX 4070 Ti SUPER": "8.9", "NVIDIA GeForce RTX 4090 Laptop GPU": "8.9",
    "NVIDIA A40": "8.6", "NVIDIA A10G": "8.6", "NVIDIA A10": "8.6", "NVIDIA A16": "8.6", "NVIDIA RTX A6000": "8.6", "NVIDIA GeForce RTX 3050 Ti Laptop GPU": "8.6",
    "NVIDIA A100-SXM4-40GB": "8.0", "NVIDIA A100-PCIE-40GB": "8.0", "A800-SXM4-80GB": "8.0", "NVIDIA A30": "8.0",
    "Tesla T4": "7.5", "Quadro RTX 8000": "7.5", "Quadro RTX 4000": "7.5", "NVIDIA TITAN RTX": "7.5", "NVIDIA GeForce RTX 2080 Ti": "7.5",
    "GeForce GTX 1660 Ti": "7.5", "Tesla V100-SXM2-32GB": "7.0", "NVIDIA TITAN V": "7.0", "Tesla P40": "6.1", "Tesla P4": "6.1", "GeForce GTX 1080 Ti": "6.1",
    "NVIDIA TITAN Xp": "6.1", "Tesla P100-PCIE-16GB": "6.0", "GeForce GTX TITAN X": "5.2", "Tesla M60": "5.2", "Tesla K80": "3.7",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_tells_the_compute_capability(name: str) -> None:
    assert capability(name, MATRIX) == NAMES[name]


@pytest.mark.parametrize(
    "name", ["NVIDIA GeForce ...", "Graphics Device", "AMD Instinct MI300X", "RTX 4000", "", "A1000000", "H1000"]
)
def test_a_name_that_says_too_little_tells_none(name: str) -> None:
    assert capability(name, MATRIX) is None


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("INFO [patch.py:252] NVFP4 W4A4 weight_scale NaN-clamp: installed.", None),
        ("8xH200 node", "H200 node"),
        ("8x NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB"),
        ("2 × RTX 3090", "RTX 3090"),
        ("an RTX4090 with 24 GB", "RTX4090 with 24 GB"),
        ("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-16GB"),
        ("no GPU", None),
        ("python 3.10", None),
    ],
)  # fmt: skip
def test_the_gpu_that_a_text_names(text: str, model: str | None) -> None:
    assert gpu_model(text) == model


def test_what_compilers_make_code_for() -> None:
    assert "sm_120" in compiled_for("12.8", MATRIX)
    assert "sm_120" not in compiled_for("12.6", MATRIX)
    assert "sm_90" not in compiled_for("11.7", MATRIX)
    assert "sm_70" in compiled_for("12.9", MATRIX)
    assert "sm_70" not in compiled_for("13.0", MATRIX)
    assert "sm_37" in compiled_for("11.8", MATRIX)
    assert "sm_37" not in compiled_for("12.0", MATRIX)
    assert compiled_for("not a version", MATRIX) == ()


def test_each_target_gpu_of_the_data_can_be_compiled_for_by_its_newest_compiler() -> None:
    newest = max((row.cuda for row in MATRIX.cuda_releases()), key=lambda cuda: tuple(map(int, cuda.split("."))))
    known = compiled_for(newest, MATRIX)
    for row in MATRIX.gpu_products():
        if float(row.compute_capability) >= 7.5:
            assert f"sm_{row.compute_capability.replace('.', '')}" in known, row.name


def test_names_and_products_agree() -> None:
    for row in MATRIX.gpu_products():
        assert capability(row.name, MATRIX) == row.compute_capability, row.name
