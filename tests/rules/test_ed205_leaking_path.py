"""ED205: user site-packages and PYTHONPATH in front of an environment."""

from typing import Any

from envdoctor.facts import Facts, Known
from envdoctor.findings import Kind, Outcome, Severity
from tests.factory import DISTRIBUTIONS, SITE, blind, dist, edit, healthy, judged

RULE = "ed205_leaking_path"
USER = "~/.local/lib/python3.11/site-packages"


def in_front(folder: str, *more: tuple[str, str], **python: Any) -> Facts:
    """The healthy node with distributions of another folder first on the path."""
    strangers = tuple(dist(name, version, location=folder) for name, version in more)
    facts = edit(healthy(), packages__distributions=Known((*strangers, *DISTRIBUTIONS), SITE))
    return edit(facts, **{f"python__{leaf}": value for leaf, value in python.items()})


def test_a_venv_without_foreign_folders_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_a_torch_in_the_user_site_over_a_conda_environments_torch_is_an_error() -> None:
    facts = in_front(USER, ("torch", "2.1.0"), ("rich", "13.0"), kind="conda", user_site=Known(USER, "site"))
    outcome, (finding,), _ = judged(RULE, facts)
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "the user site-packages puts torch 2.1.0 over the environment's 2.5.1"
    assert finding.subjects == ("torch",), "rich is no part of the stack"
    change = finding.changes[0]
    assert (change.kind, change.env) == (Kind.SET_ENV, {"PYTHONNOUSERSITE": "1"})


def test_what_only_the_user_site_has_is_a_warning_that_names_what_to_install() -> None:
    facts = in_front(USER, ("trl", "0.13.0"), user_site=Known(USER, "site"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.severity is Severity.WARNING
    assert finding.changes[0].says == "Set PYTHONNOUSERSITE=1, then install trl into the environment."


def test_the_same_version_in_both_places_or_a_package_outside_the_stack_is_no_finding() -> None:
    facts = in_front(USER, ("torch", "2.5.1"), ("rich", "13.0"), user_site=Known(USER, "site"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_a_dependency_of_the_stack_counts_too() -> None:
    (finding,) = judged(RULE, in_front(USER, ("filelock", "3.0.0"), user_site=Known(USER, "site")))[1]
    assert finding.subjects == ("filelock",)


def test_a_system_pythons_own_user_site_is_how_it_is_meant_to_be() -> None:
    facts = in_front(USER, ("torch", "2.1.0"), kind="system", user_site=Known(USER, "site"))
    assert judged(RULE, facts)[0] is Outcome.PASS


def test_pythonpath_is_shortened_by_the_folder_or_unset() -> None:
    facts = in_front("/srv/old", ("torch", "2.1.0"), pythonpath=("/src", "/srv/old"))
    (finding,) = judged(RULE, facts)[1]
    assert finding.title == "PYTHONPATH puts torch 2.1.0 over the environment's 2.5.1"
    assert finding.changes[0].env == {"PYTHONPATH": "/src"}
    (finding,) = judged(RULE, in_front("/srv/old", ("torch", "2.1.0"), pythonpath=("/srv/old",)))[1]
    assert finding.changes[0].env == {"PYTHONPATH": None}


def test_an_unknown_user_site_or_interpreter_cannot_be_told() -> None:
    assert judged(RULE, blind(healthy(), "python__user_site"))[0] is Outcome.UNKNOWN
    assert judged(RULE, blind(healthy(), "python"))[0] is Outcome.UNKNOWN
