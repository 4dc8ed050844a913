"""ED701: a device that no program can use."""

from __future__ import annotations

import msgspec

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from envdoctor.loaded import DeviceTried, ImportTried, Live
from tests.factory import blind, judged
from tests.render.made_live import check, good, h100, imported, on

RULE = "ed701_device_does_not_start"
UNKNOWN_WORDS = "RuntimeError: the device has another opinion"
NOT_READY = "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized"


def devices(*tried: DeviceTried, imports: tuple[ImportTried, ...] = ()) -> Facts:
    return on(Live(devices=Known(tried, "run"), imports=Known(imports, "imported")), len(tried))


def test_devices_that_start_are_no_finding() -> None:
    assert judged(RULE, devices(h100(0, *good()), h100(1, *good())))[:2] == (Outcome.PASS, ())


def test_a_cpu_that_computes_is_no_finding() -> None:
    assert judged(RULE, devices(DeviceTried("cpu", "", None, (check("context"),), None, None, "")))[0] is Outcome.PASS


def test_where_nothing_was_run_it_cannot_tell() -> None:
    assert judged(RULE, blind(devices(), "live__devices"))[0] is Outcome.UNKNOWN


def test_a_context_that_fails_is_named_with_its_words_and_the_driver_is_asked() -> None:
    (one,) = judged(RULE, devices(h100(0, *good()), h100(1, check("context", "failed", says=UNKNOWN_WORDS))))[1]
    assert one.severity is Severity.ERROR
    assert one.title.startswith("cuda:1 (NVIDIA H100 80GB HBM3) cannot be started: RuntimeError: the device has another opinion")
    assert one.subjects[:3] == ("__cuda:1", "__driver", "__gpu")
    assert one.evidence[0].value == UNKNOWN_WORDS
    assert ("nvidia-smi", "-i", "1", "-q", "-d", "ECC,ROW_REMAPPER") in one.changes[0].argv


def test_words_that_are_known_say_what_they_mean() -> None:
    (one,) = judged(RULE, devices(h100(0, check("context", "failed", says=NOT_READY))))[1]
    assert "Unexpected error" not in one.title
    assert one.title.endswith("(error 802)")
    assert one.sources


def test_a_start_that_hangs_is_told_by_how_it_ended() -> None:
    hung = h100(0, during="context", ended="no answer in 30 s", said="NVRM: something\n")
    (one,) = judged(RULE, devices(hung))[1]
    assert "no answer in 30 s, during: context" in one.title
    assert one.evidence[1].value == "NVRM: something"


def test_devices_that_fail_alike_are_one_finding() -> None:
    sick = [h100(index, check("context", "failed", says=UNKNOWN_WORDS)) for index in range(8)]
    (one,) = judged(RULE, devices(*sick))[1]
    assert one.title.startswith("8 of 8 devices cannot be started")


def test_a_torch_that_does_not_import_is_another_rules_finding() -> None:
    stuck = h100(0, during="import torch", ended="exit status 1")
    found = judged(RULE, devices(stuck, imports=(imported("torch", state="raised", error="ImportError: x"),)))
    assert found[0] is Outcome.UNKNOWN
    assert not found[1]
    assert "torch, which cannot be imported" in found[2][0].why


def test_a_device_of_which_nothing_was_told_is_an_open_question() -> None:
    assert "nothing was told of cuda:0" in judged(RULE, devices(h100(0)))[2][0].why


def test_the_hidden_gpus_are_counted_as_nvidia_smi_counts_them() -> None:
    facts = devices(h100(0, check("context", "failed", says=UNKNOWN_WORDS)))
    environ = Known({"CUDA_VISIBLE_DEVICES": "5,6"}, "environment")
    (one,) = judged(RULE, msgspec.structs.replace(facts, environ=environ))[1]
    assert any("5" in argv for argv in one.changes[0].argv)
