"""ED502: containers without GPUs and variables that hide them."""

import pytest

from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from tests.factory import blind, edit, healthy, judged, with_torch, without_driver

RULE = "ed502_container_without_gpu"


def container(runtime: str = "docker") -> Facts:
    """A container on the H100 node, started without GPUs: /proc and /sys show the host, /dev does not."""
    return edit(
        healthy(),
        container__runtime=Known(runtime, "/.dockerenv"),
        container__device_nodes=Known((), "/dev"),
        gpus__devices=Known((), "there is no NVML library"),
        driver__nvml=Known(None, "the loader's search path"),
        driver__libcuda=Known((), "the loader's search path"),
    )


def without_gpu(facts: Facts) -> Facts:
    facts = edit(without_driver(facts), gpus__pci=Known((), "/sys/bus/pci/devices"))
    return edit(facts, container__device_nodes=Known((), "/dev"))


def test_a_container_with_its_gpus_is_healthy() -> None:
    assert judged(RULE, edit(healthy(), container__runtime=Known("docker", "/.dockerenv")))[0] is Outcome.PASS


def test_a_container_without_gpus_on_a_host_that_has_one_is_an_error() -> None:
    outcome, (finding,), _ = judged(RULE, container())
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.cause == "container-toolkit-missing"
    assert finding.title == "this docker container has no GPU, but its host has one"
    assert finding.changes[0].argv == (("docker", "run", "--gpus", "all", "IMAGE"),)


def test_the_hosts_driver_alone_gives_its_gpu_away() -> None:
    _, (finding,), _ = judged(RULE, blind(container(), "gpus__pci"))
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(("runtime", "word"), [("podman", "podman"), ("apptainer", "--nv"), ("kubernetes", "nvidia.com/gpu")])
def test_each_runtime_is_asked_for_gpus_in_its_own_way(runtime: str, word: str) -> None:
    _, (finding,), _ = judged(RULE, container(runtime))
    assert word in finding.changes[0].says or word in finding.changes[0].argv[0]


def test_a_container_on_a_host_without_gpu_is_only_an_info() -> None:
    _, (finding,), _ = judged(RULE, without_gpu(container()))
    assert (finding.severity, finding.cause) == (Severity.INFO, "no-gpu-host")


def test_where_the_host_cannot_be_seen_it_is_a_warning_with_the_variable_as_evidence() -> None:
    facts = edit(
        blind(without_gpu(container()), "gpus__pci"), environ=Known({"NVIDIA_VISIBLE_DEVICES": "void"}, "the environment")
    )
    _, (finding,), _ = judged(RULE, facts)
    assert finding.severity is Severity.WARNING
    assert finding.evidence[-1].value == "'void'"


def test_a_plain_machine_without_gpu_is_an_info() -> None:
    _, (finding,), _ = judged(RULE, without_gpu(healthy()))
    assert (finding.severity, finding.cause, finding.changes) == (Severity.INFO, "no-gpu-host", ())


def test_a_cpu_build_wants_no_gpu() -> None:
    assert judged(RULE, with_torch(container(), "2.5.1+cpu", None))[0] is Outcome.PASS


def test_amd_and_wsl_nodes_are_gpus_too() -> None:
    for node in ("/dev/kfd", "/dev/dxg"):
        assert judged(RULE, edit(container(), container__device_nodes=Known((node,), "/dev")))[0] is Outcome.PASS


@pytest.mark.parametrize("value", ["", "-1"])
def test_a_variable_that_hides_every_gpu_is_a_warning(value: str) -> None:
    _, (finding,), _ = judged(RULE, edit(healthy(), environ=Known({"CUDA_VISIBLE_DEVICES": value}, "the environment")))
    assert (finding.severity, finding.cause) == (Severity.WARNING, "gpus-hidden")
    assert finding.changes[0].env == {"CUDA_VISIBLE_DEVICES": None}


@pytest.mark.parametrize("value", ["0", "0,1", "GPU-00000000-0000-0000-0000-000000000000"])
def test_a_variable_that_leaves_some_is_healthy(value: str) -> None:
    assert judged(RULE, edit(healthy(), environ=Known({"CUDA_VISIBLE_DEVICES": value}, "the environment")))[0] is Outcome.PASS


def test_void_beside_gpus_injected_by_the_container_device_interface_is_healthy() -> None:
    assert judged(RULE, edit(healthy(), environ=Known({"NVIDIA_VISIBLE_DEVICES": "void"}, "the environment")))[0] is Outcome.PASS


@pytest.mark.parametrize("leaf", ["container__device_nodes", "container__runtime"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    assert judged(RULE, blind(container(), leaf))[0] is Outcome.UNKNOWN


def test_a_machine_whose_bus_cannot_be_seen_cannot_be_told() -> None:
    assert judged(RULE, blind(without_gpu(healthy()), "gpus__pci"))[0] is Outcome.UNKNOWN
