"""The questions that several rules ask of Facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from envdoctor.facts import Extension, Known, Libc, NotObserved, Smi, Unknown
from envdoctor.views import (
    distributions,
    driver_version,
    extensions_needing,
    gpus,
    in_container,
    installed,
    library_path_without,
    metadata_path,
    normalized,
    parsed,
    readable,
    torch_cuda,
    version_leaf,
    version_of,
    virtual,
    wants_gpu,
)
from tests.factory import SITE, blind, dist, drop, edit, gpu, healthy, put, with_driver, with_torch, without_driver

if TYPE_CHECKING:
    from envdoctor.facts import Facts


def with_environ(**variables: str) -> Facts:
    return edit(healthy(), environ=Known(variables, "the environment of the target"))


def test_names_are_compared_in_pep_503_normal_form() -> None:
    assert normalized("Flash_Attn.X--y") == "flash-attn-x-y"
    assert installed(put(healthy(), dist("flashinfer_python", "0.6.14")), "flashinfer-python") is not None


def test_of_two_distributions_of_one_name_the_first_on_the_path_wins() -> None:
    facts = healthy()
    leaf = facts.packages.distributions
    assert isinstance(leaf, Known)
    doubled = edit(facts, packages__distributions=Known((dist("Torch", "2.6.0"), *leaf.value), leaf.via))
    assert distributions(doubled)["torch"].version == "2.6.0"


def test_a_version_that_is_no_version_is_not_observed_and_an_absent_package_is_none() -> None:
    assert parsed("dev-branch") is None
    assert version_of(healthy(), "sglang") is None
    with pytest.raises(NotObserved, match="'dev-branch', is not a PEP 440 version"):
        version_of(put(healthy(), dist("vllm", "dev-branch")), "vllm")


def test_a_version_leaf_says_where_it_was_read_or_why_it_was_not() -> None:
    assert version_leaf(healthy(), "vllm") == Known(Version("0.6.6.post1"), f"{SITE}/vllm-0.6.6.post1.dist-info")
    assert version_leaf(healthy(), "sglang") == Known(None, "not installed")
    assert version_leaf(blind(healthy(), "packages__distributions"), "vllm") == Unknown("no answer in 5 s")
    assert isinstance(version_leaf(put(healthy(), dist("vllm", "x")), "vllm"), Unknown)
    assert metadata_path(distributions(healthy())["numpy"]) == f"{SITE}/numpy-1.26.4.dist-info"


def test_the_driver_ladder_takes_the_first_rung_that_answers() -> None:
    assert driver_version(with_driver(healthy(), "535.161.08", "12.2")) == Known("535.161.08", "/proc/driver/nvidia/version")
    blinded = blind(healthy(), "driver__kernel_module", "driver__sys_module")
    assert driver_version(blinded) == Known("550.54.15", "NVML")


def test_nvidia_smi_is_the_last_rung_and_one_unknown_rung_keeps_no_driver_from_being_certain() -> None:
    smi = edit(without_driver(healthy()), driver__smi=Known(Smi(driver_version="550.54.15", cuda_version=None), "nvidia-smi"))
    assert driver_version(smi) == Known("550.54.15", "nvidia-smi")
    none = driver_version(without_driver(healthy()))
    assert isinstance(none, Known)
    assert none.value is None
    assert driver_version(blind(without_driver(healthy()), "driver__nvml")) == Unknown("no answer in 5 s")
    assert driver_version(blind(without_driver(healthy()), "driver__smi")) == Unknown("no answer in 5 s")


def test_the_cuda_of_torch_is_none_for_a_cpu_build_and_without_torch() -> None:
    assert torch_cuda(healthy()) == Known("12.4", f"{SITE}/torch/version.py")
    assert torch_cuda(with_torch(healthy(), "2.5.1+cpu", None)).value is None  # type: ignore[union-attr]
    assert torch_cuda(edit(healthy(), builds__torch=Known(None, SITE))) == Known(None, SITE)
    assert torch_cuda(blind(healthy(), "builds__torch")) == Unknown("no answer in 5 s")


def test_virtual_packages_are_versions_of_the_machine() -> None:
    facts = with_driver(healthy(), "535.161.08", "12.2")
    found = {name: virtual(facts, name) for name in ("__driver", "__cuda", "__glibc", "__python", "__sm")}
    assert {name: str(leaf.value) for name, leaf in found.items() if isinstance(leaf, Known)} == {
        "__driver": "535.161.8",
        "__cuda": "12.4",
        "__glibc": "2.35",
        "__python": "3.11.10",
        "__sm": "9.0",
    }


def test_a_virtual_package_can_be_absent_unknown_or_not_exist() -> None:
    musl = edit(healthy(), host__libc=Known(Libc(name="musl", version="1.2.5"), "x"))
    assert virtual(musl, "__glibc") == Known(None, "x")
    for leaf, name in (("host__libc", "__glibc"), ("python", "__python"), ("gpus__devices", "__sm")):
        assert virtual(blind(healthy(), leaf), name) == Unknown("no answer in 5 s")
    assert virtual(healthy(), "__metal") == Unknown("there is no virtual package __metal")
    odd = edit(healthy(), host__libc=Known(Libc(name="glibc", version="two"), "x"))
    assert virtual(odd, "__glibc") == Unknown("__glibc 'two' is not a version")


def test_the_compute_capability_is_that_of_the_lowest_gpu_as_numbers_not_as_text() -> None:
    mixed = edit(healthy(), gpus__devices=Known((gpu(0, sm="12.0"), gpu(1, sm="9.0")), "NVML"))
    assert virtual(mixed, "__sm") == Known(Version("9.0"), "NVML")
    assert len(gpus(mixed)) == 2
    assert virtual(edit(healthy(), gpus__devices=Known((), "NVML")), "__sm") == Known(None, "NVML")
    sick = edit(gpu(0), compute_capability=Unknown("the GPU is lost"))  # type: ignore[arg-type]
    assert virtual(edit(healthy(), gpus__devices=Known((sick,), "NVML")), "__sm") == Unknown("the GPU is lost")


def test_what_wants_a_gpu_is_the_gpu_stack_that_is_installed() -> None:
    assert wants_gpu(healthy()) == ("vllm", "xformers")
    assert wants_gpu(drop(healthy(), "vllm", "xformers")) == ()


def test_extensions_are_found_by_the_stem_of_what_they_need() -> None:
    assert list(extensions_needing(healthy(), "libcudart")) == [
        ("torch", "torch/lib/libc10_cuda.so", "libcudart.so.12"),
        ("vllm", "vllm/_C.abi3.so", "libcudart.so.12"),
        ("torchvision", "torchvision/_C.so", "libcudart.so.12"),
    ]
    assert list(extensions_needing(healthy(), "libcuda")) == []
    own = Extension(
        package="torchvision", path="torchvision/_C.so", needed=("libcudart-5d5b7e3a.so.13", "libcudart.faf08d9a.so.13")
    )
    assert list(extensions_needing(edit(healthy(), builds__extensions=Known((own,), "x")), "libcudart")) == []


def test_a_library_path_without_a_folder_is_the_rest_unset_when_empty_and_nothing_when_it_was_not_there() -> None:
    folder = "/usr/local/cuda-12.1/lib64"
    assert library_path_without(with_environ(LD_LIBRARY_PATH=f"{folder}/:/usr/lib"), {folder}) == {"LD_LIBRARY_PATH": "/usr/lib"}
    assert library_path_without(with_environ(LD_LIBRARY_PATH=folder), {folder}) == {"LD_LIBRARY_PATH": None}
    assert library_path_without(with_environ(LD_LIBRARY_PATH="/usr/lib"), {folder}) == {}
    assert library_path_without(with_environ(), {folder}) == {}


def test_a_container_is_one_when_its_runtime_is_known() -> None:
    assert not in_container(healthy())
    assert in_container(edit(healthy(), container__runtime=Known("docker", "/.dockerenv")))


@pytest.mark.parametrize("text", ["1" * 5000, "1." + "9" * 300, "ERR!", "", "nightly"])
def test_what_is_no_version_is_none_and_never_an_exception(text: str) -> None:
    assert parsed(text) is None
    with pytest.raises(NotObserved, match="is not a version"):
        readable("the driver's version", text)


def test_a_compute_capability_that_is_no_number_is_unknown() -> None:
    facts = edit(healthy(), gpus__devices=Known((gpu(0), gpu(1, sm="N/A")), "NVML"))
    assert virtual(facts, "__sm") == Unknown("the compute capability 'N/A' is not of the form 9.0")
