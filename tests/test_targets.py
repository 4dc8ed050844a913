"""Every target profile against the compatibility data: no fact in it that the data does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from envdoctor import targets
from envdoctor.claims import admits, exact_pin
from envdoctor.errors import UserError
from envdoctor.matrix import Matrix
from envdoctor.reasons import reasons
from envdoctor.stacks import Asked, table
from envdoctor.suppose import known_pins

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.targets import Profile

MATRIX = Matrix()
EVERY = targets.every()
WITH_GPU = sorted(name for name, one in EVERY.items() if one.gpu is not None)
SEVEN = ("a100", "b200", "cpu", "h100", "h200", "l40s", "rtx4090")


def pins(profile: Profile) -> dict[str, Version]:
    """What the profile pins, and what its engine pins of torch."""
    found = {}
    for line in profile.stack:
        one = Requirement(line)
        version = exact_pin(str(one.specifier))
        if version is not None:
            found[one.name] = version
    if "vllm" in found and "torch" not in found:
        torch = exact_pin(known_pins("vllm", str(found["vllm"]), MATRIX)["torch"])
        assert torch is not None
        found["torch"] = torch
    return found


def test_the_targets_are_these_seven() -> None:
    assert targets.names() == SEVEN


@pytest.mark.parametrize("name", SEVEN)
def test_a_profile_is_named_like_its_file_and_says_why_for_every_choice(name: str) -> None:
    one = EVERY[name]
    asked = {Requirement(line).name for line in one.stack}
    chosen = {"base_image", "glibc", "python", "cuda", *(["driver_floor"] if one.driver_floor else [])}
    assert one.name == name
    assert asked | chosen <= set(one.why)
    assert set(one.why) <= asked | chosen | {"vllm"}
    assert all("\n" not in text and text.endswith(".") for text in (one.says, *one.why.values()))


@pytest.mark.parametrize("name", WITH_GPU)
def test_capability_and_memory_are_those_of_the_gpu_in_the_data(name: str) -> None:
    one = EVERY[name]
    (row,) = [row for row in MATRIX.gpu_products() if row.key == one.gpu]
    assert (one.compute_capability, one.memory_gib) == (row.compute_capability, row.memory_gib)


@pytest.mark.parametrize("name", SEVEN)
def test_cuda_is_that_of_the_stacks_torch_and_the_driver_floor_that_of_the_cuda(name: str) -> None:
    one = EVERY[name]
    torch = str(pins(one)["torch"])
    (built,) = [row for row in MATRIX.torch_releases() if row.torch == torch]
    (cuda,) = [row for row in MATRIX.cuda_releases() if row.cuda == built.cuda]
    assert one.cuda == cuda.cuda
    assert one.driver_floor == (cuda.floor_driver if one.gpu else None)


@pytest.mark.parametrize("name", SEVEN)
def test_glibc_and_python_are_those_of_the_base_image(name: str) -> None:
    one = EVERY[name]
    if one.gpu is None:
        distribution = one.base_image.replace(":", "")
        rows = [row for row in MATRIX.cuda_images() if row.image.endswith(f"-{distribution}")]
    else:
        rows = [row for row in MATRIX.cuda_images() if row.image == one.base_image]
        assert {row.cuda for row in rows} == {one.cuda}
    assert {(row.glibc, row.python) for row in rows} == {(one.glibc, one.python)}


@pytest.mark.parametrize("name", SEVEN)
def test_the_stack_is_judged_to_work_on_that_machine(name: str) -> None:
    one = EVERY[name]
    wishes = {package: str(version) for package, version in pins(one).items()}
    said = reasons({**wishes, **one.suppositions()}, MATRIX)
    assert said.told()
    assert said.works()
    assert not said.broken


@pytest.mark.parametrize("name", WITH_GPU)
def test_engine_and_trainer_are_a_stack_of_the_table_for_that_gpu_and_driver(name: str) -> None:
    one = EVERY[name]
    chosen = pins(one)
    (gpu,) = [row for row in MATRIX.gpu_products() if row.key == one.gpu]
    ranges = {package: f"=={version}" for package, version in chosen.items()}
    asked = Asked(packages=ranges, gpu=gpu, driver=one.driver_floor, python=one.python, glibc=one.glibc)
    (stack,) = table(MATRIX, asked).stacks
    assert stack.driver_floor == one.driver_floor
    assert {package: Version(stack.versions[package]) for package in chosen} == chosen


@pytest.mark.parametrize("name", WITH_GPU)
def test_the_trainers_own_code_accepts_the_engine(name: str) -> None:
    chosen = pins(EVERY[name])
    (said,) = [row for row in MATRIX.code_ranges("trl") if row.version == str(chosen["trl"])]
    assert said.engine == "vllm"
    assert admits(said.accepts, chosen["vllm"])


def test_a_target_that_is_none_names_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        targets.profile("h10")
    assert 'Did you mean "h100"?' in caught.value.hint
    with pytest.raises(UserError):
        targets.profile("../targets/h100")


OWN = """name = "gh200"
says = "A Grace Hopper node of our own."
base_image = "debian:bookworm-slim"
glibc = "2.36"
python = "3.11"
stack = ["numpy"]
why = {numpy = "It is all we need."}
"""


def own(folder: Path, text: str = OWN, name: str = "gh200.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_profile_of_the_users_own_is_named_by_its_path(tmp_path: Path) -> None:
    found = targets.profile(own(tmp_path))
    assert (found.name, found.stack, found.gpu) == ("gh200", ("numpy",), None)
    assert "gh200" not in targets.names()


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (OWN, "other.toml", "is the profile of 'gh200'"),
        (OWN.replace('"gh200"', '"../gh200"'), "gh200.toml", "is the profile of '../gh200'"),
        (OWN + "nonsense = 1\n", "gh200.toml", "`nonsense`"),
        (OWN.replace('["numpy"]', "[]"), "gh200.toml", "`$.stack`"),
        (OWN.replace('glibc = "2.36"\n', ""), "gh200.toml", "`glibc`"),
        ("[", "gh200.toml", "is no target profile"),
    ],
)
def test_a_profile_that_is_none_is_told_with_what_is_wrong_and_an_example(
    tmp_path: Path, text: str, name: str, says: str
) -> None:
    with pytest.raises(UserError) as caught:
        targets.profile(own(tmp_path, text, name))
    assert says in caught.value.what
    assert "h100.toml" in caught.value.hint


def test_a_profile_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        targets.profile(f"{tmp_path}/none.toml")


def test_the_platform_is_the_glibc_of_the_image() -> None:
    assert EVERY["h100"].platform == "x86_64-manylinux_2_39"
    assert EVERY["cpu"].suppositions()["driver"] == "none"
