"""ED306: the toolkit a build would use."""

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Outcome, Severity
from tests.factory import blind, dist, edit, healthy, judged, put, with_torch

RULE = "ed306_cuda_home"
HOME_117 = f.Toolkit(path="/usr/local/cuda-11.7", version="11.7.64", found_by="CUDA_HOME, nvcc on PATH")
LOCAL_126 = f.Toolkit(path="/usr/local/cuda-12.6", version="12.6.77", found_by="/usr/local/cuda, /usr/local/cuda-12.6")


def with_toolkits(*found: f.Toolkit) -> Facts:
    return edit(healthy(), cuda__toolkits=Known(found, "PATH, CUDA_HOME, CUDA_PATH and /usr/local"))


def test_no_toolkit_at_all_is_healthy() -> None:
    assert judged(RULE, healthy())[0] is Outcome.PASS


def test_another_minor_is_healthy() -> None:
    assert judged(RULE, put(with_toolkits(LOCAL_126), dist("deepspeed", "0.16.2")))[0] is Outcome.PASS


def test_another_major_under_deepspeed_is_a_warning_as_in_deepspeed_mii_277() -> None:
    outcome, (finding,), _ = judged(RULE, put(with_toolkits(HOME_117), dist("deepspeed", "0.11.1")))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.WARNING
    assert finding.cause == "cuda-home-mismatch"
    assert finding.title == "CUDA_HOME gives CUDA 11.7.64 for compiling, but torch is built with CUDA 12.4"
    assert finding.changes[0].kind is Kind.SYSTEM


def test_where_nothing_compiles_at_run_time_it_is_an_info() -> None:
    _, (finding,), _ = judged(RULE, with_toolkits(HOME_117))
    assert finding.severity is Severity.INFO


def test_a_fitting_toolkit_that_is_already_there_is_the_remedy() -> None:
    _, (finding,), _ = judged(RULE, with_toolkits(HOME_117, LOCAL_126))
    assert finding.changes[0].env == {"CUDA_HOME": "/usr/local/cuda-12.6"}


def test_only_the_toolkit_that_a_build_takes_first_is_judged() -> None:
    other = f.Toolkit(path="/usr/local/cuda-11.8", version="11.8.89", found_by="/usr/local/cuda-11.8")
    home = f.Toolkit(path="/usr/local/cuda-12.4", version="12.4.131", found_by="CUDA_HOME")
    assert judged(RULE, with_toolkits(other, home))[0] is Outcome.PASS


def test_a_cuda_home_without_a_toolkit_is_named() -> None:
    gone = f.Toolkit(path="/usr/local/cuda-12.4", version=None, found_by="CUDA_HOME")
    _, (finding,), _ = judged(RULE, with_toolkits(gone))
    assert finding.title == "CUDA_HOME is /usr/local/cuda-12.4, where no CUDA toolkit can be found"


def test_a_cpu_build_compiles_without_cuda() -> None:
    assert judged(RULE, with_torch(with_toolkits(HOME_117), "2.5.1+cpu", None))[0] is Outcome.PASS


def test_what_was_not_observed_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "cuda__toolkits"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(with_toolkits(HOME_117), "builds__torch"))[0] is Outcome.UNKNOWN
