"""ED204: packages installed twice or by halves."""

import pytest

from envdoctor.check import judge
from envdoctor.facts import Facts, Known, Leftover
from envdoctor.findings import Kind, Outcome, Severity
from envdoctor.rules import load
from tests.factory import DISTRIBUTIONS, MATRIX, SITE, blind, dist, edit, healthy, judged

RULE = "ed204_damaged_distribution"
SYSTEM = "/usr/lib/python3/dist-packages"


def beside(*more: object) -> Facts:
    """The healthy node with these distributions at the end of the list, others of their names kept."""
    return edit(healthy(), packages__distributions=Known((*DISTRIBUTIONS, *more), SITE))


def test_the_healthy_node_is_complete() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_two_records_of_torch_in_one_folder_are_an_error_that_lists_both() -> None:
    outcome, (finding,), _ = judged(RULE, beside(dist("torch", "2.6.0")))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "torch is installed 2 times in one folder: 2.5.1 and 2.6.0"
    assert [one.via for one in finding.evidence] == [f"{SITE}/torch-2.5.1.dist-info", f"{SITE}/torch-2.6.0.dist-info"]
    change = finding.changes[0]
    assert (change.kind, change.remove, change.install) == (Kind.UNINSTALL, ("torch",), {"torch": "==2.5.1"}), (
        "what vllm requires"
    )


def test_names_are_compared_in_their_normal_form() -> None:
    (finding,) = judged(RULE, beside(dist("Nvidia_ML.py", "11.0")))[1]
    assert finding.subjects == ("nvidia-ml-py",)


def test_two_records_of_the_same_version_are_only_worth_knowing() -> None:
    (finding,) = judged(RULE, beside(dist("filelock", "3.16.1", metadata_dir="filelock-3.16.1.egg-info")))[1]
    assert finding.severity is Severity.INFO


def test_metadata_that_is_missing_means_a_half_removed_package() -> None:
    outcome, (finding,), _ = judged(RULE, beside(dist("scipy", "1.11.4", problem="METADATA is missing")))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.WARNING
    assert finding.title == "the installation of scipy is damaged: METADATA is missing"
    assert finding.changes[0].install == {"scipy": "==1.11.4"}


def test_a_tilde_folder_is_information_with_the_command_that_deletes_it() -> None:
    facts = edit(healthy(), packages__leftovers=Known((Leftover(location=SITE, entry="~orch"),), SITE))
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.INFO
    assert finding.changes[0].argv == (("rm", "-r", f"{SITE}/~orch"),)


@pytest.mark.parametrize(
    ("location", "entry"),
    [(SITE, "~"), (SITE, "numpy"), (SITE, "~/../torch"), (SITE, ""), ("/etc", "~orch"), ("~", "~orch")],
)
def test_no_command_deletes_anything_else_than_a_tilde_folder_in_a_folder_of_packages(location: str, entry: str) -> None:
    leftovers = (Leftover(location=location, entry=entry), Leftover(location=SITE, entry="~riton"))
    (finding,) = judged(RULE, edit(healthy(), packages__leftovers=Known(leftovers, SITE)))[1]
    assert finding.changes[0].argv == (("rm", "-r", f"{SITE}/~riton"),)


@pytest.mark.parametrize("unsure", ["target__spec", "python", "python__site_dirs"])
def test_no_command_deletes_on_the_word_of_a_record_or_where_the_folders_are_not_known(unsure: str) -> None:
    facts = edit(healthy(), packages__leftovers=Known((Leftover(location=SITE, entry="~orch"),), SITE))
    odd = edit(facts, target__spec="saved:facts.json") if unsure == "target__spec" else blind(facts, unsure)
    verdict = judge(load(RULE), odd, MATRIX)
    assert verdict.findings[0].title == "an install or removal was interrupted and left ~orch"
    assert verdict.findings[0].changes[0].argv == ()


def test_an_older_copy_in_the_systems_folder_is_information_and_one_in_the_user_site_belongs_to_ed205() -> None:
    facts = beside(dist("numpy", "1.21.5", location=SYSTEM))
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.INFO
    assert finding.title == "numpy 1.26.4 hides numpy 1.21.5 further down the path"
    assert judged(RULE, edit(facts, python__user_site=Known(SYSTEM, "site")))[0] is Outcome.PASS
    assert judged(RULE, beside(dist("numpy", "1.26.4", location=SYSTEM)))[0] is Outcome.PASS


def test_unknown_packages_or_leftovers_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "packages__distributions"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "packages__leftovers"))[0] is Outcome.UNKNOWN
