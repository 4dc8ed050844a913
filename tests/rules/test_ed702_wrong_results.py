"""ED702: results outside their bound."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.loaded import DeviceTried, KernelTried, Live
from tests.factory import blind, judged
from tests.render.made_live import ERROR, check, good, h100, on, recorded

RULE = "ed702_wrong_results"
WRONG = check("matmul bfloat16", "wrong", 0.241, 0.00397, ERROR, "1024 x 512 by 512 x 1024 against float64")


def devices(*tried: DeviceTried) -> Facts:
    return on(Live(devices=Known(tried, "run")), len(tried))


@pytest.mark.parametrize("facts", [devices(h100(0, *good())), recorded()], ids=["made", "recorded on a CPU"])
def test_results_within_their_bounds_are_no_finding(facts: Facts) -> None:
    assert judged(RULE, facts)[:2] == (Outcome.PASS, ())


def test_where_nothing_was_run_it_cannot_tell() -> None:
    assert judged(RULE, blind(devices(), "live__devices"))[0] is Outcome.UNKNOWN


def test_one_gpu_of_two_is_defective_and_goes_out_of_use() -> None:
    (one,) = judged(RULE, devices(h100(0, *good()), h100(1, *good(), WRONG)))[1]
    assert one.severity is Severity.ERROR
    assert one.title == (
        "cuda:1 (NVIDIA H100 80GB HBM3) computes wrongly: matmul bfloat16 has an error of 0.24, rounding explains 0.004"
    )
    assert "the others pass" not in one.why, "the first did not run it"
    right = check("matmul bfloat16", value=0.0004, bound=0.00397, unit=ERROR)
    (one,) = judged(RULE, devices(h100(0, *good(), right), h100(1, *good(), WRONG)))[1]
    assert "Of the same checks the others pass all, so it is this one" in one.why
    assert one.evidence[0].value == "relative error 0.241, bound 0.004"
    assert "uncorrected ECC errors of GPU 1" in {line.what for line in one.evidence}
    assert one.changes[0].kind is Kind.HARDWARE
    assert one.changes[0].argv[0] == ("nvidia-smi", "-i", "1", "-q", "-d", "ECC,ROW_REMAPPER")


@pytest.mark.parametrize(("name", "package"), [("attention flash-attn", "flash-attn"), ("matmul bfloat16", "torch")])
def test_a_kernel_that_is_wrong_on_all_devices_is_the_packages(name: str, package: str) -> None:
    wrong = check(name, "wrong", 0.241, 0.00397, ERROR)
    (one,) = judged(RULE, devices(h100(0, *good(), wrong), h100(1, *good(), wrong)))[1]
    assert one.title.startswith(f"{name} is wrong on all 2 devices")
    assert one.subjects[-1] == package
    assert package in one.changes[0].says
    assert one.changes[0].kind is Kind.SYSTEM


def test_memory_that_changes_what_it_holds_on_all_devices_is_no_packages() -> None:
    wrong: KernelTried = check("allocation", "wrong", says="12 of 71 pieces were read back changed")
    (one,) = judged(RULE, devices(h100(0, wrong), h100(1, wrong)))[1]
    assert one.changes[0].kind is Kind.HARDWARE
    assert "12 of 71 pieces" in one.title


def test_a_wrong_cpu_is_not_asked_for_its_xid() -> None:
    (one,) = judged(RULE, devices(DeviceTried("cpu", "", None, (WRONG,), None, None, "")))[1]
    assert one.title.startswith("the CPU computes wrongly")
    assert "nvidia-smi" not in {argv[0] for argv in one.changes[0].argv}
