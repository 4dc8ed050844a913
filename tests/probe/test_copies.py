"""The shadowing map: which of several copies of a library wins after ``import torch``, and which without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.probe.samples import put
from tests.probe.shared_objects import Asks, Gives, shared_object
from tests.probe.test_linking import module
from tests.probe.test_linkmap import supported
from tests.probe.test_torch_import import LIST, cublas, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.probe.linked import Environment

pytestmark = pytest.mark.skipif(not supported(), reason="this Python is not started by glibc's loader")


@pytest.fixture
def healthy(tmp_path: Path) -> Environment:
    """Torch and the CUDA libraries of its wheels."""
    made = environment(tmp_path, LIST)
    made.add("nvidia-cublas-cu12", cublas())
    return made


def test_the_copy_that_torch_maps_wins_and_without_torch_the_module_takes_another(healthy: Environment, tmp_path: Path) -> None:
    toolkit = put(tmp_path / "toolkit/libcublas.so.12", shared_object("libcublas.so.12", gives=(Gives("cublasCreate"),)))
    put(tmp_path / "toolkit/libcublasLt.so.12", shared_object("libcublasLt.so.12"))
    user = module("_ops", needs=("libcublas.so.12",), asks=(Asks("cublasCreate"),))
    healthy.add("sgl-kernel", {"sgl_kernel/_ops.abi3.so": user})
    copies = healthy.linked({"LD_LIBRARY_PATH": str(toolkit.parent)})["copies"]["value"]
    wheel = f"{healthy.site}/nvidia/cublas/lib/libcublas.so.12"
    assert [one for one in copies if one["soname"] == "libcublas.so.12"] == [
        {
            "soname": "libcublas.so.12", "path": wheel, "package": "nvidia-cublas-cu12", "origin": "import torch",
            "taken_by": ["sgl-kernel", "torch"], "taken_alone": [],
        },
        {
            "soname": "libcublas.so.12", "path": str(toolkit), "package": None, "origin": "LD_LIBRARY_PATH",
            "taken_by": [], "taken_alone": ["sgl-kernel", "torch"],
        },
    ]  # fmt: skip


def test_a_copy_that_a_package_carries_is_named_by_the_file_whose_run_path_finds_it(healthy: Environment) -> None:
    healthy.add(
        "torchvision",
        {
            "torchvision/_C.so": shared_object(needs=("libcudart.so.12",)),
            "torchvision/image.so": shared_object(needs=("libcudart-0a1b2c3d.so.12",), runpath="$ORIGIN/../torchvision.libs"),
            "torchvision.libs/libcudart-0a1b2c3d.so.12": shared_object("libcudart.so.12"),
        },
    )
    copies = {one["path"]: one for one in healthy.linked()["copies"]["value"]}
    own = copies[f"{healthy.site}/torchvision.libs/libcudart-0a1b2c3d.so.12"]
    assert (own["package"], own["origin"]) == ("torchvision", f"run path of {healthy.site}/torchvision/image.so")
    assert own["taken_by"] == ["torchvision"]
    wheel = copies[f"{healthy.site}/nvidia/cuda_runtime/lib/libcudart.so.12"]
    assert wheel["taken_by"] == ["torch", "torchvision"]


def test_a_library_that_is_there_once_is_not_listed_whatever_its_names(healthy: Environment, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/libcublas.so.12").symlink_to(healthy.site / "nvidia/cublas/lib/libcublas.so.12")
    copies = healthy.linked({"LD_LIBRARY_PATH": str(tmp_path / "links")})["copies"]["value"]
    assert "libcublas.so.12" not in {one["soname"] for one in copies}
