"""`matrix why`: every joint between named versions, by the rules and the claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.claims import Claim
from envdoctor.errors import UserError
from envdoctor.findings import Layer, Severity
from envdoctor.reasons import Reasons, reasons
from tests import small
from tests.factory import MATRIX
from tests.small import Made

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"vllm": "0.7.3", "torch": "2.5.1", "transformers": "4.50.3", "trl": "0.16.1"}
MACHINE = {"gpu": "h100", "driver": "550.54.15", "python": "3.11", "glibc": "2.35"}


def codes(answer: Reasons) -> list[str]:
    return [one.code for one in answer.broken]


def test_versions_that_go_together_hold_and_each_joint_says_how_it_is_known() -> None:
    answer = reasons({**GOOD, **MACHINE}, MATRIX)
    assert answer.works()
    assert (answer.broken, answer.clashes) == ((), ())
    held = {(one.upper, one.lower): one for one in answer.held}
    assert held["vllm 0.7.3", "torch 2.5.1"].range == "==2.5.1"
    assert held["trl 0.16.1", "vllm 0.7.3"].layer is Layer.DECLARED
    assert held["vllm 0.7.3", "python 3.11"].source.where.startswith("METADATA of the wheel vllm-0.7.")
    assert answer.data_as_of is not None
    assert answer.data_as_of <= min(one.source.read for one in answer.held)


def test_what_was_not_named_comes_along_by_exact_pins_and_says_whose() -> None:
    answer = reasons({"vllm": "0.7.3"}, MATRIX)
    assert answer.brought["torch"] == ("2.5.1", "vllm 0.7.3")
    assert answer.brought["nvidia-nccl-cu12"] == ("2.21.5", "torch 2.5.1")
    assert "transformers" not in answer.brought
    assert answer.works()


def test_the_driver_and_the_trainer_are_named_where_they_break() -> None:
    answer = reasons({"vllm": "0.33.0", "trl": "1.16.0", "driver": "535"}, MATRIX)
    assert codes(answer) == ["ED102", "ED401"]
    assert not answer.works()
    assert all(one.sources for one in answer.broken)


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"vllm": "0.7.0", "transformers": "5.0.0"}, "ED402"),
        ({"vllm": "0.7.3", "torch": "2.6.0"}, "ED201"),
        ({"torchvision": "0.20.1", "torch": "2.6.0"}, "ED302"),
        ({"torch": "2.5.1", "gpu": "b200"}, "ED107"),
        ({"torch": "2.14.0", "gpu": "v100"}, "ED108"),
        ({"vllm": "0.33.0", "python": "3.9"}, "ED202"),
        ({"vllm": "0.33.0", "glibc": "2.17"}, "ED501"),
        ({"trl": "1.16.0", "vllm": "0.33.0"}, "ED401"),
    ],
)
def test_each_kind_of_joint_is_judged_by_its_rule(wishes: dict[str, str], code: str) -> None:
    answer = reasons(wishes, MATRIX)
    assert code in codes(answer)
    assert not answer.works()


def test_two_that_want_a_third_without_a_common_release_clash() -> None:
    answer = reasons({"vllm": "0.16.0", "openrlhf": "0.9.4", "transformers": "4.57.6"}, MATRIX)
    assert [one.package for one in answer.clashes] == ["huggingface-hub"]
    assert {(who, spec) for who, spec, _ in answer.clashes[0].wishes} == {
        ("transformers 4.57.6", ">=0.34.0,<1.0"),
        ("openrlhf 0.9.4", ">=1.0.0"),
    }
    assert not answer.works()


def test_of_a_machine_nothing_is_said_that_was_not_named() -> None:
    assert reasons({"vllm": "0.33.0"}, MATRIX).works()
    assert codes(reasons({"vllm": "0.33.0", "gpu": "h100"}, MATRIX)) == []


def test_the_source_of_what_metadata_says_has_the_day_of_the_data() -> None:
    (found,) = reasons({"vllm": "0.33.0", "python": "3.9"}, MATRIX).broken
    assert [one.read for one in found.sources] == [MATRIX.packages()["vllm"]]


def test_a_warning_is_said_and_does_not_break(tmp_path: Path) -> None:
    doubtful = Claim(
        id="slow", topic="runtime", when={"vllm": "==1.0"}, then={"transformers": "<5"}, basis="measured", says="it is slow",
        cause="slow", severity="warning", source="a test", read="2025-05-05",
    )  # fmt: skip
    answer = reasons({"vllm": "1.0", "transformers": "5.0"}, small.matrix(tmp_path, curated=(doubtful,)))
    assert [one.severity for one in answer.broken] == [Severity.WARNING]
    assert answer.works()
    assert answer.data_as_of == "2025-05-05"


def test_exact_pins_bring_what_those_pin_in_turn(tmp_path: Path) -> None:
    torch = (Made("2.0", "2024-06-01", ("nvidia-nccl-cu12==2.1",)),)
    answer = reasons({"vllm": "1.0"}, small.matrix(tmp_path, torch=torch))
    assert answer.brought == {
        "torch": ("2.0", "vllm 1.0"), "ray": ("2.40.0", "vllm 1.0"), "nvidia-nccl-cu12": ("2.1", "torch 2.0"),
    }  # fmt: skip


def test_a_release_that_the_data_does_not_know_is_neither_good_nor_bad() -> None:
    answer = reasons({"vllm": "99.0", "trl": "0.0.1"}, MATRIX)
    assert answer.works()
    assert (answer.held, answer.brought) == ((), {})


def test_a_gpu_that_the_data_does_not_know_is_an_error_of_the_user() -> None:
    with pytest.raises(UserError):
        reasons({"vllm": "0.7.3", "gpu": "h1000"}, MATRIX)


VERSIONS = {
    name: st.sampled_from([one.version for one in package.releases])
    for name in ("vllm", "torch", "transformers", "trl", "verl", "openrlhf", "numpy", "ray", "xformers")
    if (package := MATRIX.package(name)) is not None
}
PLACES = {
    "gpu": st.sampled_from([row.key for row in MATRIX.gpu_products()]),
    "driver": st.sampled_from(("470", "535.161.08", "550.54.15", "580.95.05", "999")),
    "python": st.sampled_from(("2.7", "3.9", "3.11", "3.14", "4")),
    "glibc": st.sampled_from(("2.17", "2.31", "2.40")),
}


@given(wishes=st.fixed_dictionaries({}, optional={**VERSIONS, **PLACES}))
@settings(max_examples=60, deadline=None)
def test_any_plan_is_judged_and_what_holds_is_not_said_to_break(wishes: dict[str, str]) -> None:
    answer = reasons(wishes, MATRIX)
    assert answer.named == wishes
    assert answer.works() == (
        not (answer.clashes or answer.gone or any(one.breaks() for one in answer.taken))
        and all(one.severity is not Severity.ERROR for one in answer.broken)
    )
    named = {name for name in wishes if name not in PLACES} | set(answer.brought)
    for one in answer.held:
        assert one.upper.split()[0] in named
    for clash in answer.clashes:
        assert clash.package not in named


def test_a_pinned_release_that_is_gone_from_the_index_breaks_the_plan() -> None:
    answer = reasons({"vllm": "0.8.1"}, MATRIX)
    assert not answer.works()
    (gone,) = answer.gone
    assert gone.startswith("vllm 0.8.1 pins xgrammar 0.1.16, which was not on the package index on ")


def test_a_named_release_that_was_not_on_the_index_cannot_be_told() -> None:
    answer = reasons({"vllm": "0.99.0"}, MATRIX)
    assert answer.works()
    assert not answer.told()
    assert answer.unknown[0].startswith("vllm 0.99.0: no such release was on the package index on ")
    assert not reasons({"torch": "2.6.0+cu126"}, MATRIX).unknown, "a build counts as its release"


def test_what_a_plan_is_known_to_need_and_the_driver_are_told_beside_it_with_their_sources() -> None:
    answer = reasons({"vllm": "0.7.0", "driver": "535.161.08", "torch": "2.5.1"}, MATRIX)
    first = [one for one in answer.notes if one.first]
    assert any(one.says.startswith("vllm 0.7.0 is known to need transformers <5; with another: ") for one in first)
    assert any(one.says.startswith("Driver branch 535 (LTS) supports CUDA 12.2 by itself") for one in first)
    assert all(one.source.where and one.source.read for one in answer.notes)
    named = reasons({"vllm": "0.7.0", "transformers": "4.48.2"}, MATRIX)
    assert not any("known to need transformers" in one.says for one in named.notes)


def test_cuda_compat_is_offered_for_gpus_of_data_centres_alone() -> None:
    def offered(gpu: str) -> bool:
        answer = reasons({"torch": "2.11.0", "driver": "535.161.08", "gpu": gpu}, MATRIX)
        return any("cuda-compat-13-0" in one.says for one in answer.notes)

    assert offered("h100")
    assert offered("8xh100")
    assert not offered("rtx4090")
    assert not offered("8xrtx4090")


def test_a_python_name_that_is_gone_is_told_with_since_when_and_what_goes_instead() -> None:
    answer = reasons({"trl": "0.25.0", "vllm": "0.12.0"}, MATRIX)
    (joint,) = [one for one in answer.taken if one.importer == "trl 0.25.0"]
    assert joint.breaks()
    assert not answer.works()
    first = joint.at("module")[0]
    assert (first.use.module, first.use.name) == ("vllm.sampling_params", "GuidedDecodingParams")
    assert first.lifetime == ("0.11.2", "0.12.0", None)
    assert "trl/trainer/grpo_trainer.py" in joint.files(first)
    assert {one.package for one in joint.fits} == {"vllm", "trl"}
    for fit in joint.fits:
        again = reasons({"trl": "0.25.0", "vllm": "0.12.0", fit.package: fit.version}, MATRIX)
        assert not any(one.breaks() for one in again.taken if one.importer.startswith("trl ")), fit
        assert again.works(), fit
    assert [one.where.partition(", sha256 ")[0] for one in joint.sources] == [
        "Python files of the wheel trl-0.25.0-py3-none-any.whl",
        "Python files of the wheel vllm-0.12.0-cp38-abi3-manylinux_2_31_x86_64.whl",
    ]


def test_versions_that_go_together_have_every_name_that_they_take_of_each_other() -> None:
    answer = reasons(GOOD, MATRIX)
    pairs = {(one.importer, one.exporter): one for one in answer.taken}
    assert pairs["trl 0.16.1", "vllm 0.7.3"].names > 5
    assert not [(one.importer, lack) for one in pairs.values() for lack in one.at("module")]


def test_of_a_release_whose_names_were_not_read_nothing_is_said() -> None:
    answer = reasons({"trl": "0.25.0", "vllm": "99.0"}, MATRIX)
    assert answer.taken == ()
