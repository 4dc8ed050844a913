"""ED505: NVIDIA_REQUIRE_* of an image against the machine it would run on."""

from __future__ import annotations

import pytest

from envdoctor.facts import Facts, Known, Target, Unknown
from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.suppose import supposing
from tests.factory import MATRIX, edit, gpu, healthy, judged, with_driver
from tests.test_demands import CUDA_12_8

RULE = "ed505_image_refuses_driver"
VIA = "the image's configuration"
NOT_TOLD = Unknown("an image does not tell this")


def image(facts: Facts, **variables: str) -> Facts:
    """The facts as those of an image that sets these variables."""
    target = Target(spec="image:mine:1", chosen="sha256:0123456789ab, linux/amd64")
    return edit(facts, target=target, environ=Known(variables, VIA), container__runtime=NOT_TOLD)


def named(name: str, sm: str = "8.9", pci: str = "0x2684") -> Facts:
    return edit(healthy(), gpus__devices=Known((gpu(name=name, sm=sm, pci=pci),), "NVML"))


def test_an_image_for_the_drivers_own_cuda_version_starts() -> None:
    assert judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.4"))[0] is Outcome.PASS
    assert judged(RULE, image(healthy()))[0] is Outcome.PASS


def test_a_newer_cuda_version_is_refused_with_the_words_of_the_toolkit() -> None:
    outcome, (finding,), _ = judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.8"))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "this image refuses driver 550.54.15 (CUDA 12.4): it asks for cuda>=12.8"
    assert "requirement error: unsatisfied condition: cuda>=12.8" in finding.why
    assert (finding.evidence[0].value, finding.evidence[0].via) == ("cuda>=12.8", VIA)


def test_the_remedies_are_a_driver_that_will_do_and_an_older_image_and_the_switch_with_its_danger() -> None:
    _, (finding,), _ = judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.8"))
    driver, older, switch = finding.changes
    assert (driver.kind, driver.suppose) == (Kind.SYSTEM, {"driver": "570.26"})
    assert "CUDA 12.4 or older" in older.says
    assert "NVIDIA_DISABLE_REQUIRE=1" in switch.says
    assert "The danger" in switch.says
    assert not switch.argv
    after = supposing(image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.8"), driver.suppose, MATRIX)
    assert judged(RULE, after)[0] is Outcome.PASS


def test_the_switch_is_not_offered_where_torch_itself_would_not_start() -> None:
    facts = with_driver(image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.4"), "470.82.01", "11.4")
    _, (finding,), _ = judged(RULE, facts)
    assert not any("NVIDIA_DISABLE_REQUIRE" in change.says for change in finding.changes)


def test_the_list_of_the_cuda_images_lets_data_centre_gpus_in_and_a_geforce_not() -> None:
    assert judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA=CUDA_12_8))[0] is Outcome.PASS
    _, (finding,), _ = judged(RULE, image(named("NVIDIA GeForce RTX 4090"), NVIDIA_REQUIRE_CUDA=CUDA_12_8))
    assert finding.evidence[0].value == "cuda>=12.8 or one of 60 more alternatives"
    assert judged(RULE, image(named("NVIDIA RTX 6000 Ada Generation"), NVIDIA_REQUIRE_CUDA=CUDA_12_8))[0] is Outcome.PASS


def test_a_brand_that_decides_and_is_not_known_leaves_the_question_open() -> None:
    facts = edit(image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.8 brand=tesla"), gpus__devices=Unknown("no GPU was supposed"))
    outcome, _, (doubt,) = judged(RULE, facts)
    assert outcome is Outcome.UNKNOWN
    assert "brand" in doubt.why
    # NVML calls an H100 tesla or nvidia, by the age of the driver
    assert judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.8 brand=tesla"))[0] is Outcome.UNKNOWN


def test_without_a_driver_that_is_known_the_question_is_open_and_without_one_it_is_none() -> None:
    facts = image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=12.8")
    unknown = Unknown("no driver was supposed")
    dark = edit(facts, driver__kernel_module=unknown, driver__sys_module=unknown, driver__nvml=unknown, driver__smi=unknown)
    assert judged(RULE, dark)[0] is Outcome.UNKNOWN
    none = supposing(facts, {"driver": "none"}, MATRIX)
    assert judged(RULE, none)[0] is Outcome.PASS


def test_one_gpu_of_several_is_enough_to_refuse() -> None:
    both = edit(healthy(), gpus__devices=Known((gpu(), gpu(1, sm="7.0")), "NVML"))
    assert judged(RULE, image(both, NVIDIA_REQUIRE_CUDA="cuda>=12.4,arch>=8.0"))[0] is Outcome.FAIL


def test_a_container_that_runs_in_spite_of_it_gets_a_warning_and_a_plain_machine_nothing() -> None:
    variables = Known({"NVIDIA_REQUIRE_CUDA": "cuda>=12.8"}, "the environment of the target")
    running = edit(healthy(), environ=variables, container__runtime=Known("docker", "/.dockerenv"))
    _, (finding,), _ = judged(RULE, running)
    assert finding.severity is Severity.WARNING
    assert "started in spite of it" in finding.why
    assert judged(RULE, edit(running, container__runtime=Known(None, "/proc/1/cgroup")))[0] is Outcome.PASS


def test_a_requirement_that_cannot_be_read_is_said_and_one_that_was_cut_is_not_believed() -> None:
    _, (finding,), _ = judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=twelve"))
    assert finding.cause == "requirement-unreadable"
    long = "cuda>=12.8 " + " ".join(f"brand=b{number}" for number in range(400))
    assert judged(RULE, image(healthy(), NVIDIA_REQUIRE_CUDA=long))[0] is Outcome.UNKNOWN


@pytest.mark.parametrize(("version", "outcome"), [("999.10.01", Outcome.UNKNOWN), ("615.31", Outcome.FAIL)])
def test_a_driver_newer_than_the_data_is_not_refused_by_it(version: str, outcome: Outcome) -> None:
    facts = with_driver(image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=99.0"), version, "99.0")
    assert judged(RULE, facts)[0] is outcome
    assert judged(RULE, with_driver(image(healthy(), NVIDIA_REQUIRE_CUDA="cuda>=13.0"), version, "99.0"))[0] is Outcome.PASS


def test_a_hostile_record_costs_no_time() -> None:
    alternatives = " ".join(f"brand=b{number},driver>=999" for number in range(100_000))
    many = {f"NVIDIA_REQUIRE_{number}": "cuda>=99" for number in range(1000)}
    facts = edit(
        image(healthy(), NVIDIA_REQUIRE_CUDA=alternatives), gpus__devices=Known(tuple(gpu(n) for n in range(64)), "NVML")
    )
    assert judged(RULE, facts)[0] is Outcome.UNKNOWN
    assert len(judged(RULE, image(healthy(), **many))[1]) < 10
