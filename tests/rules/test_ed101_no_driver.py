"""ED101: an NVIDIA GPU without a driver."""

import pytest

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Outcome
from envdoctor.rules.ed101_no_driver import silent
from envdoctor.suppose import supposing
from tests.factory import MATRIX, blind, edit, healthy, judged, without_driver

RULE = "ed101_no_driver"


def gpu_bound_to(driver: str | None) -> Facts:
    card = f.PciDevice(address="0000:04:00.0", device_id="0x2330", device_class="gpu", bound_driver=driver)
    return edit(without_driver(healthy()), gpus__pci=Known((card,), "/sys/bus/pci/devices"))


def wsl(origin: str, **environ: str) -> Facts:
    library = f.LibCuda(path="/usr/lib/wsl/lib/libcuda.so.1", version=None, kind="wsl", origin=origin)
    return edit(
        without_driver(healthy()),
        host__wsl=Known(2, "/proc/version"),
        driver__libcuda=Known((library,), "the loader's search path"),
        environ=Known(environ, "the environment of the target"),
    )


def test_a_loaded_driver_is_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS


@pytest.mark.parametrize(("driver", "words"), [(None, "without a driver"), ("nouveau", "held by nouveau")])
def test_a_gpu_without_driver_is_an_error_that_names_what_holds_it(driver: str | None, words: str) -> None:
    outcome, (finding,), _ = judged(RULE, gpu_bound_to(driver))
    assert outcome is Outcome.FAIL
    assert finding.cause == "no-gpu-host"
    assert finding.title == "1 NVIDIA GPU on the PCI bus, but no NVIDIA driver is loaded"
    assert finding.evidence[0].value == f"0x2330 at 0000:04:00.0, {words}"
    assert finding.changes[0].argv[0] == ("sudo", "ubuntu-drivers", "install", "--gpgpu")
    assert finding.changes[0].suppose == {"driver": "550.54.14"}


def test_an_unknown_distribution_gets_the_advice_without_a_command() -> None:
    _, (finding,), _ = judged(RULE, edit(gpu_bound_to(None), host__os_id=Known("nixos", "/etc/os-release")))
    assert finding.changes[0].argv == ()
    assert "Install the NVIDIA driver" in finding.changes[0].says


def test_a_machine_without_an_nvidia_gpu_needs_no_driver() -> None:
    assert judged(RULE, edit(without_driver(healthy()), gpus__pci=Known((), "/sys/bus/pci/devices")))[0] is Outcome.PASS


def test_a_gpu_passed_on_to_a_virtual_machine_is_no_finding() -> None:
    assert judged(RULE, gpu_bound_to("vfio-pci"))[0] is Outcome.PASS


def test_a_container_without_driver_is_left_to_ed502() -> None:
    assert judged(RULE, edit(gpu_bound_to(None), container__runtime=Known("docker", "/.dockerenv")))[0] is Outcome.PASS


def test_wsl_with_its_library_on_the_loaders_path_is_healthy() -> None:
    assert judged(RULE, wsl("ld.so.cache"))[0] is Outcome.PASS


def test_wsl_with_its_library_off_the_path_gets_it_put_first() -> None:
    _, (finding,), _ = judged(RULE, wsl("wsl", LD_LIBRARY_PATH="/usr/local/cuda/lib64"))
    assert finding.cause == "wsl-libcuda"
    assert finding.changes[0].kind is Kind.SET_ENV
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib:/usr/local/cuda/lib64"}


@pytest.mark.parametrize("leaf", ["driver__kernel_module", "gpus__pci", "container__runtime"])
def test_what_was_not_observed_cannot_be_told(leaf: str) -> None:
    outcome, _, (doubt,) = judged(RULE, blind(gpu_bound_to(None), leaf))
    assert outcome is Outcome.UNKNOWN
    assert doubt.why == "no answer in 5 s"


@pytest.mark.parametrize("leaf", ["driver__smi", "driver__nvml", "gpus__devices"])
def test_a_rung_that_hangs_is_a_doubt_even_where_the_others_say_there_is_no_driver(leaf: str) -> None:
    for facts in (healthy(), edit(without_driver(healthy()), gpus__pci=Known((), "/sys/bus/pci/devices"))):
        outcome, findings, (doubt,) = judged(RULE, blind(facts, leaf))
        assert (outcome, findings, doubt.why) == (Outcome.UNKNOWN, (), "no answer in 5 s")


def test_a_rung_that_was_only_supposed_away_is_no_doubt() -> None:
    machine = edit(without_driver(healthy()), gpus__pci=Known((), "/sys/bus/pci/devices"))
    assert silent(supposing(machine, {"gpu": "h100"}, MATRIX)) is None
    assert silent(blind(machine, "driver__smi")) is not None


def test_a_rung_that_answers_with_a_refusal_is_left_to_ed104() -> None:
    refusal = "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch"
    assert judged(RULE, blind(healthy(), "driver__smi", why=refusal))[0] is Outcome.PASS
