"""A sample of rows compared with an index that has not changed, has changed, or does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from envdoctor.harvest import index as indexes
from envdoctor.harvest import store
from envdoctor.harvest.verify import Checked, sample, verify
from envdoctor.rows import Release
from tests.harvest.samples import metadata, wheel
from tests.harvest.server import saying
from tests.harvest.stock import TORCH, VLLM, add_trl, add_vllm, refreshed, stock

if TYPE_CHECKING:
    from pathlib import Path

    from envdoctor.harvest.remote import Client
    from envdoctor.harvest.store import Derived
    from tests.harvest.server import Index


@pytest.fixture
def data(index: Index, tmp_path: Path) -> Derived:
    """What a refresh of the stock gives."""
    stock(index)
    return refreshed(index, tmp_path).derived


def checked(index: Index, client: Client, data: Derived, count: int = 100) -> dict[str, Checked]:
    return {f"{one.package} {one.version}": one for one in verify(client, indexes.Index(index.url, "--index"), data, count, 1)}


def differing(index: Index, client: Client, data: Derived) -> dict[str, tuple[str, ...]]:
    return {name: one.differs for name, one in checked(index, client, data).items() if one.differs}


def test_data_that_agrees_differs_in_nothing(index: Index, client: Client, data: Derived) -> None:
    found = checked(index, client, data)
    assert len(found) == 8
    assert all(one == Checked(one.package, one.version) for one in found.values())


def test_a_sample_is_the_same_for_the_same_seed_and_holds_no_row_twice_or_unread(data: Derived) -> None:
    assert sample(data, 3, 7) == sample(data, 3, 7)
    assert len({(package.name, release.version) for package, release in sample(data, 100, 1)}) == 8
    unread = msgspec.structs.replace(
        data.packages["numpy"],
        releases=tuple(msgspec.structs.replace(one, unread="x") for one in data.packages["numpy"].releases),
    )
    assert len(sample(store.Derived({"numpy": unread}), 100, 1)) == 0
    assert len({sample(data, 1, seed)[0][1].file for seed in range(60)}) > 3


def test_what_the_index_says_otherwise_is_named(index: Index, client: Client, data: Derived) -> None:
    add_vllm(index, "0.7.0", "torch==2.6.0", attributes={"upload-time": "2026-01-02T03:04:05Z"})
    index.remove("torch", TORCH.format("2.6.0"))
    found = differing(index, client, data)
    assert set(found) == {"vllm 0.7.0", "torch 2.6.0"}
    assert found["torch 2.6.0"] == ("the index no longer has this release",)
    first, *rest = found["vllm 0.7.0"]
    assert first.startswith("sha256 is '")
    assert rest == [
        "upload date is '2026-01-02' on the index and None in the data",
        "Requires-Dist is 'torch==2.6.0' on the index and 'torch==2.5.1' in the data",
    ]


@pytest.mark.parametrize("beside", [True, False])
def test_the_range_in_a_trainers_code_is_compared_whether_metadata_lies_beside_the_wheel_or_not(
    index: Index, client: Client, data: Derived, *, beside: bool
) -> None:
    add_trl(index, "1.0", 'if not (Version("0.7.1") <= Version(vllm_version)):\n    warnings.warn("x")\n', beside=beside)
    assert differing(index, client, data)["trl 1.0"][-1] == (
        "range in its code is '>=0.7.1' on the index and '>=0.7.0,<=0.7.1' in the data"
    )


def test_a_trainer_that_checks_nothing_any_more_differs(index: Index, client: Client, data: Derived) -> None:
    add_trl(index, "1.0", "x = 1\n")
    assert (
        differing(index, client, data)["trl 1.0"][-1]
        == "range in its code is None on the index and '>=0.7.0,<=0.7.1' in the data"
    )


def test_a_page_or_file_that_cannot_be_read_is_told_and_does_not_count_as_a_difference(
    index: Index, client: Client, data: Derived
) -> None:
    index.manners["/simple/torch/"] = saying(503)
    index.manners[f"/files/vllm/{VLLM.format('0.7.1')}"] = saying(404)
    found = checked(index, client, data)
    assert found["torch 2.5.1"] == Checked("torch", "2.5.1", unread="the page of torch: HTTP status 503")
    assert found["vllm 0.7.1"] == Checked("vllm", "0.7.1", unread=f"{VLLM.format('0.7.1')}: HTTP status 404")
    assert differing(index, client, data) == {}


def test_a_package_that_is_not_in_the_plan_any_more_differs(index: Index, client: Client) -> None:
    index.add("left", "left-1.0-py3-none-any.whl", wheel("left", "1.0", metadata("left", "1.0")))
    one = store.packed("left", "2026-11-25", {Release(version="1.0", file="left-1.0-py3-none-any.whl", sha256=None): ()})
    assert checked(index, client, store.Derived({"left": one}))["left 1.0"].differs
