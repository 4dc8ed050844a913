"""Which file is taken, which distributions move and why, and which plan is the smaller one."""

from __future__ import annotations

import pytest

from envdoctor.fixing.costs import Cost, moves, taken
from envdoctor.fixing.goals import Goal, between, estimate
from envdoctor.fixing.ground import ground
from envdoctor.resolver import File, Pinned
from tests.factory import MATRIX, dist
from tests.fixing.planned import NEWEST, VLLM_0_33, environment


def file(name: str, size: int = 1) -> File:
    return File(name=name, sha256="0" * 64, size_bytes=size, uploaded=None, url="http://127.0.0.1/x")


def pinned(name: str, version: str, *names: str) -> Pinned:
    return Pinned(name, version, tuple(file(one) for one in names or (f"{name}-{version}-py3-none-any.whl",)))


@pytest.mark.parametrize(
    ("names", "python", "platform", "best"),
    [
        (("a-1-py3-none-any.whl", "a-1-cp312-cp312-manylinux_2_17_x86_64.whl"), "3.12.1", "x86_64-manylinux_2_35", 1),
        (("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", "a-1-cp312-cp312-manylinux_2_28_x86_64.whl"), "3.12", None, 1),
        (("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", "a-1-py3-none-any.whl"), "3.12", "x86_64-manylinux_2_17", 1),
        (("a-1-cp313-cp313-manylinux_2_17_x86_64.whl", "a-1-cp38-abi3-manylinux2014_x86_64.whl"), "3.11", None, 1),
        (("a-1.tar.gz", "a-1-py3-none-any.whl"), "3.12", None, 1),
        (("a-1-cp312-cp312-musllinux_1_2_x86_64.whl", "a-1.tar.gz"), "3.12", "x86_64-manylinux_2_35", 1),
        (("a-1-cp312-cp312-musllinux_1_2_x86_64.whl", "a-1.tar.gz"), "3.12", "x86_64-unknown-linux-musl", 0),
        (("a-1-cp312-cp312-manylinux_2_28_aarch64.whl", "a-1.tar.gz"), "3.12", "aarch64-manylinux_2_39", 0),
        (("nonsense.whl", "a-1.tar.gz"), "3.12", None, 1),
    ],
)
def test_the_file_that_an_installer_takes_is_the_one_of_the_best_tag(
    names: tuple[str, ...], python: str, platform: str | None, best: int
) -> None:
    found = taken(pinned("a", "1", *names), python, platform)
    assert found is not None
    assert found.name == names[best]


def test_a_release_without_a_file_that_fits_has_no_size() -> None:
    assert taken(pinned("a", "1", "a-1-cp39-cp39-win_amd64.whl"), "3.12", None) is None


def test_what_nothing_needs_goes_only_if_it_cannot_stay() -> None:
    facts = environment(NEWEST, dist("keeper", "1", "numpy"), dist("torn", "1", "torch>=2.12"), dist("above", "1", "torn"))
    goal = Goal(install={"vllm": "==0.19.1"}, why={"vllm": "the driver"})
    versions = {"vllm": "0.19.1", "torch": "2.10.0", "triton": "3.6.0", "nvidia-cublas-cu12": "12.8.4.1"}
    stays = {name: version for name, version in NEWEST.items() if name not in {*versions, "nvidia-cublas"}}
    answer = {name: pinned(name, version) for name, version in {**stays, **versions}.items()}
    found = {one.name: one for one in moves(facts, MATRIX, ground(facts, goal.install), goal, answer)}
    assert "keeper" not in found
    assert found["torn"].after is None
    assert "it asks for torch>=2.12" in found["torn"].why
    assert found["above"].after is None  # what it needs goes
    assert (found["nvidia-cublas"].after, found["nvidia-cublas"].download_bytes) == (None, 0)
    assert found["vllm"].why == "the driver"
    assert found["torch"].why == "vllm 0.19.1 asks for torch==2.10.0"
    assert found["nvidia-cublas-cu12"].why == "torch 2.10.0 brings it"


def test_what_is_damaged_is_installed_again_in_its_version() -> None:
    facts = environment(NEWEST)
    goal = Goal(install={"numpy": "==2.3.5"}, again=("numpy",), why={"numpy": "ED204"})
    answer = {name: pinned(name, version) for name, version in NEWEST.items()}
    (one,) = moves(facts, MATRIX, ground(facts, goal.install), goal, answer)
    assert (one.name, one.before, one.after) == ("numpy", "2.3.5", "2.3.5")


def test_a_version_written_otherwise_is_no_move() -> None:
    facts = environment(NEWEST | {"numpy": "2.3.5"})
    answer = {name: pinned(name, version) for name, version in NEWEST.items()} | {"numpy": pinned("numpy", "2.3.5.0")}
    assert moves(facts, MATRIX, ground(facts), Goal(), answer) == ()


def test_fewer_heads_count_before_fewer_packages_and_these_before_the_download() -> None:
    def cost(heads: int, distance: int, changed: int, download: int, errors: int = 0) -> Cost:
        return Cost(errors, 0, heads, distance, changed, 0, download)

    assert cost(1, 9, 9, 9) < cost(2, 1, 1, 1)
    assert cost(1, 1, 9, 9) < cost(1, 2, 1, 1)
    assert cost(1, 1, 1, 9) < cost(1, 1, 2, 1)
    assert cost(1, 1, 1, 1) < cost(1, 1, 1, 2)
    assert cost(9, 9, 9, 9) < cost(1, 1, 1, 1, errors=1)


def test_a_goal_is_estimated_by_the_heads_that_it_moves_and_how_far() -> None:
    facts = environment(VLLM_0_33)
    near = estimate({"vllm": "0.32.0", "torch": "2.13.0"}, facts, MATRIX)
    far = estimate({"vllm": "0.19.1", "torch": "2.10.0"}, facts, MATRIX)
    assert near.heads == far.heads == 2
    assert near < far
    assert estimate({"tokenizers": "0.22.2", "vllm": "0.33.0"}, facts, MATRIX).heads == 0
    assert between(MATRIX, "vllm", "0.33.0", "0.32.0") == 1
    assert between(MATRIX, "a-package-of-nobody", "1", "2") == 1
