"""ED207: an environment whose interpreter does not start."""

import pytest

from envdoctor.findings import Outcome, Severity
from tests.factory import blind, edit, healthy, judged

RULE = "ed207_interpreter_gone"
WHY = "~/venv/bin/python points to /usr/bin/python3.11, which does not exist: its base Python is gone"


def test_an_interpreter_that_starts_is_healthy() -> None:
    assert judged(RULE, healthy()) == (Outcome.PASS, (), ())


def test_a_gone_interpreter_is_an_error_with_the_reason_and_the_command_for_a_new_environment() -> None:
    outcome, (finding,), _ = judged(RULE, edit(healthy(), target__broken=WHY))
    assert outcome is Outcome.FAIL
    assert finding.severity is Severity.ERROR
    assert finding.title == "the interpreter of ~/venv does not start"
    assert finding.evidence[0].value == WHY
    assert finding.changes[0].argv == (("python3.11", "-m", "venv", "--clear", "~/venv"),)


def test_it_is_told_even_when_nothing_of_the_interpreter_is_known() -> None:
    (finding,) = judged(RULE, blind(edit(healthy(), target__broken=WHY), "python"))[1]
    assert finding.changes[0].argv == (), "whether the folder is a virtual environment is not known"


@pytest.mark.parametrize(
    "why",
    ["~/venv/bin/python cannot be read: Permission denied", "~/venv/bin/python does not start (exit status 1): MemoryError"],
)
def test_an_environment_that_may_be_whole_is_not_emptied(why: str) -> None:
    (finding,) = judged(RULE, edit(healthy(), target__broken=why))[1]
    assert finding.evidence[0].value == why
    assert finding.changes[0].argv == ()
    assert finding.changes[0].says.startswith("Mend what keeps it from starting")


@pytest.mark.parametrize(
    "odd",
    [
        {"python__kind": "system"},
        {"python__kind": "conda"},
        {"python__prefix": "/"},
        {"python__prefix": "~"},
        {"python__prefix": "/a"},
        {"python__prefix": "/usr"},
        {"python__prefix": "/usr/", "python__base_prefix": "/usr"},
        {"python__prefix": "/home", "python__base_prefix": "/home/user/python"},
        {"python__prefix": "~/venv/../.."},
        {"python__prefix": "-rf"},
        {"target__spec": "saved:facts.json"},
    ],
)
def test_no_command_empties_a_folder_that_may_be_more_than_an_environment(odd: dict[str, str]) -> None:
    (finding,) = judged(RULE, edit(healthy(), target__broken=WHY, **odd))[1]
    assert finding.changes[0].argv == ()
    assert "deletes" not in finding.changes[0].says
    assert "make a new environment with Python 3.11" in finding.changes[0].says
