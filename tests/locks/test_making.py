"""Making locks from a small index on 127.0.0.1 that has the releases of the real stack, judged by the real data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor import targets
from envdoctor.errors import UserError
from envdoctor.locks import files
from envdoctor.locks.asking import Ask
from envdoctor.locks.making import make
from envdoctor.matrix import Matrix
from envdoctor.resolver import Index, Unresolvable
from tests.locks.shop import Shop
from tests.wheelhouse import Wheelhouse, wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.locks.document import Lock
    from envdoctor.locks.making import Made

__all__ = ["wheelhouse"]
MATRIX = Matrix()
H100 = msgspec.structs.replace(targets.profile("h100"), stack=("vllm==0.31.0", "trl==1.16.0", "transformers"))
TODAY = "2026-11-25"
MANY = "cp38-abi3-manylinux_2_28_x86_64"


@pytest.fixture
def shop(wheelhouse: Wheelhouse) -> Shop:
    """The stacks of vLLM 0.30.0 and 0.31.0 with TRL 1.16.0; 0.30.0 states no cap on transformers, and newer ones are there."""
    one = Shop(wheelhouse, MATRIX)
    for version in ("5.10.4", "5.17.0", "5.23.0"):
        one.stock("transformers", version)
    for version in ("0.30.0", "0.31.0"):
        one.stock("vllm", version)
    one.stock("trl", "1.16.0")
    return one


def made(shop: Shop, previous: Lock | None = None, today: str = TODAY, **ask: Any) -> Made:
    return make(H100, Ask(**{"index": shop.house.asked, **ask}), MATRIX, today=today, previous=previous)


def versions(one: Made) -> dict[str, str]:
    return {package.name: package.version for package in one.lock.packages}


def test_a_lock_says_what_was_asked_what_came_and_what_is_assumed(shop: Shop) -> None:
    lock = made(shop).lock
    assert lock.stack == {"vllm": "0.31.0", "trl": "1.16.0", "transformers": "5.17.0", "torch": "2.13.0"}
    assert (lock.cuda, lock.driver_floor, lock.gpu, lock.glibc, lock.python) == ("13.0", "580.65.06", "h100", "2.39", "3.12")
    assert lock.verdict.startswith("clean")
    assert lock.bounds == ()
    names = [one.name for one in lock.packages]
    assert names == sorted(names)
    assert lock.packages[names.index("torch")].file == f"torch-2.13.0-{MANY}.whl"


def test_a_resolver_that_would_walk_around_the_cap_is_not_let(shop: Shop) -> None:
    """Without the bound uv takes transformers 5.23.0, which vLLM 0.30.0 forgot to refuse."""
    one = made(shop, packages=("vllm==0.30.0",))
    assert versions(one)["transformers"] == "5.17.0"
    bounds = {bound.package: (bound.specifier, bound.basis) for bound in one.lock.bounds}
    assert bounds["transformers"] == ("<5.18.0", "later-cap")


def test_an_open_engine_is_the_newest_of_the_data_not_the_one_without_a_cap(shop: Shop) -> None:
    one = made(shop, packages=("trl[vllm]", "vllm"))
    assert (versions(one)["vllm"], versions(one)["transformers"]) == ("0.31.0", "5.17.0")
    assert one.lock.asked[:2] == ("vllm", "trl[vllm]")


def test_what_fits_by_metadata_and_is_known_to_break_is_no_lock(shop: Shop) -> None:
    shop.stock("vllm", "0.33.0")
    with pytest.raises(UserError) as caught:
        made(shop, packages=("vllm==0.33.0", "trl==1.16.0"))
    assert "ED401" in caught.value.what
    assert "0.33.0" in caught.value.what
    assert "<=0.31.0" in caught.value.what
    assert "vllm 0.31.0" in caught.value.hint


def test_what_contradicts_a_bound_of_ours_is_told_with_the_bound(shop: Shop) -> None:
    shop.house.add("picky", "1.0", "transformers>=5.20")
    with pytest.raises(Unresolvable) as caught:
        made(shop, packages=("vllm==0.30.0", "picky"))
    assert "picky" in caught.value.says
    assert "transformers<5.18.0 is asked for by envdoctor: vllm 0.30.0" in caught.value.says


def test_a_second_lock_changes_nothing_though_newer_releases_came(shop: Shop, tmp_path: Path) -> None:
    first = made(shop)
    files.write(first.lock, str(tmp_path))
    shop.house.add("transformers", "5.17.5")
    again = made(shop, files.read(str(tmp_path / "h100.toml")), today="2026-12-24")
    assert again.same
    assert again.lock == first.lock


def test_a_package_is_upgraded_alone_and_all_of_them_on_demand(shop: Shop) -> None:
    before = made(shop).lock
    shop.house.add("transformers", "5.17.5")
    assert made(shop, before, upgrade=("accelerate",)).same
    with pytest.raises(UserError, match="not in the lock"):
        made(shop, before, upgrade=("transfomers",))
    moved = made(shop, before, today="2026-12-24", upgrade=("transformers",))
    assert not moved.same
    assert moved.lock.made == "2026-12-24"
    assert versions(moved)["transformers"] == versions(made(shop, before, upgrade_all=True))["transformers"] == "5.17.5"


def test_the_same_question_gives_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    written = []
    for folder in ("one", "two"):
        files.write(made(shop, packages=("trl[vllm]", "vllm")).lock, str(tmp_path / folder))
        written.append([(tmp_path / folder / name).read_bytes() for name in ("h100.txt", "h100.toml")])
    assert written[0] == written[1]


def test_bounds_stay_when_what_they_kept_out_is_locked_out(shop: Shop) -> None:
    before = made(shop, packages=("vllm==0.30.0",)).lock
    assert made(shop, before, packages=("vllm==0.30.0",)).same


def test_files_of_after_the_moment_are_not_locked(shop: Shop) -> None:
    shop.house.add("transformers", "5.17.5", day="2026-11-20")
    one = made(shop, exclude_newer="7d")
    assert versions(one)["transformers"] == "5.17.0"
    assert one.lock.exclude_newer == "2026-11-18T00:00:00Z"
    shop.house.add("transformers", "5.17.1", day="2026-11-24")
    later = made(shop, one.lock, today="2026-11-26", exclude_newer="7d")
    assert later.same


def test_an_old_vllm_gets_old_transformers_and_the_setuptools_that_triton_forgot(shop: Shop) -> None:
    """By its metadata alone vllm 0.7.0 takes transformers 5.23.0 and no setuptools; both break it."""
    shop.stock("vllm", "0.7.0")
    shop.stock("trl", "0.16.1")
    shop.stock("peft", "0.18.1")
    for version in ("4.48.3", "4.51.3", "4.57.6"):
        shop.stock("transformers", version)
    for name, version in (("openai", "1.60.0"), ("fastapi", "0.115.0")):
        shop.house.add(name, version)
    one = made(shop, packages=("vllm==0.7.0",), python="3.11")
    assert (versions(one)["transformers"], versions(one)["openai"]) == ("4.51.3", "1.60.0")
    assert (one.lock.cuda, one.lock.driver_floor) == ("12.4", "525.60.13")
    bounds = {(bound.package, bound.basis) for bound in one.lock.bounds}
    wanted = {("setuptools", "later-requirement"), ("trl", "stack"), ("openai", "later-cap"), ("transformers", "wheel-code")}
    assert wanted <= bounds
    assert "setuptools" in versions(one)
    assert made(shop, one.lock, packages=("vllm==0.7.0",), python="3.11").same


def test_a_package_without_any_wheel_is_refused_before_it_is_resolved(shop: Shop) -> None:
    with pytest.raises(UserError) as caught:
        made(shop, packages=("flash-attn",))
    assert "has no wheel" in caught.value.what
    assert "--build flash-attn" in caught.value.hint
    assert "SDPA" in caught.value.hint
    assert not shop.house.index.asked


def test_a_source_is_locked_by_its_hash_where_that_was_allowed(shop: Shop) -> None:
    file = shop.house.add_source("flash-attn", "2.8.3")
    one = made(shop, packages=("flash-attn",), build=("flash-attn",))
    (package,) = [package for package in one.lock.packages if package.name == "flash-attn"]
    assert package.file == file
    assert "flash-attn 2.8.3 is locked as its source" in one.notes[0]


def test_a_build_for_another_cuda_comes_with_its_driver_and_image(shop: Shop) -> None:
    other = Shop(Wheelhouse(type(shop.house.index)()), MATRIX)
    other.house.index.thread.start()
    try:
        other.stock("torch", "2.13.0", local="+cu126")
        index = Index(default=shop.house.index.url, extra=(other.house.index.url,))
        profile = msgspec.structs.replace(H100, stack=("trl==1.16.0", "torch==2.13.0"))
        lock = make(profile, Ask(index=index), MATRIX, today=TODAY).lock
    finally:
        other.house.index.close()
    assert lock.stack["torch"] == "2.13.0+cu126"
    assert (lock.cuda, lock.driver_floor) == ("12.6", "525.60.13")
    assert lock.base_image == "nvidia/cuda:12.6.3-devel-ubuntu24.04"
