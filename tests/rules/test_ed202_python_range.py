"""ED202: Requires-Python against the interpreter."""

from envdoctor.findings import Outcome, Severity
from tests.factory import blind, dist, edit, healthy, judged, put

RULE = "ed202_python_range"


def test_python_3_11_is_inside_every_range_of_the_healthy_node() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_packages_outside_their_range_are_one_finding_that_names_a_python_all_accept() -> None:
    facts = put(
        edit(healthy(), python__version="3.14.0"), dist("vllm", "0.11.2", python=">=3.10,<3.14"), dist("b", "1", python="<3.13")
    )
    outcome, (finding,), _ = judged(RULE, facts)
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.subjects == ("__python", "vllm", "b")
    assert finding.title == "Python is 3.14.0, but vllm 0.11.2 requires >=3.10,<3.14 (and 1 more)"
    assert finding.changes[0].suppose == {"python": "3.12"}


def test_only_packages_outside_the_stack_make_it_a_warning_and_ranges_that_exclude_each_other_have_no_remedy() -> None:
    (finding,) = judged(RULE, put(healthy(), dist("b", "1", python=">=3.12")))[1]
    assert finding.severity is Severity.WARNING
    (finding,) = judged(RULE, put(healthy(), dist("b", "1", python="<3")))[1]
    assert finding.changes == ()


def test_a_range_that_cannot_be_read_is_a_doubt_and_an_unknown_interpreter_cannot_be_told() -> None:
    outcome, _, doubts = judged(RULE, put(healthy(), dist("b", "1", python="python 3")))
    assert outcome is Outcome.UNKNOWN
    assert doubts[0].why == "Requires-Python of b 1 cannot be read: 'python 3'"
    assert judged(RULE, blind(healthy(), "python"))[0] is Outcome.UNKNOWN
    assert judged(RULE, edit(healthy(), python__version="three"))[0] is Outcome.UNKNOWN
