"""ED304: nvidia-* wheels against torch's pins, and NCCL twice."""

import pytest

from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.sources import pasted
from tests.factory import MATRIX, blind, dist, drop, healthy, judged, put

RULE = "ed304_nvidia_wheels"


def test_the_pinned_wheels_are_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_an_older_nccl_is_an_error_that_installs_the_pin() -> None:
    outcome, (finding,), _ = judged(RULE, put(healthy(), dist("nvidia-nccl-cu12", "2.18.1")))
    assert outcome is Outcome.FAIL
    assert (finding.severity, finding.cause) == (Severity.ERROR, "nccl-version-mismatch")
    assert finding.title == "torch 2.5.1 is built with nvidia-nccl-cu12==2.21.5, but 2.18.1 is installed"
    assert finding.subjects == ("nvidia-nccl-cu12", "torch")
    assert finding.changes[0].install == {"nvidia-nccl-cu12": "==2.21.5"}


def test_a_newer_wheel_is_a_warning_and_several_are_one_finding_with_the_older_first() -> None:
    newer = put(healthy(), dist("nvidia-cuda-runtime-cu12", "12.8.90"))
    (finding,) = judged(RULE, newer)[1]
    assert (finding.severity, finding.cause) == (Severity.WARNING, "package-pin-conflict")
    (finding,) = judged(RULE, put(newer, dist("nvidia-nvjitlink-cu12", "12.1.105")))[1]
    assert finding.severity is Severity.ERROR
    assert finding.subjects == ("nvidia-nvjitlink-cu12", "nvidia-cuda-runtime-cu12", "torch")
    assert finding.title.endswith("but 12.1.105 is installed (and 1 more)")


def test_an_older_cudnn_has_its_own_cause() -> None:
    facts = put(healthy(), dist("torch", "2.5.1", "nvidia-cudnn-cu12==9.1.0.70"), dist("nvidia-cudnn-cu12", "8.9.2.26"))
    assert judged(RULE, facts)[1][0].cause == "cudnn-shadow"


def test_a_pin_of_another_package_is_not_torchs() -> None:
    assert judged(RULE, put(healthy(), dist("cupy", "13", "nvidia-nccl-cu12==2.0.0")))[0] is Outcome.PASS


@pytest.mark.parametrize(("version", "severity"), [("2.29.7", Severity.ERROR), ("2.21.5", Severity.WARNING)])
def test_nccl_for_two_cuda_majors_is_one_file_written_twice(version: str, severity: Severity) -> None:
    outcome, (finding,), _ = judged(RULE, put(healthy(), dist("nvidia-nccl-cu13", version)))
    assert outcome is Outcome.FAIL
    assert (finding.severity, finding.cause) == (severity, "mixed-cuda-majors")
    assert finding.subjects == ("nvidia-nccl-cu13", "torch")
    change = finding.changes[0]
    assert (change.kind, change.remove, change.install) == (
        Kind.UNINSTALL,
        ("nvidia-nccl-cu13",),
        {"nvidia-nccl-cu12": "==2.21.5"},
    )


def test_a_second_nccl_that_another_package_requires_is_told_but_not_removed() -> None:
    facts = put(healthy(), dist("nvidia-nccl-cu13", "2.29.7"), dist("cupy", "14", "nvidia-nccl-cu13"))
    assert judged(RULE, facts)[1][0].changes == ()


def test_other_wheels_for_two_majors_are_no_fault() -> None:
    assert (
        judged(RULE, put(healthy(), dist("nvidia-cublas", "13.1.0.3"), dist("nvidia-cuda-runtime", "13.0.96")))[0] is Outcome.PASS
    )


def test_without_torch_there_is_nothing_to_judge_and_what_is_unknown_cannot_be_told() -> None:
    assert judged(RULE, drop(healthy(), "torch"))[0] is Outcome.PASS
    assert judged(RULE, put(healthy(), dist("nvidia-nccl-cu12", "unknown")))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN


def test_a_report_that_shows_two_nccls_and_no_torch_is_judged_all_the_same() -> None:
    text = b"[pip3] nvidia-nccl-cu11==2.14.3\n[pip3] nvidia-nccl-cu12==2.27.3\n"
    outcome, found, _ = judged(RULE, pasted.facts_of(text, "a test", MATRIX))
    assert outcome is Outcome.FAIL
    assert [one.cause for one in found] == ["mixed-cuda-majors"]


def test_a_pin_that_takes_any_text_is_compared_without_a_crash() -> None:
    torch = dist("torch", "2.5.1", "nvidia-nccl-cu12===vendor")
    (finding,) = judged(RULE, put(healthy(), torch))[1]
    assert finding.severity is Severity.WARNING
