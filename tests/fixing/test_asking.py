"""From the cache where it is enough, and then whether the files are really there; with a resolver that only listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.fixing.asking import Resolver
from envdoctor.resolver import Pinned, Question, Unresolvable

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTION = Question(requirements=("a",), python="3.12", preferences={"b": "1"}, constraints=("b==1",))
PIN = Pinned("a", "1", ())


def answering(*answers: tuple[Pinned, ...] | UserError) -> tuple[Callable[[Question], tuple[Pinned, ...]], list[Question]]:
    """A resolver that gives these answers one after another, and what it was asked."""
    asked: list[Question] = []
    left = list(answers)

    def resolve(question: Question) -> tuple[Pinned, ...]:
        asked.append(question)
        answer = left.pop(0)
        if isinstance(answer, UserError):
            raise answer
        return answer

    return resolve, asked


def test_a_warm_cache_is_enough_to_choose() -> None:
    resolve, asked = answering((PIN,))
    assert Resolver(resolve=resolve).ask(QUESTION) == {"a": PIN}
    assert [one.offline for one in asked] == [True]


@pytest.mark.parametrize(
    "cold",
    [
        Unresolvable("Because a was not found in the cache and you require a, we can conclude"),
        Unresolvable("hint: Packages were unavailable because the network was disabled."),
        UserError("uv could not resolve: the cache has no such page", "Try again."),
    ],
)
def test_a_cold_cache_is_no_answer_and_the_index_is_asked(cold: UserError) -> None:
    resolve, asked = answering(cold, (PIN,))
    assert Resolver(resolve=resolve).ask(QUESTION) == {"a": PIN}
    assert [one.offline for one in asked] == [True, False]


def test_a_contradiction_in_the_cache_is_one_and_the_index_is_not_asked_again() -> None:
    resolve, asked = answering(Unresolvable("Because diskcache==1 depends on network-tools==2 and you require network-tools==1"))
    with pytest.raises(Unresolvable):
        Resolver(resolve=resolve).ask(QUESTION)
    assert len(asked) == 1


def test_offline_the_index_is_never_asked() -> None:
    resolve, asked = answering(Unresolvable("a was not found in the cache"), (PIN,))
    resolver = Resolver(offline=True, resolve=resolve)
    with pytest.raises(Unresolvable):
        resolver.ask(QUESTION)
    assert resolver.confirmed(QUESTION, [PIN]) == {"a": PIN}
    assert [one.offline for one in asked] == [True]


def test_what_moves_is_asked_for_by_its_exact_version_alone() -> None:
    resolve, asked = answering((PIN,))
    assert Resolver(resolve=resolve).confirmed(QUESTION, [PIN]) == {"a": PIN}
    assert asked[0].requirements == ("a==1",)
    assert (asked[0].offline, asked[0].with_dependencies) == (False, False)
    assert not asked[0].constraints
    assert not asked[0].preferences


def test_a_file_that_is_gone_from_the_index_puts_the_cache_out_of_use() -> None:
    resolve, asked = answering(Unresolvable("there is no version of a==1"), (PIN,))
    resolver = Resolver(resolve=resolve)
    assert resolver.confirmed(QUESTION, [PIN]) is None
    resolver.ask(QUESTION)
    assert asked[1].offline is False
    assert resolver.questions == 2
