"""ED402: pairs that install and then fail. Versions and errors are those of recorded reports and of our own sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from envdoctor.claims import specifier
from envdoctor.facts import Known
from envdoctor.findings import Outcome, Severity
from tests.factory import SITE, blind, dist, drop, edit, gpu, healthy, judged, put, with_torch

if TYPE_CHECKING:
    from envdoctor.facts import Facts

RULE = "ed402_runtime_incompatibility"
RTX_5090 = gpu(0, "NVIDIA GeForce RTX 5090", "12.0", "0x2b85")


def rtx_5090(facts: Facts) -> Facts:
    return edit(facts, gpus__devices=Known((RTX_5090,), "NVML"))


@pytest.mark.parametrize("transformers", ["4.48.2", "4.57.6"])
def test_vllm_0_7_0_with_a_transformers_that_was_seen_to_work_is_healthy(transformers: str) -> None:
    assert judged(RULE, put(healthy(), dist("vllm", "0.7.0"), dist("transformers", transformers)))[0] is Outcome.PASS


def test_vllm_0_11_0_under_transformers_5_1_says_the_error_its_user_saw() -> None:
    facts = with_torch(put(healthy(), dist("vllm", "0.11.0"), dist("transformers", "5.1.0")), "2.8.0+cu128", "12.8")
    outcome, (finding,), _ = judged(RULE, facts)
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.cause == "transformers-too-new"
    assert finding.subjects == ("transformers", "vllm")
    assert finding.title == "vllm 0.11.0 needs transformers <5; 5.1.0 is installed"
    assert "all_special_tokens_extended" in finding.why
    assert [(one.value, one.via) for one in finding.evidence] == [
        ("5.1.0", f"{SITE}/transformers-5.1.0.dist-info"),
        ("0.11.0", f"{SITE}/vllm-0.11.0.dist-info"),
    ]
    assert [change.install for change in finding.changes] == [{"transformers": "<5"}, {"vllm": ">=0.11.1"}]


def test_several_packages_that_object_to_one_transformers_give_one_finding_headed_by_the_engine() -> None:
    facts = put(healthy(), dist("transformers", "5.23.0"), dist("peft", "0.14.0"), dist("liger-kernel", "0.6.0"))
    _, (finding,), _ = judged(RULE, facts)
    assert finding.title == "vllm 0.6.6.post1 needs transformers <5; 5.23.0 is installed"
    assert {one.what for one in finding.evidence} == {
        f"{name} installed" for name in ("transformers", "vllm", "peft", "liger-kernel", "torch")
    }
    assert [change.install for change in finding.changes] == [{"transformers": "<5"}]


def test_of_two_claims_by_one_package_the_stricter_is_reported() -> None:
    _, (finding,), _ = judged(RULE, put(healthy(), dist("vllm", "0.9.2"), dist("transformers", "5.0.0")))
    assert finding.changes[0].install == {"transformers": "<4.54"}
    assert "aimv2" in finding.why
    assert "all_special_tokens" not in finding.why


def test_aimv2_is_a_fault_of_vllm_0_9_only() -> None:
    assert judged(RULE, put(healthy(), dist("vllm", "0.9.2"), dist("transformers", "4.54.0")))[0] is Outcome.FAIL
    assert judged(RULE, put(healthy(), dist("vllm", "0.7.0"), dist("transformers", "4.54.0")))[0] is Outcome.PASS
    assert judged(RULE, put(healthy(), dist("vllm", "0.10.0"), dist("transformers", "4.54.0")))[0] is Outcome.PASS


def test_transformers_that_refuses_an_old_torch_is_found_without_any_engine() -> None:
    facts = drop(put(healthy(), dist("transformers", "5.20.1")), "vllm")
    _, (finding,), _ = judged(RULE, facts)
    assert finding.subjects == ("transformers", "torch")
    assert "Disabling PyTorch because PyTorch >= 2.6 is required" in finding.why
    assert [change.install for change in finding.changes] == [{"transformers": "<5.20"}, {"torch": ">=2.6"}]


def test_what_the_packages_own_requirement_refuses_is_left_to_ed201() -> None:
    hub = dist("huggingface-hub", "1.3.0")
    assert judged(RULE, put(healthy(), hub))[0] is Outcome.FAIL
    declared = dist("transformers", "4.57.6", "huggingface-hub<1.0,>=0.34.0")
    assert judged(RULE, put(healthy(), declared, hub))[0] is Outcome.PASS


def test_a_trainer_outside_its_range_is_left_to_ed401_and_one_with_an_open_range_is_not() -> None:
    assert judged(RULE, put(healthy(), dist("trl", "0.25.0"), dist("vllm", "0.12.0")))[0] is Outcome.PASS
    _, (finding,), _ = judged(RULE, put(healthy(), dist("trl", "0.23.1"), dist("vllm", "0.32.0")))
    assert finding.cause == "trl-vllm-unsupported"
    assert finding.title == "trl 0.23.1 needs vllm <0.12; 0.32.0 is installed"


def test_a_triton_that_does_not_know_the_gpu_is_blamed_on_the_pair_and_only_triton_can_move() -> None:
    outcome, (finding,), _ = judged(RULE, rtx_5090(healthy()))
    assert outcome is Outcome.FAIL
    assert finding.cause == "ptxas-too-old"
    assert finding.subjects == ("__gpu", "triton")
    assert finding.title == "triton 3.1.0 needs compute capability <12.0; the GPU has 12.0"
    assert [change.install for change in finding.changes] == [{"triton": ">=3.3"}]
    assert judged(RULE, rtx_5090(put(healthy(), dist("triton", "3.3.0"))))[0] is Outcome.PASS


def test_an_unknown_gpu_is_a_doubt_only_where_triton_is_old_enough_for_it_to_matter() -> None:
    blinded = blind(healthy(), "gpus__devices")
    outcome, _, doubts = judged(RULE, blinded)
    assert outcome is Outcome.UNKNOWN
    assert [doubt.why for doubt in doubts] == ["no answer in 5 s"]
    assert judged(RULE, put(blinded, dist("triton", "3.9.0")))[0] is Outcome.PASS


def test_a_version_that_is_none_is_a_doubt_only_for_pairs_of_which_both_are_there() -> None:
    outcome, _, doubts = judged(RULE, put(healthy(), dist("transformers", "git-main")))
    assert outcome is Outcome.UNKNOWN
    assert {doubt.why for doubt in doubts} == {"the version of transformers, 'git-main', is not a PEP 440 version"}
    assert judged(RULE, put(drop(healthy(), "vllm"), dist("peft", "git-main"), dist("transformers", "4.57.6")))[0] is Outcome.PASS


def test_every_range_that_an_install_names_is_a_specifier() -> None:
    facts = put(healthy(), dist("transformers", "5.23.0"), dist("peft", "0.14.0"), dist("ray", "2.48.0"), dist("click", "8.4.0"))
    _, findings, _ = judged(RULE, facts)
    assert {finding.cause: finding.severity for finding in findings} == {
        "transformers-too-new": Severity.ERROR,
        "dependency-too-new": Severity.WARNING,
    }
    for change in (change for finding in findings for change in finding.changes):
        assert all(len(specifier(spec)) for spec in change.install.values())


@pytest.mark.parametrize(
    ("torch", "python", "other"),
    [("2.3.1", "3.12.4", "2.4"), ("2.3.1", "3.13.1", "2.6"), ("2.5.1", "3.13.1", "2.6"), ("2.9.1", "3.14.0", "2.10")],
)
def test_torch_compile_on_a_python_it_refuses_names_the_torch_that_takes_it(torch: str, python: str, other: str) -> None:
    facts = put(with_torch(healthy(), torch, "12.8"), dist("torch", torch))
    known = facts.python
    assert isinstance(known, Known)
    facts = edit(facts, python=Known(structs.replace(known.value, version=python), known.via))
    found = [one for one in judged(RULE, facts)[1] if one.cause == "python-version-unsupported"]
    (finding,) = found
    assert finding.title.startswith(f"torch {torch} needs Python <3.1")
    assert finding.severity is Severity.WARNING
    assert [change.install for change in finding.changes] == [{"torch": f">={other}"}]


def test_pyarrow_26_over_numpy_1_says_the_error_its_user_saw_and_both_ways_out() -> None:
    facts = put(healthy(), dist("pyarrow", "26.0.1"), dist("numpy", "1.26.4"))
    outcome, (finding,), _ = judged(RULE, facts)
    assert outcome is Outcome.FAIL
    assert finding.title == "pyarrow 26.0.1 needs numpy >=2; 1.26.4 is installed"
    assert "pyarrow requires NumPy 2.0 or newer" in finding.why
    assert [change.install for change in finding.changes] == [{"numpy": ">=2"}, {"pyarrow": "<26"}]


@pytest.mark.parametrize(("pyarrow", "numpy"), [("25.0.1", "1.26.4"), ("26.0.0", "2.0.0")])
def test_pyarrow_and_numpy_that_were_seen_to_import_are_healthy(pyarrow: str, numpy: str) -> None:
    assert judged(RULE, put(healthy(), dist("pyarrow", pyarrow), dist("numpy", numpy)))[0] is Outcome.PASS
