"""ED105: cuda-compat and stub libraries in front of the driver's own."""

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Outcome, Severity
from tests.factory import blind, edit, gpu, healthy, judged, with_driver

RULE = "ed105_cuda_compat_conflict"
FOLDER = "/usr/local/cuda/compat"
OWN = "/usr/lib/x86_64-linux-gnu"


def first(version: str | None, facts: Facts, kind: str = "compat", folder: str = FOLDER, path: str | None = None) -> Facts:
    """Facts in which that libcuda comes before the driver's own; ``path``: LD_LIBRARY_PATH, else found by ld.so.cache."""
    origin = "ld.so.cache" if path is None else "LD_LIBRARY_PATH"
    libraries = (
        f.LibCuda(path=f"{folder}/libcuda.so.1", version=version, kind=kind, origin=origin),
        f.LibCuda(path=f"{OWN}/libcuda.so.1", version="550.54.15", kind="driver", origin="ld.so.cache"),
    )
    environ = {} if path is None else {"LD_LIBRARY_PATH": path}
    return edit(facts, driver__libcuda=Known(libraries, "the loader's search path"), environ=Known(environ, "the environment"))


def on(name: str, pci: str = "0x2330") -> Facts:
    return edit(healthy(), gpus__devices=Known((gpu(name=name, sm="8.6", pci=pci),), "NVML"))


def test_the_drivers_own_library_first_is_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS


def test_compat_newer_than_the_driver_on_a_data_centre_gpu_is_healthy() -> None:
    assert judged(RULE, first("575.57.08", healthy()))[0] is Outcome.PASS


def test_compat_of_the_drivers_own_version_changes_nothing() -> None:
    assert judged(RULE, first("550.54.15", on("NVIDIA GeForce RTX 3090")))[0] is Outcome.PASS


def test_compat_older_than_the_driver_is_error_803_as_in_the_vllm_image_0_15() -> None:
    outcome, (finding,), _ = judged(RULE, first("575.57.08", with_driver(healthy(), "580.95.05", "13.0")))
    assert outcome is Outcome.FAIL
    assert finding.title == "cuda-compat 575.57.08 hides the newer driver 580.95.05"
    assert "Error 803" in finding.why
    assert [change.kind for change in finding.changes] == [Kind.SET_ENV, Kind.SYSTEM]
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": OWN}


def test_compat_on_a_geforce_is_error_804() -> None:
    _, (finding,), _ = judged(RULE, first("575.57.08", on("NVIDIA GeForce RTX 3090")))
    assert finding.severity is Severity.ERROR
    assert "Error 804" in finding.why
    assert finding.title.endswith("NVIDIA GeForce RTX 3090")


def test_a_professional_card_outside_the_list_is_only_a_warning() -> None:
    _, (finding,), _ = judged(RULE, first("575.57.08", on("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "0x2bb1")))
    assert finding.severity is Severity.WARNING


def test_the_folder_is_taken_out_of_ld_library_path_and_the_rest_kept() -> None:
    _, (finding,), _ = judged(RULE, first("525.60.13", healthy(), path=f"/data/lib:{FOLDER}/"))
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": "/data/lib"}
    _, (finding,), _ = judged(RULE, first("525.60.13", healthy(), path=FOLDER))
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": None}


def test_a_folder_named_by_a_link_is_taken_out_too() -> None:
    real = "/usr/local/cuda-12.9/compat"
    _, (finding,), _ = judged(RULE, first("525.60.13", healthy(), folder=real, path=f"{FOLDER}:/data/lib"))
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": "/data/lib"}


def test_a_stub_first_is_error_34_on_every_gpu() -> None:
    stubs = "/usr/local/cuda/lib64/stubs"
    _, (finding,), _ = judged(RULE, first(None, healthy(), "stub", stubs, stubs))
    assert "error 34" in finding.why
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": None}


def test_a_machine_without_libcuda_is_not_this_rules_business() -> None:
    assert judged(RULE, edit(healthy(), driver__libcuda=Known((), "the loader's search path")))[0] is Outcome.PASS


def test_an_unknown_driver_gpu_or_compat_version_cannot_be_told() -> None:
    unknown_driver = blind(
        first("575.57.08", healthy()), "driver__kernel_module", "driver__sys_module", "driver__nvml", "driver__smi"
    )
    assert judged(RULE, unknown_driver)[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(first("575.57.08", healthy()), "gpus__devices"))[0] is Outcome.UNKNOWN
    _, _, (doubt,) = judged(RULE, first(None, healthy()))
    assert doubt.why == f"the version of the cuda-compat library {FOLDER}/libcuda.so.1 cannot be read from its name"
