"""ED302: torchvision, torchaudio and xFormers against torch."""

import pytest

from envdoctor.findings import Layer, Outcome, Severity
from envdoctor.suppose import supposing
from tests import linked
from tests.factory import MATRIX, SITE, blind, dist, edit, healthy, judged, put, with_torch

RULE = "ed302_torch_family"


def test_the_healthy_family_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_torchvision_of_another_release_is_told_from_the_data_even_if_its_metadata_has_no_pin() -> None:
    facts = edit(put(healthy(), dist("torchvision", "0.21.0")), linking=linked.linking())
    outcome, findings, _ = judged(RULE, facts)
    assert outcome is Outcome.FAIL
    (finding,) = findings
    assert (finding.severity, finding.layer, finding.cause) == (Severity.ERROR, Layer.DECLARED, "torchvision-torch-mismatch")
    assert finding.title == "torchvision 0.21.0 was made for torch==2.6.0, but torch 2.5.1 is installed"
    assert [change.install for change in finding.changes] == [{"torchvision": "==0.20.1"}, {"torch": "==2.6.0"}]
    assert finding.sources[0].where.startswith("METADATA of the wheel torchvision-0.21.0-")


def test_torchaudio_is_judged_alike() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("torchaudio", "2.6.0")))[1]
    assert finding.subjects == ("torchaudio", "torch")


def test_a_release_that_the_data_does_not_know_is_not_accused() -> None:
    assert judged(RULE, put(healthy(), dist("torchvision", "0.20.0a0+afc54f7")))[0] is Outcome.PASS


def test_cuda_tags_of_one_major_are_a_warning_for_torchvision_and_an_error_for_torchaudio() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("torchvision", "0.20.1+cu121")))[1]
    assert finding.severity is Severity.WARNING
    assert finding.title == "torchvision 0.20.1+cu121 is built for CUDA 12.1, torch 2.5.1+cu124 for CUDA 12.4"
    assert finding.changes[0].install == {"torchvision": "==0.20.1+cu124"}
    (finding,) = judged(RULE, put(healthy(), dist("torchaudio", "2.5.1+cu121")))[1]
    assert finding.severity is Severity.ERROR
    (finding,) = judged(RULE, put(healthy(), dist("torchvision", "0.20.1+cu118")))[1]
    assert finding.severity is Severity.ERROR
    assert judged(RULE, put(healthy(), dist("torchvision", "0.20.1+cu124")))[0] is Outcome.PASS


def test_what_is_unknown_cannot_be_told_but_the_data_still_speaks() -> None:
    assert judged(RULE, blind(healthy(), "builds__torch"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(put(healthy(), dist("torchvision", "0.21.0")), "builds__torch"))[0] is Outcome.FAIL
    assert judged(RULE, put(healthy(), dist("torch", "unknown")))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN


def test_the_tag_of_a_wheel_from_pypi_is_read_in_its_version_file() -> None:
    """The torchaudio of PyPI for CUDA 12.4 under torch's own build for 12.1: its metadata says 2.5.1 alone."""
    facts = with_torch(healthy(), "2.5.1+cu121", "12.1")
    torchvision, torchaudio = judged(RULE, facts)[1]
    assert (torchvision.severity, torchaudio.severity) == (Severity.WARNING, Severity.ERROR)
    assert torchaudio.title == "torchaudio 2.5.1 is built for CUDA 12.4, torch 2.5.1+cu121 for CUDA 12.1"
    assert torchaudio.evidence[0].value == "2.5.1+cu124"
    assert torchaudio.evidence[0].via == f"{SITE}/torchaudio/version.py"
    assert torchaudio.changes[0].install == {"torchaudio": "==2.5.1+cu121"}


def test_a_supposed_companion_has_no_version_file_and_a_record_without_them_is_read() -> None:
    facts = with_torch(healthy(), "2.5.1+cu121", "12.1")
    assert judged(RULE, blind(facts, "builds__built_as"))[0] is Outcome.PASS
    supposed = supposing(facts, {"torchaudio": "2.5.1+cu121", "torchvision": "0.20.1"}, MATRIX)
    assert judged(RULE, supposed)[0] is Outcome.PASS


def test_what_is_declared_does_not_overrule_modules_that_load() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("torchvision", "0.21.0")))[1]
    assert finding.severity is Severity.WARNING
    assert "load all the same" in finding.why
    assert finding.evidence[-1].value == "all load"


@pytest.mark.parametrize("torch", ["2.5.0a0+872d972e41.nv24.08", "2.6.0a0+gitecf3bae"])
def test_what_belongs_to_a_torch_built_from_source_is_not_known(torch: str) -> None:
    outcome, findings, doubts = judged(RULE, put(healthy(), dist("torch", torch), dist("torchvision", "0.20.0")))
    assert (outcome, findings) == (Outcome.UNKNOWN, ())
    assert "built from source" in doubts[0].why
