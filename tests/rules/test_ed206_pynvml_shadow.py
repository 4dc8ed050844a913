"""ED206: pynvml against nvidia-ml-py."""

from envdoctor.facts import Known
from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.sources.pasted import facts_of
from tests.factory import MATRIX, SITE, blind, dist, drop, edit, healthy, judged, put

RULE = "ed206_pynvml_shadow"


def test_nvidia_ml_py_alone_is_healthy_and_needs_no_file_owners() -> None:
    assert judged(RULE, blind(healthy(), "builds__module_owners")) == (Outcome.PASS, (), ())


def test_pynvml_11_beside_nvidia_ml_py_is_an_error_under_vllm() -> None:
    outcome, (finding,), _ = judged(RULE, put(healthy(), dist("pynvml", "11.5.3")))
    assert outcome is Outcome.FAIL
    assert (finding.severity, finding.cause) == (Severity.ERROR, "pynvml-conflict")
    assert finding.title == "pynvml 11.5.3 hides nvidia-ml-py 12.560.30"
    change = finding.changes[0]
    assert (change.kind, change.remove, change.install) == (Kind.UNINSTALL, ("pynvml",), {"nvidia-ml-py": "==12.560.30"})


def test_without_an_engine_it_is_a_warning_and_without_the_official_package_that_is_installed() -> None:
    facts = put(drop(healthy(), "vllm", "nvidia-ml-py"), dist("pynvml", "8.0.4"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.WARNING
    assert finding.title == "pynvml 8.0.4 is installed in the place of nvidia-ml-py"
    assert finding.changes[0].install == {"nvidia-ml-py": ""}


def test_pynvml_12_is_a_shim_over_nvidia_ml_py_and_healthy() -> None:
    assert judged(RULE, put(healthy(), dist("pynvml", "12.0.0", "nvidia-ml-py<13.0.0a0,>=12.0.0")))[0] is Outcome.PASS


def test_another_owner_of_the_file_is_found_by_the_records() -> None:
    facts = put(healthy(), dist("nvidia-ml-py3", "7.352.0"))
    assert judged(RULE, facts)[0] is Outcome.PASS
    owners = Known({"pynvml.py": ("nvidia-ml-py", "nvidia-ml-py3")}, SITE)
    (finding,) = judged(RULE, edit(facts, builds__module_owners=owners))[1]
    assert finding.title == "nvidia-ml-py3 7.352.0 shares the file pynvml.py with nvidia-ml-py 12.560.30"
    assert finding.evidence[-1].value == "nvidia-ml-py, nvidia-ml-py3"


def test_unknown_owners_or_a_version_that_is_none_cannot_be_told() -> None:
    facts = blind(put(healthy(), dist("pynvml", "12.0.0")), "builds__module_owners")
    assert judged(RULE, facts)[0] is Outcome.UNKNOWN
    assert judged(RULE, put(healthy(), dist("pynvml", "old")))[0] is Outcome.UNKNOWN


def test_a_version_that_nobody_can_ask_for_is_not_put_into_the_install() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("pynvml", "11.5.3"), dist("nvidia-ml-py", "nightly")))[1]
    assert finding.changes[0].install == {"nvidia-ml-py": ""}


def test_in_a_report_only_the_error_makes_it_a_fault() -> None:
    (finding,) = judged(RULE, facts_of(b"pynvml==11.5.0\nnvidia-ml-py==12.560.30\nvllm==0.6.3\n", "a test", MATRIX))[1]
    assert finding.severity is Severity.INFO
