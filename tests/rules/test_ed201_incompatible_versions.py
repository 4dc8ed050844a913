"""ED201: declared pins against what is installed, and who is to blame."""

import pytest

from envdoctor.findings import Outcome, Severity
from tests.factory import SITE, blind, dist, drop, healthy, judged, put

RULE = "ed201_incompatible_versions"


def test_the_healthy_node_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_torch_2_6_under_four_packages_that_pin_2_5_1_is_one_finding_that_blames_torch() -> None:
    outcome, findings, _ = judged(RULE, put(healthy(), dist("torch", "2.6.0+cu124")))
    assert outcome is Outcome.FAIL
    (finding,) = findings
    assert finding.severity is Severity.ERROR
    assert finding.cause == "torch-vllm-pin-mismatch"
    assert finding.subjects == ("torch", "torchaudio", "torchvision", "vllm", "xformers")
    assert finding.title == "torch 2.6.0+cu124 is installed, but torchaudio, torchvision, vllm and xformers require ==2.5.1"
    assert [(one.what, one.value) for one in finding.evidence] == [
        ("torchaudio 2.5.1 requires", "torch==2.5.1"),
        ("torchvision 0.20.1 requires", "torch==2.5.1"),
        ("vllm 0.6.6.post1 requires", "torch==2.5.1"),
        ("xformers 0.0.28.post3 requires", "torch==2.5.1"),
        ("installed torch", "2.6.0+cu124"),
    ]
    assert finding.evidence[0].via == f"{SITE}/torchaudio-2.5.1.dist-info"
    assert [change.install for change in finding.changes] == [{"torch": "==2.5.1"}]


def test_a_local_version_satisfies_the_pin_of_its_public_version() -> None:
    assert judged(RULE, put(healthy(), dist("torch", "2.5.1+cu121")))[0] is Outcome.PASS


def test_a_wrong_triton_beside_a_wrong_torch_stays_one_finding() -> None:
    torch = dist("torch", "2.6.0", 'triton==3.2.0; platform_system == "Linux"')
    (finding,) = judged(RULE, put(healthy(), torch))[1]
    assert finding.subjects[0] == "torch"
    assert "triton==3.2.0" in [one.value for one in finding.evidence]


def test_torchvision_between_vllm_and_torch_is_blamed_for_both_broken_lines() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("torchvision", "0.21.0", "numpy", "torch==2.6.0")))[1]
    assert finding.subjects[0] == "torchvision"
    assert finding.cause == "torchvision-torch-mismatch"
    assert {one.value for one in finding.evidence} >= {"torch==2.6.0", "torchvision==0.20.1", "2.5.1", "0.21.0"}
    assert finding.changes[0].install == {"torchvision": "==0.20.1"}


def test_a_torchvision_that_nobody_pins_gets_the_release_that_the_data_knows_for_the_installed_torch() -> None:
    facts = put(drop(healthy(), "vllm"), dist("torchvision", "0.21.0", "numpy", "torch==2.6.0"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.subjects[0] == "torchvision", "torchaudio and xformers hold torch at 2.5.1"
    assert finding.changes[0].install == {"torchvision": "==0.20.1"}


def test_torch_is_spared_when_one_companion_alone_wants_another_and_both_ways_out_are_offered() -> None:
    facts = put(drop(healthy(), "vllm", "torchaudio", "xformers"), dist("torchvision", "0.21.0", "numpy", "torch==2.6.0"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.subjects[0] == "torchvision"
    assert [change.install for change in finding.changes] == [{"torchvision": "==0.20.1"}, {"torch": "==2.6.0"}]


def test_xformers_for_another_torch_is_an_xformers_mismatch() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("xformers", "0.0.29.post1", "torch==2.6.0")))[1]
    assert (finding.subjects[0], finding.cause) == ("xformers", "xformers-torch-mismatch")
    assert finding.changes[0].install == {"xformers": "==0.0.28.post3"}


@pytest.mark.parametrize(
    ("version", "wanted", "cause"),
    [
        ("5.1.0", "transformers<5,>=4.56", "transformers-too-new"),
        ("4.44.0", "transformers>=4.45.2", "transformers-too-old"),
        ("4.45.0", "transformers>4.45.0", "transformers-too-old"),
        ("4.57.0", "transformers!=4.57.0", "transformers-too-new"),
        ("4.40.0", "transformers~=4.45.2", "transformers-too-old"),
    ],
)
def test_transformers_outside_the_engines_range_is_named_by_direction(version: str, wanted: str, cause: str) -> None:
    facts = put(healthy(), dist("vllm", "0.11.2", wanted), dist("transformers", version))
    (finding,) = judged(RULE, facts)[1]
    assert (finding.subjects[0], finding.cause, finding.severity) == ("transformers", cause, Severity.ERROR)
    assert finding.title == f"vllm 0.11.2 requires {wanted}, but transformers {version} is installed"


def test_two_unrelated_faults_are_two_findings() -> None:
    facts = put(healthy(), dist("a", "1", "b>=2"), dist("b", "1"), dist("numpy", "2.2.0"))
    found = judged(RULE, facts)[1]
    assert {finding.subjects[0]: finding.severity for finding in found} == {"b": Severity.WARNING, "numpy": Severity.ERROR}


def test_requirers_that_no_version_can_satisfy_both_are_told_and_no_install_is_offered() -> None:
    facts = put(healthy(), dist("datasets", "3.1.0", "huggingface-hub<1.0"), dist("huggingface-hub", "0.36.0"),
                dist("transformers", "5.1.0", "huggingface_hub>=1.3"))  # fmt: skip
    facts = put(facts, dist("vllm", "0.6.6.post1"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.subjects[0] == "huggingface-hub"
    assert finding.cause == "package-pin-conflict"
    assert finding.title == (
        "datasets 3.1.0 requires huggingface-hub<1.0 but transformers 5.1.0 requires huggingface-hub>=1.3: no version fits both"
    )
    assert finding.changes == ()


def test_an_extra_that_somebody_asks_for_is_judged_and_one_that_nobody_asks_for_is_not() -> None:
    wanted = dist("ray", "2.0", 'numpy>=9; extra == "serve"')
    assert judged(RULE, put(healthy(), wanted))[0] is Outcome.PASS
    (finding,) = judged(RULE, put(healthy(), wanted, dist("a", "1", "ray[serve]")))[1]
    assert finding.subjects == ("numpy", "ray")


def test_nvidia_wheels_that_torch_pins_are_left_to_their_own_rule() -> None:
    assert judged(RULE, put(healthy(), dist("nvidia-nccl-cu12", "2.18.1")))[0] is Outcome.PASS


def test_a_package_that_is_absent_is_not_a_broken_version() -> None:
    assert judged(RULE, drop(healthy(), "torchvision", "triton"))[0] is Outcome.PASS


def test_a_version_that_is_no_version_cannot_be_told_and_unknown_packages_cannot() -> None:
    outcome, _, doubts = judged(RULE, put(healthy(), dist("torch", "unknown")))
    assert outcome is Outcome.UNKNOWN
    assert [one.why for one in doubts] == ["the version of torch, 'unknown', is not a PEP 440 version"]
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN


def test_a_clause_that_takes_any_text_is_broken_like_another() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("odd", "1", "transformers===foo")))[1]
    assert finding.cause == "transformers-too-new"


def test_hundreds_of_broken_requirements_are_a_doubt_beside_the_first_ones() -> None:
    many = [dist(f"p{place}", "1", f"p{place + 1}>1") for place in range(400)]
    _, findings, (doubt,) = judged(RULE, put(healthy(), *many))
    assert findings
    assert doubt.why == "399 requirements are not met; only the first 300 were looked into"
