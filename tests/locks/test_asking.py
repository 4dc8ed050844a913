"""What is asked for when the user says something over a profile, and as of when."""

from __future__ import annotations

import pytest
from packaging.version import Version

from envdoctor import targets
from envdoctor.errors import UserError
from envdoctor.locks.asking import STACK, Ask, Stated, candidates, moment, stated
from envdoctor.matrix import Matrix

MATRIX = Matrix()
H100 = targets.profile("h100")
TODAY = "2026-11-25"


def asked(*packages: str) -> Stated:
    return stated(H100, Ask(packages=packages), MATRIX, "3.12")


def offered(*packages: str, before: str | None = None) -> list[dict[str, str]]:
    found = candidates(H100, asked(*packages), MATRIX, "3.12", before)
    assert all(one.basis == STACK for choice in found for one in choice)
    return [{one.package: one.specifier for one in choice} for choice in found]


def test_without_a_word_of_the_user_the_profile_is_asked_for() -> None:
    one = asked()
    assert one.lines == H100.stack
    assert one.exact == {"vllm": Version("0.31.0"), "trl": Version("1.16.0")}
    assert not offered()


def test_another_package_is_added_and_the_rest_stays() -> None:
    assert asked("liger-kernel", "deepspeed==0.18.0").lines == (*H100.stack, "liger-kernel", "deepspeed==0.18.0")


def test_a_version_of_the_users_opens_what_the_profile_pins() -> None:
    one = asked("vllm==0.7.0")
    assert one.lines[:2] == ("vllm==0.7.0", "trl")
    assert one.exact == {"vllm": Version("0.7.0")}


def test_the_profiles_own_version_changes_nothing() -> None:
    assert asked("vllm==0.31.0").lines == H100.stack


def test_an_open_trainer_is_chosen_by_the_data() -> None:
    assert offered("vllm==0.7.0")[0] == {"trl": "==0.16.1"}


def test_an_open_engine_and_trainer_are_the_newest_that_go_together() -> None:
    newest = offered("vllm", "trl[vllm]")[0]
    assert newest == {"vllm": "==0.31.0", "trl": "==1.16.0"}


def test_a_torch_of_the_users_chooses_engine_and_trainer() -> None:
    assert offered("torch==2.8.0")[0]["vllm"] == "==0.11.0"


def test_no_stack_is_offered_that_came_out_after_the_moment() -> None:
    assert offered("vllm==0.7.0", before="2025-01-29T00:00:00Z") == []
    assert offered("vllm==0.7.0", before="2026-01-01T00:00:00Z")


def test_a_trainer_that_nothing_takes_is_left_out_and_that_is_said() -> None:
    one = asked("vllm==0.33.0")
    assert "trl" not in one.names
    assert "trl is left out" in one.notes[0]
    assert "trl" in asked("vllm==0.33.0", "trl==1.16.0").names


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-11-01", "2026-11-02T00:00:00Z"),
        ("2026-12-31", "2027-01-01T00:00:00Z"),
        ("7d", "2026-11-18T00:00:00Z"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
    ],
)
def test_a_day_counts_to_its_end(text: str, means: str) -> None:
    assert moment(Ask(exclude_newer=text), asked(), MATRIX, TODAY) == means


def test_as_of_release_is_through_the_day_after_the_engine_came_out() -> None:
    assert moment(Ask(as_of="release"), asked("vllm==0.7.0"), MATRIX, TODAY) == "2025-01-29T00:00:00Z"
    assert moment(Ask(as_of="2025-01-31"), asked("vllm==0.7.0"), MATRIX, TODAY) == "2025-02-01T00:00:00Z"
    assert moment(Ask(), asked(), MATRIX, TODAY) is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0d", "7", "2026-11-01 --index=x", "7d7d"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no day"):
        moment(Ask(exclude_newer=text), asked(), MATRIX, TODAY)


def test_days_that_cannot_be_told_are_refused() -> None:
    with pytest.raises(UserError, match="say the same"):
        moment(Ask(exclude_newer="7d", as_of="release"), asked(), MATRIX, TODAY)
    nothing = Stated(lines=("torch",), exact={}, names=("torch",))
    with pytest.raises(UserError, match="no release day"):
        moment(Ask(as_of="release"), nothing, MATRIX, TODAY)


@pytest.mark.parametrize(
    "line", ["vllm=0.7.0", "--index-url=x", "vllm @ https://example.invalid/x.whl", "", "a\n--index-url x", "-r x"]
)
def test_what_is_no_requirement_is_refused(line: str) -> None:
    with pytest.raises(UserError):
        asked(line)


def test_a_package_is_named_once() -> None:
    with pytest.raises(UserError, match="asked for twice"):
        asked("vLLM==0.7.0", "vllm==0.8.0")
