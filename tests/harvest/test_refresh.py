"""A whole refresh of an index in memory: what it reads, what it keeps, and what nothing that an index does may change."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.harvest import store
from envdoctor.harvest.journal import JOURNAL
from envdoctor.harvest.refresh import CONNECTIONS
from envdoctor.harvest.remote import Client
from envdoctor.matrix import Matrix
from tests.harvest.samples import metadata, wheel
from tests.harvest.server import busy, whole
from tests.harvest.stock import (
    DAY,
    NEXT,
    PACKAGES,
    TORCH,
    VLLM,
    Interrupting,
    Quiet,
    add_trl,
    add_vllm,
    contents,
    refreshed,
    release,
    stock,
)

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from tests.harvest.server import Index

# --- what is read


def test_a_refresh_reads_every_release_of_the_packages_and_makes_data_of_it(index: Index, tmp_path: Path) -> None:
    stock(index)
    tell = Quiet()
    outcome = refreshed(index, tmp_path, tell=tell)
    assert (outcome.read, outcome.kept, outcome.resumed, outcome.troubles) == (8, 0, 0, ())
    data = store.load(str(tmp_path))
    assert data == outcome.derived
    assert {name: [one.version for one in package.releases] for name, package in data.packages.items()} == {
        "vllm": ["0.7.0", "0.7.1"], "torch": ["2.5.1", "2.6.0"], "trl": ["0.20.0", "1.0"], "numpy": ["1.26.4", "2.0.0"],
    }  # fmt: skip
    assert [row.torch for row in data.torch] == ["2.5.1", "2.6.0"]
    assert [row.vllm for row in data.vllm] == ["0.7.0", "0.7.1"]
    assert [(row.version, row.accepts) for row in data.ranges] == [("1.0", ">=0.7.0,<=0.7.1")]
    assert {package.read for package in data.packages.values()} == {DAY}
    numpy = release(tmp_path, "numpy", "1.26.4")
    assert (numpy.file, numpy.requires_python, numpy.python) == ("numpy-1.26.4.tar.gz", ">=3.9", ())
    matrix = Matrix(str(tmp_path))
    assert [row.then for row in matrix.claims("vllm", "pins")] == [{"__python": ">=3.9", "torch": "==2.5.1"}]
    assert [row.then for row in matrix.claims("torch", "glibc")] == [{"__glibc": ">=2.28"}]
    assert {row.id for row in matrix.claims("trl", "trainer-engine")} == {"vllm-0.20.0", "vllm-code-1.0"}
    assert tell.pages == dict.fromkeys(("vllm", "torch", "trl", "numpy", "names of trl", "names of vllm"), (2, 0))
    assert min(tell.releases) == "numpy 1.26.4"
    assert len(tell.releases) == 8 + 4
    assert outcome.named == 4
    assert tell.unpacked_bytes > 0
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_html_and_json_pages_give_the_same_data(index: Index, tmp_path: Path, *, as_json: bool) -> None:
    stock(index)
    index.json = as_json
    refreshed(index, tmp_path)
    assert len(store.load(str(tmp_path)).packages) == 4


def test_a_small_wheel_costs_one_request_and_one_with_metadata_beside_it_its_metadata_alone(index: Index, tmp_path: Path) -> None:
    index.add("numpy", "numpy-2.0.0-py3-none-any.whl", wheel("numpy", "2.0.0", metadata("numpy", "2.0.0")))
    index.add("numpy", "numpy-2.1.0-py3-none-any.whl", b"", metadata=metadata("numpy", "2.1.0"))
    refreshed(index, tmp_path, "numpy")
    assert sorted(index.paths()) == [
        "/files/numpy/numpy-2.0.0-py3-none-any.whl", "/files/numpy/numpy-2.1.0-py3-none-any.whl.metadata", "/simple/numpy/",
    ]  # fmt: skip


def test_releases_before_the_first_that_is_read_and_other_packages_are_not_asked_for(index: Index, tmp_path: Path) -> None:
    stock(index)
    add_vllm(index, "0.5.1")
    refreshed(index, tmp_path, "vllm", "numpy")
    assert not any("0.5.1" in path or "torch-" in path for path in index.paths())


def test_a_second_refresh_reads_pages_and_nothing_else(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    before = store.load(str(tmp_path))
    index.asked.clear()
    outcome = refreshed(index, tmp_path, today=NEXT)
    assert sorted(index.paths()) == [f"/simple/{name}/" for name in sorted(PACKAGES)]
    assert (outcome.read, outcome.kept) == (0, 8)
    after = store.load(str(tmp_path))
    assert {package.read for package in after.packages.values()} == {NEXT}
    assert (after.torch, after.vllm, after.ranges) == (before.torch, before.vllm, before.ranges)
    assert {name: package.releases for name, package in after.packages.items()} == {
        name: package.releases for name, package in before.packages.items()
    }


def test_a_full_refresh_reads_everything_again(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    outcome = refreshed(index, tmp_path, full=True)
    assert (outcome.read, outcome.kept) == (8, 0)


def test_only_what_is_new_or_replaced_is_read(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    add_vllm(index, "0.7.2", "torch==2.6.0")
    path = add_vllm(index, "0.7.1", "torch==2.6.0")
    index.asked.clear()
    outcome = refreshed(index, tmp_path)
    assert (outcome.read, outcome.kept) == (2, 7)
    assert {one for one in index.paths() if one.startswith("/files/")} == {path, f"/files/vllm/{VLLM.format('0.7.2')}"}
    assert [one.then["torch"] for one in Matrix(str(tmp_path)).claims("vllm", "pins")] == ["==2.5.1", "==2.6.0"]


def test_what_a_page_says_anew_of_known_releases_is_taken_without_reading_them(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    add_vllm(index, "0.7.0", attributes={"yanked": "broken"})
    index.add("torch", TORCH.format("2.5.1").replace("cp311-cp311", "cp312-cp312"), b"not read")
    index.asked.clear()
    assert refreshed(index, tmp_path).read == 0
    assert release(tmp_path, "vllm", "0.7.0").yanked
    assert release(tmp_path, "torch", "2.5.1").python == ("cp311", "cp312")
    assert store.load(str(tmp_path)).torch[0].python == ">=3.11,<3.13"


def test_an_index_without_hashes_is_read_each_time(index: Index, tmp_path: Path) -> None:
    index.add("numpy", "numpy-2.0.0-py3-none-any.whl", wheel("numpy", "2.0.0", metadata("numpy", "2.0.0")), hashed=False)
    assert refreshed(index, tmp_path, "numpy").read == 1
    assert refreshed(index, tmp_path, "numpy").read == 1
    assert release(tmp_path, "numpy", "2.0.0").sha256 is None


def test_two_spellings_of_one_release_are_one_row_and_not_lost_the_next_time(index: Index, tmp_path: Path) -> None:
    for name in ("numpy-2.0-py3-none-any.whl", "numpy-2.0.0.tar.gz"):
        index.add("numpy", name, wheel("numpy", "2.0", metadata("numpy", "2.0")))
    refreshed(index, tmp_path, "numpy")
    index.pages["numpy"].reverse()
    outcome = refreshed(index, tmp_path, "numpy")
    assert (outcome.read, outcome.kept) == (0, 1)
    assert release(tmp_path, "numpy", "2.0").file == "numpy-2.0-py3-none-any.whl"
    assert len(store.load(str(tmp_path)).packages["numpy"].releases) == 1


def test_a_refresh_of_one_package_keeps_the_others_as_they_are(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    add_trl(index, "1.1")
    index.asked.clear()
    refreshed(index, tmp_path, "trl", today=NEXT)
    assert [path for path in index.paths() if path.startswith("/simple/")] == ["/simple/trl/"]
    data = store.load(str(tmp_path))
    assert {name: package.read for name, package in data.packages.items()} == {
        "vllm": DAY,
        "torch": DAY,
        "trl": NEXT,
        "numpy": DAY,
    }
    assert [row.version for row in data.ranges] == ["1.0", "1.1"]
    assert len(data.torch) == len(data.vllm) == 2


def test_no_more_than_four_connections_are_used_at_once(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock(index)
    for minor in range(20):
        add_trl(index, f"1.{minor}.1", beside=minor % 2 == 0)
    real, lock, now, most = Client.get, threading.Lock(), [0], [0]

    def counted(self: Client, url: str, headers: dict[str, str], expected: frozenset[int]) -> requests.Response:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            time.sleep(0.002)
            return real(self, url, headers, expected)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(Client, "get", counted)
    refreshed(index, tmp_path)
    assert most == [CONNECTIONS]
    assert index.most_connections <= 3 * CONNECTIONS, "the server sees some of them close a moment later"


def test_a_server_without_ranges_gives_the_same_data(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path / "a")
    index.manners = dict.fromkeys(index.files, whole)
    refreshed(index, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_busy_server_gives_the_same_data(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path / "a")
    index.manners = {path: busy(2) for path in [*index.files, "/simple/vllm/", "/simple/torch/"]}
    refreshed(index, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


# --- interrupted


def test_an_interrupted_refresh_goes_on_where_it_was_without_reading_again(index: Index, tmp_path: Path) -> None:
    stock(index)
    tell = Interrupting(5)
    with pytest.raises(KeyboardInterrupt):
        refreshed(index, tmp_path / "a", tell=tell)
    assert contents(tmp_path / "a") == {}
    assert (tmp_path / "a" / JOURNAL).exists()
    done = {
        path
        for path in index.files
        if any(path.startswith(f"/files/{one.split(' ')[0]}/") and f"-{one.split(' ')[1]}" in path for one in tell.releases)
    }
    index.asked.clear()
    outcome = refreshed(index, tmp_path / "a")
    assert (outcome.read, outcome.kept, outcome.resumed) == (3, 0, 5)
    # the Python files of trl and vllm are read when all else has been
    assert not {path for path in index.paths() if path.startswith(("/files/torch", "/files/numpy"))} & done
    refreshed(index, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert not (tmp_path / "a" / JOURNAL).exists()


def test_a_refresh_that_reads_everything_again_goes_on_too(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        refreshed(index, tmp_path, tell=Interrupting(3), full=True)
    outcome = refreshed(index, tmp_path, full=True)
    assert (outcome.read, outcome.resumed) == (5, 3)


def test_what_was_replaced_since_the_interruption_is_read_again(index: Index, tmp_path: Path) -> None:
    index.add("numpy", "numpy-2.0.0-py3-none-any.whl", wheel("numpy", "2.0.0", metadata("numpy", "2.0.0")))
    with pytest.raises(KeyboardInterrupt):
        refreshed(index, tmp_path, "numpy", tell=Interrupting(1))
    index.add("numpy", "numpy-2.0.0-py3-none-any.whl", wheel("numpy", "2.0.0", metadata("numpy", "2.0.0", python=">=3.12")))
    outcome = refreshed(index, tmp_path, "numpy")
    assert (outcome.read, outcome.resumed) == (1, 0)
    assert release(tmp_path, "numpy", "2.0.0").requires_python == ">=3.12"


# --- rows that would be lost


def test_a_release_that_is_gone_from_the_index_is_named_and_nothing_is_written(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    before = contents(tmp_path)
    index.remove("vllm", VLLM.format("0.7.0"))
    add_vllm(index, "0.7.2")
    with pytest.raises(UserError) as wrong:
        refreshed(index, tmp_path)
    assert wrong.value.what == (
        "the index no longer has what is known of 2 rows: vllm 0.7.0, how vllm 0.7.0 was built. Nothing was written"
    )
    assert "--drop-lost" in wrong.value.hint
    assert contents(tmp_path) == before
    index.asked.clear()
    outcome = refreshed(index, tmp_path, may_lose=True)
    assert (outcome.read, outcome.resumed) == (0, 1), "what was read the first time is not read again"
    assert [one.version for one in store.load(str(tmp_path)).packages["vllm"].releases] == ["0.7.1", "0.7.2"]
    assert contents(tmp_path) != before


def test_many_lost_rows_are_counted(index: Index, tmp_path: Path) -> None:
    for minor in range(20):
        index.add("numpy", f"numpy-1.{minor}-py3-none-any.whl", b"", metadata=metadata("numpy", f"1.{minor}"))
    refreshed(index, tmp_path, "numpy")
    for minor in range(15):
        index.remove("numpy", f"numpy-1.{minor}-py3-none-any.whl")
    with pytest.raises(UserError, match=r"of 15 rows: numpy 1\.0, .*, numpy 1\.11 and 3 more\. Nothing was written"):
        refreshed(index, tmp_path, "numpy")
