"""Ranges of several requirers: joined, contradicted, answered from the data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from envdoctor.claims import admits
from envdoctor.matrix import Matrix
from envdoctor.pins import MOST_RANGES, combined, contradiction, fitting, satisfiable
from envdoctor.requirements import Edge
from tests.factory import blind, dist, healthy, put


@pytest.mark.parametrize(
    ("ranges", "joined"),
    [
        ([">=1", "<2"], "<2,>=1"),
        ([">=1", "==1.5", "<2"], "==1.5"),
        (["==1.*", ">=1.2"], "==1.*,>=1.2"),
        (["", ">=1"], ">=1"),
        ([], ""),
    ],
)
def test_ranges_are_joined_and_an_exact_pin_stands_alone(ranges: list[str], joined: str) -> None:
    assert combined(ranges) == joined


@pytest.mark.parametrize(
    ("ranges", "possible"),
    [
        (["==2.5.1", "==2.6.0"], False),
        (["<1.0", ">=1.3"], False),
        ([">=1.0", "<1.0"], False),
        ([">1.0", "<=1.0"], False),
        (["~=4.51", "<5"], True),
        ([">=4.56.0,<5", "!=4.57.*"], True),
        (["==4.*", ">4.9"], True),
        ([">=2,!=2.*"], True),
        (["==2.5.1", ">=2.5,<2.6"], True),
        ([""], True),
        ([], True),
    ],
)
def test_whether_ranges_have_a_version_in_common(ranges: list[str], possible: bool) -> None:
    assert satisfiable(ranges) is possible


VERSIONS = [f"{major}.{minor}" for major in range(4) for minor in range(4)]
CLAUSES = st.builds(str.__add__, st.sampled_from(["==", ">=", "<=", "<", ">", "!=", "~="]), st.sampled_from(VERSIONS))


@given(st.lists(CLAUSES, min_size=1, max_size=4))
def test_a_common_version_is_never_overlooked(ranges: list[str]) -> None:
    if any(all(admits(spec, Version(version)) for spec in ranges) for version in VERSIONS):
        assert satisfiable(ranges)


def test_a_contradiction_is_the_first_pair_that_no_version_satisfies() -> None:
    edges = [Edge(dist(name, "1"), "x", spec, None, None) for name, spec in (("a", ""), ("b", "<1"), ("c", "<2"), ("d", ">=1"))]
    found = contradiction(edges)
    assert found is not None
    assert [edge.requirer.name for edge in found] == ["b", "d"]
    assert contradiction(edges[:3]) is None


def test_the_data_knows_the_torchvision_for_the_installed_torch_and_nothing_for_an_unknown_one() -> None:
    assert fitting(healthy(), Matrix(), "torchvision", ("torch",)) == "==0.20.1"
    assert fitting(put(healthy(), dist("torch", "0.1")), Matrix(), "torchvision", ("torch",)) is None
    assert fitting(blind(healthy(), "packages__distributions"), Matrix(), "torchvision", ("torch",)) is None
    assert fitting(healthy(), Matrix(), "torchvision", ("torch", "numpy")) is None, "no row speaks of both"


def test_clauses_that_take_any_text_are_neither_a_crash_nor_a_contradiction_by_themselves() -> None:
    assert satisfiable(["===2.5.1", ">=2"])
    assert not satisfiable(["===foo", ">=2"])


def test_too_many_different_ranges_are_not_searched_and_nothing_is_claimed_of_them() -> None:
    ranges = [f"=={minor}" for minor in range(MOST_RANGES + 1)]
    edges = [Edge(dist("a", "1"), "x", spec, None, None) for spec in ranges]
    assert satisfiable(ranges)
    assert not satisfiable(ranges[:MOST_RANGES])
    assert contradiction(edges) is None
    assert contradiction(edges[:2]) is not None
