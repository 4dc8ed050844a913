"""ED703: kernels that raise, hang or kill their process."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.loaded import DeviceTried, Live
from tests.factory import blind, judged
from tests.render.made_live import FRAMES, check, good, h100, on, recorded

RULE = "ed703_kernel_fails"
NO_IMAGE = "RuntimeError: CUDA error: no kernel image is available for execution on the device"


def devices(*tried: DeviceTried) -> Facts:
    return on(Live(devices=Known(tried, "run")), len(tried))


@pytest.mark.parametrize("facts", [devices(h100(0, *good())), recorded()], ids=["made", "recorded on a CPU"])
def test_kernels_that_come_to_their_end_or_are_skipped_are_no_finding(facts: Facts) -> None:
    assert judged(RULE, facts)[:2] == (Outcome.PASS, ())


def test_where_nothing_was_run_it_cannot_tell() -> None:
    assert judged(RULE, blind(devices(), "live__devices"))[0] is Outcome.UNKNOWN


def test_an_error_that_is_known_says_what_it_means_and_what_to_use_instead() -> None:
    (one,) = judged(RULE, devices(h100(0, *good(), check("attention flash-attn", "failed", says=NO_IMAGE))))[1]
    assert one.severity is Severity.ERROR
    assert one.title.startswith("attention flash-attn fails on cuda:0 (NVIDIA H100 80GB HBM3): ")
    assert one.evidence[0].value == NO_IMAGE
    assert "flash-attn" in one.subjects
    assert 'attn_implementation="sdpa"' in one.changes[-1].says
    assert one.sources[0].where != "", "the signature's own source"


def test_an_error_that_is_unknown_is_told_as_it_is() -> None:
    (one,) = judged(RULE, devices(h100(0, *good(), check("cuda graph", "failed", says="RuntimeError: not today"))))[1]
    assert "RuntimeError: not today" in one.title
    assert "--enforce-eager" in one.changes[-1].says


def test_a_hang_names_the_check_and_where_it_stood() -> None:
    (one,) = judged(RULE, devices(h100(1, *good(), during="cuda graph", ended="no answer in 15 s", said=FRAMES)))[1]
    assert one.title == "cuda graph hangs or dies on cuda:1 (NVIDIA H100 80GB HBM3): no answer in 15 s"
    assert one.evidence[1].value.endswith("in cuda_graph"), "the innermost frame"
    assert one.changes[0].says.startswith("Run without CUDA graphs"), "no other torch mends a GPU that hangs"


def test_the_same_words_on_all_devices_are_one_finding() -> None:
    failed = check("triton kernel", "failed", says="RuntimeError: no")
    (one,) = judged(RULE, devices(*(h100(index, *good(), failed) for index in range(8))))[1]
    assert "8 of 8 devices" in one.title
    assert len(one.evidence) == 8


def test_a_context_that_fails_is_the_business_of_ed701() -> None:
    tried = h100(0, check("context", "failed", says=NO_IMAGE)), h100(1, during="context", ended="killed by SIGSEGV")
    assert judged(RULE, devices(*tried))[1] == ()


def test_a_process_that_dies_at_its_very_end_is_a_warning() -> None:
    (one,) = judged(RULE, devices(h100(0, *good(), during="the end of the process", ended="killed by SIGSEGV")))[1]
    assert one.severity is Severity.WARNING
