"""What is asked of the matrix: words become values, or an error that says what to write."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.asking import RANGED, asked, known, wishes
from envdoctor.errors import UserError
from envdoctor.stacks import Asked
from tests.factory import MATRIX


def test_nothing_is_asked_where_nothing_is_said() -> None:
    assert asked(MATRIX, dict.fromkeys(("gpu", "driver", "python", "glibc", *RANGED))) == Asked()


def test_a_version_means_that_version_and_a_range_is_kept() -> None:
    found = asked(
        MATRIX, {"vllm": " 0.7.0 ", "torch": ">=2.5,<2.6", "trl": "", "driver": "535", "python": "3.11", "glibc": "2.35"}
    )
    assert found.packages == {"vllm": "==0.7.0", "torch": ">=2.5,<2.6", "trl": ""}
    assert (found.driver, found.python, found.glibc) == ("535.54.03", "3.11", "2.35")


@pytest.mark.parametrize(
    ("said", "meant"),
    [("580", "580.65.06"), ("535", "535.54.03"), ("580.95.05", "580.95.05"), ("470", "470"), ("535.1", "535.1")],
)
def test_a_driver_named_by_its_branch_is_the_one_that_a_cuda_release_of_that_branch_came_with(said: str, meant: str) -> None:
    assert asked(MATRIX, {"driver": said}).driver == meant


def test_a_gpu_is_found_by_its_key_in_any_case() -> None:
    found = asked(MATRIX, {"gpu": "H100"}).gpu
    assert found is not None
    assert found.compute_capability == "9.0"


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        ({"gpu": "h1000"}, "--gpu h1000: this GPU is not in the data", 'Did you mean "h100"?'),
        ({"gpu": "abacus"}, "this GPU is not in the data", "Known are a10 to"),
        ({"driver": "new"}, "--driver new: this is not a version", "--driver 535.161.08"),
        ({"python": ""}, "this is not a version", "--python 3.11"),
        ({"glibc": "2.x"}, "--glibc 2.x: this is not a version", "--glibc 2.31"),
        ({"vllm": ">>1"}, "--vllm >>1: this is neither a version nor a range", "--vllm '>=0.7,<0.8'"),
        ({"torch": "latest"}, "this is neither a version nor a range", "--torch 0.7.0"),
        ({"trl": "1.0", "verl": "0.5"}, "--trl and --verl together: a stack has one trainer", "one at a time"),
        ({"verl": "", "openrlhf": ""}, "a stack has one trainer", "one at a time"),
        ({"vllm": ">=0," * 300 + ">=0"}, "this is neither a version nor a range", "Write a version"),
    ],
)
def test_wrong_options_are_refused_with_what_to_write(words: dict[str, str], what: str, hint: str) -> None:
    with pytest.raises(UserError) as refused:
        asked(MATRIX, words)
    assert what in refused.value.what
    assert hint in refused.value.hint


def test_words_name_exact_versions_and_the_machine() -> None:
    words = ("vLLM==0.33.0", "trl = 1.16.0", "flashinfer_python==0.2", "driver=535", "gpu=8xH100", "python==3.11", "glibc=2.31")
    assert wishes(MATRIX, words) == {
        "vllm": "0.33.0", "trl": "1.16.0", "flashinfer-python": "0.2", "driver": "535", "gpu": "8xH100", "python": "3.11", "glibc": "2.31",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        ((), "nothing was named", "Write exact versions"),
        (("vllm",), "'vllm' names no exact version", "Write exact versions"),
        (("vllm>=0.7",), "'vllm>=0.7' names no exact version", "vllm==0.33.0"),
        (("vllm==",), "names no exact version", "vllm==0.33.0"),
        (("vllm==0.7.*",), "'0.7.*' is not a version", "vllm==0.33.0"),
        (("vllm==0.7.0", "VLLM=0.8.0"), "vllm is named twice", "vllm==0.33.0"),
        (("vlm==0.7.0",), "the data knows no package vlm", 'Did you mean "vllm"?'),
        (("driver=new",), "'driver=new': 'new' is not a version", "driver=535"),
        (("gpu=h1000",), "'gpu=h1000': this GPU is not in the data", 'Did you mean "h100"?'),
        (("gpu=0xh100",), "'gpu=0xh100': this GPU is not in the data", 'Did you mean "h100"?'),
        (("../../etc/passwd==1",), "names no exact version", "Write exact versions"),
    ],
)
def test_wrong_words_are_refused_with_what_to_write(words: tuple[str, ...], what: str, hint: str) -> None:
    with pytest.raises(UserError) as refused:
        wishes(MATRIX, words)
    assert what in refused.value.what
    assert hint in refused.value.hint


def test_the_data_knows_what_it_has_claims_of_and_what_those_name() -> None:
    assert {"vllm", "torch", "xgrammar", "numpy"} <= known(MATRIX)
    assert not [name for name in known(MATRIX) if name.startswith("__")]


@given(
    words=st.lists(
        st.text(max_size=30) | st.from_regex(r"(vllm|gpu|driver|[a-z-]{1,9})==?[\w.!+]{1,9}", fullmatch=True), max_size=3
    )
)
def test_any_words_are_taken_or_refused(words: list[str]) -> None:
    with suppress(UserError):
        assert len(wishes(MATRIX, tuple(words))) == len(words)


@given(words=st.dictionaries(st.sampled_from(("gpu", "driver", "python", "glibc", *RANGED)), st.text(max_size=20), max_size=3))
def test_any_options_are_taken_or_refused(words: dict[str, str]) -> None:
    with suppress(UserError):
        asked(MATRIX, words)
