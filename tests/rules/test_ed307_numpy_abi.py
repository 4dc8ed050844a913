"""ED307: NumPy 2 under modules that were built for NumPy 1."""

from envdoctor import facts as f
from envdoctor.facts import Facts, Known
from envdoctor.findings import Layer, Outcome, Severity
from tests.factory import SITE, blind, dist, edit, healthy, judged, put

RULE = "ed307_numpy_abi"


def with_old_modules(*packages: str) -> Facts:
    """NumPy 2.2 with pandas 2.0.3; modules of these packages carry the marks of NumPy 1 headers."""
    facts = put(healthy(), dist("numpy", "2.2.0"), dist("vllm", "0.11.2", "numpy"), dist("pandas", "2.0.3", "numpy>=1.21.0"))
    modules = tuple(f.NumpyAbi(package=name, path=f"{name}/_libs/{part}.so") for name in packages for part in ("a", "b"))
    return edit(facts, builds__numpy1_modules=Known(modules, SITE))


def test_numpy_1_is_healthy_whatever_the_modules_are() -> None:
    assert judged(RULE, blind(healthy(), "builds__numpy1_modules")) == (Outcome.PASS, (), ())


def test_numpy_2_with_modules_built_for_it_is_healthy() -> None:
    assert judged(RULE, with_old_modules())[0] is Outcome.PASS


def test_old_modules_under_numpy_2_are_one_error_with_two_ways_out() -> None:
    outcome, (finding,), _ = judged(RULE, with_old_modules("pandas"))
    assert outcome is Outcome.FAIL
    assert (finding.severity, finding.layer, finding.cause) == (Severity.ERROR, Layer.LINKED, "numpy2-abi")
    assert finding.title == "numpy 2.2.0 is installed, but pandas 2.0.3 is compiled for NumPy 1"
    assert [one.value for one in finding.evidence] == ["2.2.0", "pandas/_libs/a.so"]
    assert [change.install for change in finding.changes] == [{"numpy": "<2,>=1.17,>=1.21.0"}, {"pandas": ">2.0.3"}]


def test_where_something_requires_numpy_2_only_the_upgrade_is_offered() -> None:
    facts = put(with_old_modules("pandas"), dist("opencv-python", "4.12", "numpy>=2"))
    assert [change.install for change in judged(RULE, facts)[1][0].changes] == [{"pandas": ">2.0.3"}]


def test_several_packages_are_one_finding() -> None:
    (finding,) = judged(RULE, with_old_modules("pandas", "scipy", "numba"))[1]
    assert finding.title == "numpy 2.2.0 is installed, but numba, pandas 2.0.3 and 1 more are compiled for NumPy 1"


def test_modules_that_were_not_searched_cannot_be_told() -> None:
    assert judged(RULE, blind(with_old_modules(), "builds__numpy1_modules"))[0] is Outcome.UNKNOWN
    assert judged(RULE, put(healthy(), dist("numpy", "two")))[0] is Outcome.UNKNOWN
