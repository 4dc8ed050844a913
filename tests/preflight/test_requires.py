"""What a job needs and is not here: counted GPUs, versions, packages, another GPU than the profile's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.facts import Known
from envdoctor.preflight.asked import requirements
from envdoctor.preflight.outcome import Problem, Question
from envdoctor.preflight.requires import lacking, of_profile
from envdoctor.sources.lock import facts_of_lock
from tests.factory import MATRIX, blind, drop, edit, gpu, healthy, with_driver, without_driver
from tests.locks.sample import h100

if TYPE_CHECKING:
    from envdoctor.facts import Facts


def said(words: str, facts: Facts) -> list[Problem | Question]:
    return list(lacking(requirements((words,)), facts))


@pytest.mark.parametrize(
    "words", ["gpu", "gpu>=1", "torch", "torch>=2", "vllm", "python>=3.8", "driver>=450", "cuda>=11", "glibc>=2.17"]
)
def test_what_is_there_is_not_told(words: str) -> None:
    assert said(words, healthy()) == []


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("gpu>=8", "gpu>=8 is required, and 1 GPU answered"),
        ("torch>=99", "torch>=99 is required, and torch is "),
        ("no-such-package", "no-such-package is required, and it is not installed"),
        ("driver>=999", "driver>=999 is required, and driver is "),
    ],
)
def test_what_is_not_there_is_a_problem_with_both_values(words: str, title: str) -> None:
    (one,) = said(words, edit(healthy(), gpus__devices=Known((gpu(),), "NVML")))
    assert isinstance(one, Problem)
    assert one.title.startswith(title)
    assert one.counts
    assert one.says
    assert [seen.what for seen in one.evidence] == [words.partition(">")[0], "required"]


def test_without_a_driver_a_gpu_and_a_driver_are_lacking() -> None:
    found = said("gpu,driver>=535", without_driver(healthy()))
    assert [one.code for one in found] == ["REQUIRE-GPU", "REQUIRE-DRIVER"]
    assert "no GPU answered" in found[0].title if isinstance(found[0], Problem) else False


def test_what_was_not_observed_is_a_question_and_neither_there_nor_lacking() -> None:
    (one,) = said("gpu", blind(healthy(), "gpus__devices"))
    assert one == Question(one.tier, "REQUIRE-GPU", "Is gpu here?", "no answer in 5 s")
    (one,) = said("trl", blind(healthy(), "packages__distributions"))
    assert isinstance(one, Question)


def test_the_build_of_vllm_for_cpus_brings_vllm_too() -> None:
    facts = drop(healthy(), "vllm")
    assert [one.code for one in said("vllm", facts)] == ["REQUIRE-VLLM"]


def test_another_gpu_than_the_profiles_is_a_problem_and_the_same_one_is_none() -> None:
    assert list(of_profile("h100", healthy(), MATRIX)) == []
    (one,) = of_profile("b200", healthy(), MATRIX)
    assert "The profile is b200, and this machine has NVIDIA H100" in one.title
    assert list(of_profile(None, healthy(), MATRIX)) == []


def test_of_a_lock_and_of_a_machine_without_an_answer_the_profile_says_nothing() -> None:
    assert list(of_profile("b200", facts_of_lock(h100(), MATRIX), MATRIX)) == []
    assert list(of_profile("b200", blind(healthy(), "gpus__devices"), MATRIX)) == []
    assert list(of_profile("b200", with_driver(without_driver(healthy()), "580.65.06", "13.0"), MATRIX)) == []
