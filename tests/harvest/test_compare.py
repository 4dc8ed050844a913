"""What changed between two states of the data, in words."""

from __future__ import annotations

from typing import Any

import msgspec

from envdoctor.harvest import store
from envdoctor.harvest.compare import MANY, differences
from envdoctor.nametables import Exports, NamedRelease, Uses
from envdoctor.rows import Package, Release
from tests.harvest.test_store import derived, package, range_row, torch_row, vllm_row


def told(old: store.Derived, new: store.Derived) -> list[str]:
    return list(differences(old, new))


def one(name: str = "vllm", *requires: str, **more: Any) -> store.Derived:
    """Data about one release of one package."""
    values: dict[str, Any] = {"version": "0.7.0", "file": "f.whl", "sha256": "a" * 64} | more
    return store.Derived({name: store.packed(name, "2026-11-25", {Release(**values): requires})})


def test_data_that_is_the_same_differs_in_nothing() -> None:
    assert told(derived(), derived()) == []
    assert told(store.Derived(), store.Derived()) == []


def test_another_day_of_reading_is_no_difference() -> None:
    assert told(store.Derived({"vllm": package("vllm")}), store.Derived({"vllm": package("vllm", read="2027-01-01")})) == []


def test_packages_that_are_new_or_not_read_any_more_are_counted() -> None:
    numpy: dict[str, Package] = {"numpy": package("numpy", "1.0", "2.0")}
    assert told(store.Derived(), store.Derived(numpy)) == ["numpy is read now: 2 releases"]
    assert told(store.Derived(numpy), store.Derived()) == ["numpy is not read any more: 2 releases"]


def test_new_releases_are_told_with_what_decides_about_a_stack_and_lost_ones_in_order() -> None:
    requires = (
        "torch==2.6.0",
        "torchaudio==2.6.0",
        "transformers>=4.50 ; x",
        "numpy<2; extra == 'y'",
        "torch-x",
        "flashinfer-python==0.2",
        "vllm",
        "requests>=2",
    )
    old = store.Derived({"vllm": package("vllm", "0.6.10", "0.6.9", "0.7.0")})
    new = {Release(version="0.7.0", file="vllm-0.7.0.whl", sha256="a" * 64): ("torch==2.5.1", "numpy"),
           Release(version="0.8.0", file="f", sha256=None, uploaded="2026-03-04"): requires}  # fmt: skip
    assert told(old, store.Derived({"vllm": store.packed("vllm", "2026-11-25", new)})) == [
        "vllm 0.6.9 is gone",
        "vllm 0.6.10 is gone",
        "vllm 0.8.0 is new (2026-03-04): asks for torch==2.6.0, transformers>=4.50, flashinfer-python==0.2, vllm",
    ]


def test_what_a_release_says_otherwise_is_told_each_in_one_sentence() -> None:
    old = one(requires_python=">=3.8", python=("cp38",), glibc="2.17")
    new = one(requires_python=">=3.9", python=(), glibc="2.28", yanked=True, sha256="b" * 64)
    assert told(old, new) == [
        "vllm 0.7.0: was yanked",
        "vllm 0.7.0: Requires-Python was >=3.8, is >=3.9",
        "vllm 0.7.0: has wheels for none, had for cp38",
        "vllm 0.7.0: its wheels' tag asks for glibc 2.28, asked for 2.17",
        f"vllm 0.7.0: f.whl has another hash: {'b' * 64}, was {'a' * 64}",
    ]
    assert told(new, old)[0] == "vllm 0.7.0: is no longer yanked"
    assert told(one(), one(file="g.whl", sha256="b" * 64)) == [], "another file of the same release that says the same"


def test_requirements_that_changed_are_told_up_to_a_number() -> None:
    assert told(one("vllm", "a", "b"), one("vllm", "b", "c")) == [
        "vllm 0.7.0: no longer requires a",
        "vllm 0.7.0: now requires c",
    ]
    lines = told(one("vllm"), one("vllm", *(f"a{number}" for number in range(MANY + 3))))
    assert len(lines) == MANY + 1
    assert lines[-1] == "vllm 0.7.0: and 3 other changes of its requirements"


def test_builds_and_ranges_are_told_when_new_or_changed() -> None:
    bare = derived(torch=(), vllm=(), ranges=())
    assert told(bare, derived()) == [
        "torch 2.5.1 is built with CUDA 12.4, sm_90, glibc 2.28, C++11 ABI old",
        "vllm 0.7.0 is built for CUDA 12, sm_90, glibc 2.28",
        "the code of trl 1.0 accepts vllm >=0.7",
        "the code of verl 1.0 accepts vllm >=0.7",
    ]
    changed = derived(
        torch=(msgspec.structs.replace(torch_row(), cuda="12.6", cxx11_abi=True),),
        vllm=(msgspec.structs.replace(vllm_row(), cuda_major=13),),
        ranges=(msgspec.structs.replace(range_row(), accepts=">=0.8"), range_row("verl")),
    )
    assert told(derived(), changed) == [
        "torch 2.5.1 is now built with CUDA 12.6, sm_90, glibc 2.28, C++11 ABI new; was CUDA 12.4, sm_90, glibc 2.28",
        "vllm 0.7.0 is now built for CUDA 13, sm_90, glibc 2.28; was CUDA 12, sm_90, glibc 2.28",
        "the code of trl 1.0 accepts vllm >=0.8, accepted >=0.7",
    ]


def test_names_are_told_by_release_and_not_one_by_one() -> None:
    def data(*versions: str) -> store.Derived:
        releases = tuple(NamedRelease(version=one, file="f.whl", sha256=None, read="2026-11-25") for one in versions)
        exports = {"vllm": Exports("vllm", "vllm", 1, releases, {})} if versions else {}
        return store.Derived(exports=exports, uses={"trl": Uses("trl", "trl", 1, releases, ())} if versions else {})

    assert told(data("1.0", "1.1"), data("1.0", "1.1")) == []
    assert told(data(), data("1.0", "1.1")) == [
        "the Python names of vllm 1.0 to 1.1 (2) are known now", "what the code of trl 1.0 to 1.1 (2) takes is known now",
    ]  # fmt: skip
    assert told(data("1.0", "1.1"), data("1.1")) == [
        "the Python names of vllm 1.0 are known no more", "what the code of trl 1.0 takes is known no more",
    ]  # fmt: skip
