"""Who is to blame: the fewest packages, each broken requirement told once."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from envdoctor.blame import blamed, ends
from envdoctor.requirements import Edge
from tests.factory import dist


def edge(requirer: str, name: str) -> Edge:
    return Edge(dist(requirer, "1"), name, "==2", None, None)


def culprits(*edges: Edge, held: tuple[str, ...] = ()) -> set[str]:
    return {name for name, _ in blamed(edges, held)}


def test_the_package_that_many_requirements_miss_is_blamed() -> None:
    assert culprits(edge("vllm", "torch"), edge("torchvision", "torch"), edge("xformers", "torch")) == {"torch"}


def test_of_two_the_required_one_is_blamed_unless_another_holds_it() -> None:
    assert culprits(edge("a", "b")) == {"b"}
    assert culprits(edge("a", "b"), held=("b",)) == {"a"}


def test_vllm_is_spared_before_torch_and_torch_before_any_other() -> None:
    assert culprits(edge("vllm", "torch"), held=("torch",)) == {"torch"}
    assert culprits(edge("torchvision", "torch")) == {"torchvision"}
    assert culprits(edge("torch", "vllm")) == {"torch"}


def test_a_star_larger_than_the_exhaustive_search_still_has_one_centre() -> None:
    assert culprits(*(edge(f"p{number}", "torch") for number in range(40))) == {"torch"}


def test_many_separate_pairs_in_one_component_are_covered_greedily() -> None:
    hubs = [edge(f"a{hub}{leaf}", f"hub{hub}") for hub in range(6) for leaf in range(3)]
    joined = [edge(f"hub{hub}", f"hub{hub + 1}") for hub in range(5)]
    assert culprits(*hubs, *joined) == {f"hub{hub}" for hub in range(6)}


NAMES = st.sampled_from(["vllm", "torch", "a", "b", "c", "d", "e"])
EDGES = st.lists(st.tuples(NAMES, NAMES).filter(lambda pair: pair[0] != pair[1]), min_size=1, max_size=8, unique=True)


@given(EDGES)
def test_every_edge_is_told_once_and_no_smaller_set_covers_them(pairs: list[tuple[str, str]]) -> None:
    edges = [edge(*pair) for pair in pairs]
    told = list(blamed(edges, ()))
    assert sorted(ends(one) for _, some in told for one in some) == sorted(pairs)
    assert all(name in ends(one) for name, some in told for one in some)
    names = sorted({name for pair in pairs for name in pair})
    fewer = combinations(names, len(told) - 1)
    assert not any(all(set(pair) & set(some) for pair in pairs) for some in fewer)
