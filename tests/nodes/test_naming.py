"""Compact names as ``scontrol show hostnames`` of Slurm 22.05.8 (Debian 12) expands them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.nodes.naming import BadName, compact, expand

# each was given to scontrol itself
SCONTROL = {
    "node[01-04,7]": "node01 node02 node03 node04 node7",
    "a1,b[2-3],c": "a1 b2 b3 c",
    "n[8-11]": "n8 n9 n10 n11",
    "n[08-11]": "n08 n09 n10 n11",
    "n[001,2-3]": "n001 n2 n3",
    "r[1-2]n[01-02]": "r1n01 r1n02 r2n01 r2n02",
    "n[1-3,2]": "n1 n2 n3 n2",
    "n[1-2],,m": "n1 n2 m",
    "n[01-1]": "n01",
    "n[9-010]": "n9 n10",
    "[1-3]": "1 2 3",
}
REFUSED_BY_BOTH = ("n[3-1]", "n[a-b]", "n[]", "n[1,]", "n[1 2]", "n[-3]", "n[1-100000000]", "n[0-70000000]")
ONLY_HERE = (
    "n[1-2",
    "n1-3]",
    "n[[1]]",
    "n[5-]",
    "-n",
    "n[1-2]/x",
    "n;ls",
    "$(ls)",
    "n m",
    "x" * 300,
    "n[1-9][1-99999]",
    "n[1" + "0" * 30 + "]",
)


@pytest.mark.parametrize("text", SCONTROL)
def test_it_is_expanded_as_slurm_does(text: str) -> None:
    assert expand(text) == SCONTROL[text].split()


def test_more_than_two_brackets_give_every_combination() -> None:
    assert sorted(expand("n[1-2][3-4][5-6]")) == ["n135", "n136", "n145", "n146", "n235", "n236", "n245", "n246"]


def test_text_may_follow_a_bracket() -> None:
    assert expand("gpu-[1-2].example.org") == ["gpu-1.example.org", "gpu-2.example.org"]


@pytest.mark.parametrize("text", [*REFUSED_BY_BOTH, *ONLY_HERE])
def test_anything_else_is_refused_with_words(text: str) -> None:
    with pytest.raises(BadName, match=r".{10}"):
        expand(text)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("n1 n2 n3", "n[1-3]"),
        ("n09 n10 n11", "n[09-11]"),
        ("n9 n10", "n[9-10]"),
        ("n1 n2 n3 n05 n06 n7", "n[1-3,05-06,7]"),
        ("r1n01 r1n02 r2n01", "r1n[01-02],r2n01"),
        ("gpu-1.dom2.org gpu-2.dom2.org", "gpu-[1-2].dom2.org"),
        ("10.0.0.9 10.0.0.10", "10.0.0.[9-10]"),
        ("root@n1 root@n2 login", "root@n[1-2],login"),
        ("n1 m1 n2", "n[1-2],m1"),
    ],
)
def test_names_are_written_short(names: str, text: str) -> None:
    assert compact(names.split()) == text


@given(
    st.lists(
        st.from_regex(r"[a-z0-9][a-z]{0,2}[0-9]{0,4}(-[a-z0-9]{1,3})?(\.[a-z0-9]{1,3})?", fullmatch=True).filter(bool),
        unique=True,
        max_size=30,
    )
)
def test_what_is_written_short_reads_back(names: list[str]) -> None:
    assert sorted(expand(compact(names))) == sorted(names)
