"""ED305: CUDA libraries that come before the wheels' own."""

import pytest

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Outcome, Severity
from tests.factory import SITE, blind, edit, healthy, judged, with_torch

RULE = "ed305_foreign_cuda_libraries"
FOLDER = "/usr/local/cuda-12.1/lib64"


def copy(soname: str, version: str | None, origin: str = "LD_LIBRARY_PATH", folder: str = FOLDER) -> f.Library:
    return f.Library(stem=soname.partition(".so")[0], soname=soname, path=f"{folder}/{soname}", version=version, origin=origin)


def own(soname: str, version: str) -> f.Library:
    return copy(soname, version, "wheel", f"{SITE}/nvidia/lib")


def with_libraries(*found: f.Library, **environ: str) -> Facts:
    variables = environ or {"LD_LIBRARY_PATH": f"{FOLDER}:"}
    return edit(
        healthy(),
        cuda__libraries=Known(found, "the loader's search path"),
        environ=Known(variables, "the environment of the target"),
    )


NVJITLINK = (copy("libnvJitLink.so.12", "12.1.105"), own("libnvJitLink.so.12", "12.4.127"))


def test_the_wheels_own_copies_alone_are_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS


def test_the_real_report_ragflow_4466_older_nvjitlink_before_torch_2_5() -> None:
    outcome, (finding,), _ = judged(RULE, with_libraries(*NVJITLINK))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.cause == "ld-library-path-shadow"
    assert finding.title == "LD_LIBRARY_PATH puts libnvJitLink.so.12 12.1.105 before torch's 12.4.127"
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": None}


def test_torch_2_6_loads_its_own_nvjitlink_first_so_it_is_only_a_warning() -> None:
    _, (finding,), _ = judged(RULE, with_torch(with_libraries(*NVJITLINK), "2.6.0+cu124", "12.4"))
    assert finding.severity is Severity.WARNING


def test_the_rest_of_ld_library_path_is_kept() -> None:
    _, (finding,), _ = judged(RULE, with_libraries(*NVJITLINK, LD_LIBRARY_PATH=f"/data/lib:{FOLDER}/"))
    assert finding.changes[0].env == {"LD_LIBRARY_PATH": "/data/lib"}


@pytest.mark.parametrize(
    ("soname", "foreign", "wheel", "cause", "severity"),
    [
        ("libcudnn.so.8", "8.2.4", "8.7.0", "cudnn-shadow", Severity.ERROR),
        ("libnccl.so.2", "2.18.1", "2.21.5", "nccl-version-mismatch", Severity.ERROR),
        ("libcudart.so.12", "12.1.105", "12.4.127", "ld-library-path-shadow", Severity.WARNING),
        ("libcublas.so.12", None, "12.4.5.8", "ld-library-path-shadow", Severity.WARNING),
        ("libcudnn.so.9", "9.8.0", "9.1.0", "cudnn-shadow", Severity.WARNING),
        ("libcudart.so.12", "12.6.77", "12.4.127", "ld-library-path-shadow", Severity.INFO),
    ],
)
def test_cause_and_severity_follow_from_the_library_and_the_order(
    soname: str, foreign: str | None, wheel: str, cause: str, severity: Severity
) -> None:
    _, (finding,), _ = judged(RULE, with_libraries(copy(soname, foreign), own(soname, wheel)))
    assert (finding.cause, finding.severity) == (cause, severity)


def test_one_folder_is_one_finding_headed_by_what_breaks_most() -> None:
    more = (copy("libcudart.so.12", "12.1.105"), own("libcudart.so.12", "12.4.127"))
    _, (finding,), _ = judged(RULE, with_libraries(*more, *NVJITLINK))
    assert "libnvJitLink.so.12" in finding.title
    assert len(finding.evidence) == 4


def test_a_preloaded_older_copy_is_an_error_and_leaves_ld_preload() -> None:
    preloaded = copy("libcublas.so.12", "12.1.3.1", "LD_PRELOAD")
    facts = with_libraries(preloaded, own("libcublas.so.12", "12.4.5.8"), LD_PRELOAD=f"/lib/libjemalloc.so.2 {preloaded.path}")
    _, (finding,), _ = judged(RULE, facts)
    assert finding.severity is Severity.ERROR
    assert finding.changes[0].env == {"LD_PRELOAD": "/lib/libjemalloc.so.2"}


@pytest.mark.parametrize(
    "libraries",
    [
        (copy("libnvJitLink.so.12", "12.4.127"), own("libnvJitLink.so.12", "12.4.127")),
        (copy("libnvJitLink.so.13", "13.0.39"), own("libnvJitLink.so.12", "12.4.127")),
        (own("libnvJitLink.so.12", "12.4.127"), copy("libnvJitLink.so.12", "12.1.105", "ld.so.cache")),
        (copy("libnccl.so.2", "2.18.1"),),
    ],
    ids=["same version", "another SONAME", "behind the wheel", "no wheel has it"],
)
def test_copies_that_do_not_shadow_a_wheel_are_healthy(libraries: tuple[f.Library, ...]) -> None:
    assert judged(RULE, with_libraries(*libraries))[0] is Outcome.PASS


def test_what_was_not_observed_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "cuda__libraries"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(with_libraries(*NVJITLINK), "builds__torch"))[0] is Outcome.UNKNOWN
