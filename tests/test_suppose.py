"""Facts as they would be after a change."""

from __future__ import annotations

import pytest

from envdoctor import views
from envdoctor.errors import UserError
from envdoctor.facts import Facts, Known, Unknown, need
from envdoctor.linkage import Overwritten
from envdoctor.suppose import parse, require_known, supposing, validate
from tests.factory import MATRIX, SITE, blind, edit, healthy, without_driver


def test_a_supposed_driver_answers_on_every_rung_and_says_so() -> None:
    facts = supposing(healthy(), {"driver": "535.161.08"}, MATRIX)
    leaf = views.driver_version(facts)
    assert leaf == Known("535.161.08", "supposed (driver=535.161.08)")
    assert need(facts.driver.cuda_api) == "12.2"
    assert need(facts.driver.libcuda)[0].version == "535.161.08"


def test_no_driver_can_be_supposed() -> None:
    facts = supposing(healthy(), {"driver": "none"}, MATRIX)
    assert need(views.driver_version(facts)) is None
    assert need(facts.driver.libcuda) == ()


def test_eight_gpus_of_a_product_can_be_supposed() -> None:
    facts = supposing(healthy(), {"gpu": "8xb200"}, MATRIX)
    devices = need(facts.gpus.devices)
    assert len(devices) == 8
    assert need(devices[7].compute_capability) == "10.0"


def test_a_gpu_supposed_on_a_machine_without_driver_leaves_the_driver_unknown_with_what_to_add() -> None:
    facts = supposing(without_driver(healthy()), {"gpu": "h100"}, MATRIX)
    leaf = views.driver_version(facts)
    assert isinstance(leaf, Unknown)
    assert "--suppose driver=" in leaf.why
    both = supposing(without_driver(healthy()), {"gpu": "h100", "driver": "550.54.15"}, MATRIX)
    assert need(views.driver_version(both)) == "550.54.15"


def test_a_supposed_torch_takes_its_build_from_the_data() -> None:
    facts = supposing(healthy(), {"torch": "2.11.0"}, MATRIX)
    build = need(facts.builds.torch)
    assert build is not None
    assert build.cuda == "13.0"
    assert "sm_100" in need(build.gpu_archs)
    assert views.version_of(facts, "torch") == views.parsed("2.11.0")
    assert all(one.package != "torch" for one in need(facts.builds.extensions))


def test_a_local_version_says_which_cuda_and_its_architectures_are_then_not_known() -> None:
    build = need(supposing(healthy(), {"torch": "2.11.0+cu126"}, MATRIX).builds.torch)
    assert build is not None
    assert build.cuda == "12.6"
    assert isinstance(build.gpu_archs, Unknown)


def test_a_torch_the_data_does_not_know_is_unknown() -> None:
    assert isinstance(supposing(healthy(), {"torch": "9.9.9"}, MATRIX).builds.torch, Unknown)


def test_a_supposed_vllm_brings_the_pins_the_data_knows() -> None:
    facts = supposing(healthy(), {"vllm": "0.8.5"}, MATRIX)
    one = views.installed(facts, "vllm")
    assert one is not None
    assert "torch==2.6.0" in one.requires


def test_a_package_can_be_supposed_away() -> None:
    assert views.installed(supposing(healthy(), {"xformers": "none"}, MATRIX), "xformers") is None


def test_glibc_and_python_can_be_supposed() -> None:
    facts = supposing(healthy(), {"glibc": "2.28", "python": "3.13.1"}, MATRIX)
    assert need(facts.host.libc).version == "2.28"
    assert need(facts.python).version == "3.13.1"


def test_supposing_numpy_2_leaves_its_modules_unknown_and_numpy_1_has_none() -> None:
    assert isinstance(supposing(healthy(), {"numpy": "2.2.0"}, MATRIX).builds.numpy1_modules, Unknown)
    facts = edit(healthy(), builds__numpy1_modules=Unknown("x"))
    assert supposing(facts, {"numpy": "1.26.4"}, MATRIX).builds.numpy1_modules == Known((), "supposed (numpy=1.26.4)")


@pytest.mark.parametrize("word", ["driver", "=535", "driver=", "  =  "])
def test_a_word_that_is_not_name_equals_value_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="is not NAME=VALUE"):
        parse((word,))


def test_an_unknown_gpu_names_the_nearest_one() -> None:
    with pytest.raises(UserError) as caught:
        supposing(healthy(), {"gpu": "h10"}, MATRIX)
    assert 'Did you mean "h100' in caught.value.hint


@pytest.mark.parametrize("changes", [{"driver": "new"}, {"torch": "latest"}, {"glibc": "2.x"}])
def test_a_value_that_is_no_version_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(UserError, match="is not a version"):
        supposing(healthy(), changes, MATRIX)


@pytest.mark.parametrize("words", [("driver=1", "driver=2"), ("gpu=h100,driver=535.1",)])
def test_a_name_twice_or_several_in_one_word_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UserError):
        parse(words)


@pytest.mark.parametrize("changes", [{"gpu": "0xh100"}, {"glibc": "none"}, {"python": "none"}, {"driver": "x"}])
def test_what_makes_no_sense_on_any_facts_is_refused_before_they_are_read(changes: dict[str, str]) -> None:
    with pytest.raises(UserError):
        validate(changes, MATRIX)


def test_no_gpu_can_be_supposed() -> None:
    facts = supposing(healthy(), {"gpu": "none"}, MATRIX)
    assert need(facts.gpus.devices) == ()
    assert need(facts.gpus.pci) == ()


def test_a_misspelt_package_is_an_error_that_names_the_nearest_and_a_known_one_is_not() -> None:
    require_known({"driver": "1", "torch": "2.6.0", "env:X": "1", "verl": "0.9.0", "nvidia-nccl-cu12": "2"}, healthy(), MATRIX)
    with pytest.raises(UserError) as caught:
        require_known({"drvier": "535.161.08"}, healthy(), MATRIX)
    assert 'Did you mean "driver"?' in caught.value.hint


def test_the_kernels_of_another_torch_are_dropped_and_those_of_another_vllm_come_from_the_data() -> None:
    def packages(facts: Facts) -> list[str]:
        return [one.package for one in need(facts.device_code)]

    assert packages(healthy()).count("torch") == 2
    assert "torch" not in packages(supposing(healthy(), {"torch": "2.6.0"}, MATRIX))
    assert "vllm" not in packages(supposing(healthy(), {"vllm": "none"}, MATRIX))
    other = supposing(healthy(), {"vllm": "0.8.5.post1"}, MATRIX)
    assert {one.path for one in need(other.device_code) if one.package == "vllm"} == {
        "vllm/_C.abi3.so", "vllm/_flashmla_C.abi3.so", "vllm/_moe_C.abi3.so",
        "vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so", "vllm/vllm_flash_attn/_vllm_fa3_C.abi3.so",
    }  # fmt: skip
    assert isinstance(other.device_code, Known)
    assert other.device_code.via.startswith("bytes of the wheel vllm-0.8.5.post1-")


def test_shared_files_stay_in_question_until_every_owner_is_gone_or_installed_again() -> None:
    shared = Overwritten(path="pkg/a.py", count=2, owners=("numpy", "ours"), winner="ours", sampled=1)
    facts = edit(healthy(), overwritten=Known((shared,), SITE))
    (left,) = need(supposing(facts, {"ours": "none"}, MATRIX).overwritten)
    assert (left.owners, left.winner) == (("numpy",), None)
    assert need(supposing(facts, {"ours": "none", "numpy": "1.26.4"}, MATRIX).overwritten) == ()
    assert need(supposing(facts, {"triton": "3.2.0"}, MATRIX).overwritten) == (shared,)


def test_what_nobody_read_of_kernels_and_files_stays_unknown() -> None:
    facts = supposing(blind(healthy(), "device_code", "overwritten"), {"vllm": "0.8.5.post1"}, MATRIX)
    assert isinstance(facts.device_code, Unknown)
    assert isinstance(facts.overwritten, Unknown)
