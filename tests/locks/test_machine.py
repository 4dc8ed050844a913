"""What a lock assumes of the machine follows from its torch."""

from __future__ import annotations

import pytest

from envdoctor import targets
from envdoctor.locks.machine import cuda_of, machine
from envdoctor.matrix import Matrix

MATRIX = Matrix()
H100, CPU = targets.profile("h100"), targets.profile("cpu")


@pytest.mark.parametrize(
    ("torch", "backend", "cuda"),
    [
        ("2.13.0", None, "13.0"),
        ("2.5.1", None, "12.4"),
        ("2.7.0+cu126", None, "12.6"),
        ("2.13.0+cpu", None, None),
        ("2.13.0", "cu128", "12.8"),
        ("99.0", None, None),
    ],
)
def test_the_cuda_of_a_torch_is_in_its_local_version_or_in_the_data(torch: str, backend: str | None, cuda: str | None) -> None:
    assert cuda_of(torch, backend, MATRIX) == cuda


def test_with_the_profiles_own_cuda_everything_is_the_profiles() -> None:
    assert machine(H100, "2.13.0", None, MATRIX) == (H100.cuda, H100.driver_floor, H100.base_image, ())
    assert machine(H100, None, None, MATRIX) == (H100.cuda, H100.driver_floor, H100.base_image, ())


def test_another_cuda_brings_its_driver_floor_and_an_image_of_the_same_glibc() -> None:
    found = machine(H100, "2.7.0+cu126", None, MATRIX)
    assert found == ("12.6", "525.60.13", "nvidia/cuda:12.6.3-devel-ubuntu24.04", ())


def test_where_the_data_has_no_such_image_the_profiles_stays_and_that_is_said() -> None:
    found = machine(H100, "2.5.1", None, MATRIX)
    assert (found.cuda, found.base_image) == ("12.4", H100.base_image)
    assert "no base image with CUDA 12.4 and glibc 2.39" in found.notes[0]


def test_a_machine_without_gpu_needs_no_driver() -> None:
    assert machine(CPU, "2.13.0+cpu", None, MATRIX) == (None, None, CPU.base_image, ())
