"""ED203: required packages that are absent."""

from envdoctor.findings import Outcome, Severity
from tests.factory import blind, dist, drop, healthy, judged, put

RULE = "ed203_missing_requirement"


def test_nothing_is_missing_on_the_healthy_node() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_a_missing_package_of_the_stack_is_an_error_with_an_install_that_pleases_all_requirers() -> None:
    outcome, (finding,), _ = judged(RULE, drop(healthy(), "numpy"))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "numpy is not installed, but torchvision 0.20.1 requires it"
    assert finding.changes[0].install == {"numpy": "<2.0.0,>=1.17"}
    assert ("vllm 0.6.6.post1 requires", "numpy<2.0.0") in [(one.what, one.value) for one in finding.evidence]


def test_several_missing_packages_are_one_finding_and_what_the_stack_lacks_comes_first() -> None:
    facts = put(drop(healthy(), "filelock", "xformers"), dist("a", "1", "aaa"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.subjects == ("filelock", "xformers", "aaa")
    assert finding.title == "3 required packages are not installed: filelock, xformers, aaa"
    assert finding.changes[0].install == {"filelock": "", "xformers": "==0.0.28.post3", "aaa": ""}


def test_outside_the_stack_it_is_a_warning() -> None:
    assert judged(RULE, put(healthy(), dist("a", "1", "b")))[1][0].severity is Severity.WARNING


def test_a_requirement_for_another_platform_or_python_or_extra_is_not_missing() -> None:
    facts = put(
        healthy(), dist("a", "1", 'pywin32; sys_platform == "win32"', 'tomli; python_version < "3.11"', 'pytest; extra == "test"')
    )
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_a_hundred_missing_packages_are_counted_not_listed() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("a", "1", *(f"missing{number}" for number in range(100)))))[1]
    assert finding.evidence[-1].value == "88"
    assert len(finding.changes[0].install) == 100


def test_unknown_packages_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN
