"""ED104: kernel module and user libraries of one version."""

import pytest

from envdoctor import facts as f
from envdoctor.facts import Known, Unknown
from envdoctor.findings import Kind, Outcome
from tests.factory import blind, edit, healthy, judged, without_driver

RULE = "ed104_driver_library_mismatch"
REFUSED = "Failed to initialize NVML: Driver/library version mismatch"


def library(version: str, kind: str = "driver", folder: str = "/usr/lib/x86_64-linux-gnu") -> f.LibCuda:
    return f.LibCuda(path=f"{folder}/libcuda.so.1", version=version, kind=kind, origin="ld.so.cache")


def libraries(*found: f.LibCuda) -> Known[tuple[f.LibCuda, ...]]:
    return Known(found, "the loader's search path")


def test_one_version_everywhere_is_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS


def test_libraries_newer_than_the_loaded_module_ask_for_a_reboot() -> None:
    outcome, (finding,), _ = judged(RULE, edit(healthy(), driver__libcuda=libraries(library("550.90.07"))))
    assert outcome is Outcome.FAIL
    assert finding.title == "the loaded driver is 550.54.15, but its libraries are 550.90.07"
    assert [change.kind for change in finding.changes] == [Kind.REBOOT]


def test_in_a_container_starting_it_anew_comes_first() -> None:
    facts = edit(healthy(), driver__libcuda=libraries(library("550.90.07")), container__runtime=Known("docker", "/.dockerenv"))
    _, (finding,), _ = judged(RULE, facts)
    assert [change.kind for change in finding.changes] == [Kind.REPLACE_IMAGE, Kind.REBOOT]


def test_a_cuda_compat_library_is_of_another_version_by_design() -> None:
    compat = library("575.57.08", "compat", "/usr/local/cuda/compat")
    assert judged(RULE, edit(healthy(), driver__libcuda=libraries(compat, library("550.54.15"))))[0] is Outcome.PASS


@pytest.mark.parametrize("leaf", ["driver__smi", "driver__nvml"])
def test_the_refusal_of_the_tools_is_enough_even_without_a_version_of_libcuda(leaf: str) -> None:
    outcome, (finding,), _ = judged(
        RULE, edit(healthy(), driver__libcuda=Unknown("no answer in 5 s"), **{leaf: Unknown(REFUSED)})
    )
    assert outcome is Outcome.FAIL
    assert finding.evidence[-1].value == REFUSED


def test_another_failure_of_nvidia_smi_is_not_taken_for_a_mismatch() -> None:
    assert judged(RULE, blind(healthy(), "driver__smi"))[0] is Outcome.PASS


def test_wsl_has_its_kernel_side_in_windows() -> None:
    facts = edit(healthy(), driver__libcuda=libraries(library("550.90.07")), host__wsl=Known(2, "/proc/version"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_a_loaded_driver_without_any_libcuda_is_named() -> None:
    _, (finding,), _ = judged(RULE, edit(healthy(), driver__libcuda=libraries()))
    assert finding.cause == "libcuda-not-found"
    assert finding.changes[0].kind is Kind.SYSTEM


def test_no_libcuda_where_no_gpu_node_was_handed_in_is_left_to_ed502() -> None:
    facts = edit(healthy(), driver__libcuda=libraries(), container__device_nodes=Known((), "/dev"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_no_driver_is_left_to_ed101() -> None:
    assert judged(RULE, without_driver(healthy()))[0] is Outcome.PASS


def test_the_module_is_also_read_from_sys() -> None:
    facts = edit(blind(healthy(), "driver__kernel_module"), driver__libcuda=libraries(library("550.90.07")))
    assert judged(RULE, facts)[0] is Outcome.FAIL


def test_what_was_not_observed_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "driver__libcuda"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "driver__kernel_module", "driver__sys_module"))[0] is Outcome.UNKNOWN
