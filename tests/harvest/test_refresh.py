"""A whole refresh of an index in memory: what it reads, what it keeps, and what nothing that an index does may change."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.harvest import index as indexes
from envdoctor.harvest import store
from envdoctor.harvest.journal import JOURNAL
from envdoctor.harvest.refresh import CONNECTIONS, Refresh
from envdoctor.harvest.remote import Client
from envdoctor.matrix import Matrix
from tests.harvest import samples
from tests.harvest.samples import metadata, wheel
from tests.harvest.server import broken_off, busy, hanging_up, saying, whole
from tests.harvest.stock import DAY, PACKAGES, TORCH, VLLM, Quiet, add_torch, add_trl, add_vllm, contents, refreshed, stock
from tests.harvest.test_builds import torch_members, vllm_members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from envdoctor.rows import Release
    from tests.harvest.server import Index, Manner

NEXT = "2026-12-01"


def release(folder: Path, name: str, version: str) -> Release:
    package = store.load(str(folder)).packages[name]
    return next(one for one in package.releases if one.version == version)


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
    assert tell.pages == dict.fromkeys(("vllm", "torch", "trl", "numpy"), (2, 0))
    assert min(tell.releases) == "numpy 1.26.4"
    assert len(tell.releases) == 8
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


class Interrupting(Quiet):
    """Ctrl-C after so many releases."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def release(self, package: str, version: str) -> None:
        """Interrupt when it is time."""
        super().release(package, version)
        if len(self.releases) == self.after:
            raise KeyboardInterrupt


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
    assert not {path for path in index.paths() if path.startswith("/files/")} & done
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


# --- answers that are hostile, damaged or missing


def unreadable_page(body: bytes, kind: str = "application/vnd.pypi.simple.v1+json") -> Manner:
    return saying(200, body, Content_Type=kind)


@pytest.mark.parametrize(
    "manner",
    [saying(404), saying(500), saying(401), hanging_up, broken_off(100), unreadable_page(b"{"), unreadable_page(b"[]"),
     saying(200, b"\x89PNG", Content_Type="image/png"), saying(200, b"<html>maintenance</html>", Content_Type="text/html"),
     unreadable_page(b'{"meta":{"api-version":"1.0"},"name":"vllm","files":[]}'), saying(302, b"", Location="http://[")],
)  # fmt: skip
def test_pages_that_cannot_be_read_change_nothing(index: Index, tmp_path: Path, manner: Manner) -> None:
    stock(index)
    refreshed(index, tmp_path)
    before = contents(tmp_path)
    index.manners = {f"/simple/{name}/": manner for name in PACKAGES}
    with pytest.raises(UserError, match=r"nothing could be read from the package index \(--index\): the page of vllm: "):
        refreshed(index, tmp_path)
    assert contents(tmp_path, journal=True) == before


def test_one_page_that_cannot_be_read_costs_nothing_but_itself(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    before = store.load(str(tmp_path))
    index.manners["/simple/vllm/"] = saying(503)
    add_trl(index, "1.1")
    outcome = refreshed(index, tmp_path, today=NEXT)
    assert outcome.troubles == ("the page of vllm: HTTP status 503",)
    after = store.load(str(tmp_path))
    assert (after.packages["vllm"], after.vllm, after.torch) == (before.packages["vllm"], before.vllm, before.torch)
    assert (after.packages["vllm"].read, after.packages["trl"].read) == (DAY, NEXT)
    assert [row.accepts for row in after.ranges] == [">=0.7.0,<=0.7.1"] * 2


def wrong_hash(index: Index, path: str) -> None:
    index.files[f"{path}.metadata"] = metadata("numpy", "2.1.0", "torch==6.6.6")


def of_another(index: Index, path: str) -> None:
    index.files[path] = wheel("numpy", "2.1.0", metadata("torch", "2.1.0"))


def damaged(index: Index, path: str) -> None:
    index.files[path] = b"no archive" * 1000


def bomb(index: Index, path: str) -> None:
    said = metadata("numpy", "2.1.0") + bytes(20_000_000)
    index.files[path] = wheel("numpy", "2.1.0", said)


def escaping(index: Index, path: str) -> None:
    index.files[path] = samples.archive({"../../numpy-2.1.0.dist-info/METADATA": metadata("numpy", "2.1.0")})


def missing(index: Index, path: str) -> None:
    index.manners[path] = saying(404)


def cut(index: Index, path: str) -> None:
    index.manners[path] = broken_off(10)


def other_range(index: Index, path: str) -> None:
    index.manners[path] = saying(206, b"x" * 10, Content_Range="bytes 5-14/1000")


@pytest.mark.parametrize("how", [wrong_hash, of_another, damaged, bomb, escaping, missing, cut, other_range])
@pytest.mark.parametrize("replaced", [True, False])
def test_files_that_cannot_be_read_never_change_what_is_known(
    index: Index, tmp_path: Path, how: Callable[[Index, str], None], *, replaced: bool
) -> None:
    content, said = wheel("numpy", "2.1.0", metadata("numpy", "2.1.0")), metadata("numpy", "2.1.0")
    beside = said if how is wrong_hash else None
    name = "numpy-2.1.0-py3-none-any.whl"
    if replaced:  # it was known, and the page lists another file now
        index.add("numpy", name, content, metadata=beside)
        refreshed(index, tmp_path, "numpy")
        before = contents(tmp_path)
    path = index.add("numpy", name, content + b"\0", metadata=beside)
    how(index, path)
    outcome = refreshed(index, tmp_path, "numpy")
    (trouble,) = outcome.troubles
    assert trouble.startswith(f"{name}: ")
    if replaced:
        assert contents(tmp_path) == before
    else:
        row = release(tmp_path, "numpy", "2.1.0")
        assert row.unread == trouble.removeprefix(f"{name}: ")
        assert Matrix(str(tmp_path)).claims("numpy", "pins") == ()
    assert list(tmp_path.parent.rglob("METADATA")) == []
    index.manners.clear()
    index.add("numpy", name, content, metadata=beside)
    assert refreshed(index, tmp_path, "numpy").troubles == ()
    assert release(tmp_path, "numpy", "2.1.0").unread is None, "it is read again the next time"


def test_a_torch_wheel_whose_bytes_cannot_be_read_keeps_its_metadata_and_is_read_again(index: Index, tmp_path: Path) -> None:
    path = index.add(
        "torch",
        TORCH.format("2.5.1"),
        wheel("torch", "2.5.1", metadata("torch", "2.5.1", "triton==3.1"), {"torch/version.py": b""}),
    )
    outcome = refreshed(index, tmp_path, "torch")
    assert outcome.troubles == (f"the code in {TORCH.format('2.5.1')}: it holds no torch/lib/libc10.so",)
    assert [row.then["triton"] for row in Matrix(str(tmp_path)).claims("torch", "pins")] == ["==3.1"]
    assert store.load(str(tmp_path)).torch == ()
    index.asked.clear()
    assert refreshed(index, tmp_path, "torch").read == 1
    assert path in index.paths()


def test_a_replaced_torch_wheel_whose_bytes_cannot_be_read_keeps_the_old_build_and_is_read_again(
    index: Index, tmp_path: Path
) -> None:
    add_torch(index, "2.5.1")
    refreshed(index, tmp_path, "torch")
    (build,) = store.load(str(tmp_path)).torch
    said = metadata("torch", "2.5.1")
    index.add("torch", TORCH.format("2.5.1"), wheel("torch", "2.5.1", said, torch_members() | {"torch/version.py": b"damaged"}))
    assert len(refreshed(index, tmp_path, "torch").troubles) == 1
    assert store.load(str(tmp_path)).torch == (build,)
    index.add("torch", TORCH.format("2.5.1"), wheel("torch", "2.5.1", said, torch_members(cuda="'12.6'")))
    assert refreshed(index, tmp_path, "torch").read == 1
    (row,) = store.load(str(tmp_path)).torch
    assert row.cuda == "12.6"


def test_a_torch_wheel_whose_build_is_known_only_of_the_wheel_before_is_read_again(index: Index, tmp_path: Path) -> None:
    add_torch(index, "2.5.1")
    refreshed(index, tmp_path, "torch")
    path = index.add(
        "torch",
        TORCH.format("2.5.1"),
        wheel("torch", "2.5.1", metadata("torch", "2.5.1"), torch_members() | {"torch/version.py": b"x"}),
    )
    refreshed(index, tmp_path, "torch")
    index.asked.clear()
    outcome = refreshed(index, tmp_path, "torch")
    assert outcome.read == 1, "the build that is kept is of the wheel before"
    assert path in index.paths()


def test_trainer_code_that_cannot_be_read_keeps_the_metadata_and_is_read_again(index: Index, tmp_path: Path) -> None:
    stock(index)
    path = add_trl(index, "1.0")
    index.manners[path] = saying(500)  # the metadata beside it is served
    outcome = refreshed(index, tmp_path)
    assert outcome.troubles == ("the code in trl-1.0-py3-none-any.whl: HTTP status 500",)
    assert release(tmp_path, "trl", "1.0").unread == "its code: HTTP status 500"
    assert [row.then for row in Matrix(str(tmp_path)).claims("trl", "pins")] == [{"accelerate": ">=1"}]
    assert store.load(str(tmp_path)).ranges == ()
    index.manners.clear()
    assert refreshed(index, tmp_path).read == 1
    assert [row.accepts for row in store.load(str(tmp_path)).ranges] == [">=0.7.0,<=0.7.1"]


def test_a_trainer_is_read_with_the_engines_releases_from_wherever_they_are_known(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path / "alone", "trl")
    assert "vllm" not in store.load(str(tmp_path / "alone")).packages
    assert [row.accepts for row in store.load(str(tmp_path / "alone")).ranges] == [">=0.7.0,<=0.7.1"]
    refreshed(index, tmp_path / "after", "vllm")
    index.manners["/simple/vllm/"] = saying(503)
    refreshed(index, tmp_path / "after", "trl")
    assert [row.accepts for row in store.load(str(tmp_path / "after")).ranges] == [">=0.7.0,<=0.7.1"]


def test_a_trainer_read_without_any_engine_is_read_again(index: Index, tmp_path: Path) -> None:
    stock(index)
    index.manners["/simple/vllm/"] = saying(404)
    outcome = refreshed(index, tmp_path, "trl")
    assert sorted(outcome.troubles) == [
        "the code in trl-1.0-py3-none-any.whl: no release of vllm is known by which to say what it accepts",
        "the page of vllm: HTTP status 404",
    ]
    index.manners.clear()
    assert refreshed(index, tmp_path, "trl").troubles == ()
    assert len(store.load(str(tmp_path)).ranges) == 1


def test_hostile_names_and_tags_on_a_page_end_no_refresh(index: Index, tmp_path: Path) -> None:
    said = metadata(
        "vllm",
        "0.8.0",
        'torch==2.6.0; sys_platform ~= "linux"',
        "transformers" + ",".join(f"!={n}.0" for n in range(90)),
        python=">=3.9",
    )
    members = {**vllm_members(), "vllm/../../../escaped.so": b"x"}
    index.add("vllm", "vllm-0.8.0-cp3-abi3-manylinux1_x86_64.whl", wheel("vllm", "0.8.0", said, members))
    index.add("vllm", "vllm-0.8.1\x1b[2J-py3-none-any.whl", b"x")
    index.add("vllm", "../vllm-0.8.2-py3-none-any.whl", b"x")
    index.add("vllm", "evil-6.6.6-py3-none-any.whl", wheel("evil", "6.6.6", metadata("evil", "6.6.6")))
    outcome = refreshed(index, tmp_path, "vllm")
    assert outcome.troubles == (
        "the code in vllm-0.8.0-cp3-abi3-manylinux1_x86_64.whl: a member of it would be written outside its folder",
    )
    assert [one.version for one in store.load(str(tmp_path)).packages["vllm"].releases] == ["0.8.0"]
    assert list(tmp_path.parent.rglob("escaped*")) == []


def test_no_package_and_no_index_that_answers_are_errors_that_the_user_can_act_on(index: Index, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no package was named"):
        refreshed(index, tmp_path, "nothing")
    nobody = Refresh(
        Client(pause_s=0), indexes.Index("http://user:s3cret@127.0.0.1:1/simple", "uv.toml"), str(tmp_path), DAY, Quiet()
    )
    with pytest.raises(UserError, match=r"package index \(uv\.toml\): the page of numpy: no answer: ConnectionError") as wrong:
        nobody.run(store.Derived(), ["numpy"])
    assert "s3cret" not in wrong.value.what + wrong.value.hint
    assert contents(tmp_path, journal=True) == {}


def test_a_journal_that_cannot_be_written_ends_the_refresh_with_a_clear_error(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    before = contents(tmp_path)
    (tmp_path / JOURNAL).mkdir()
    add_vllm(index, "0.7.2")
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        refreshed(index, tmp_path)
    assert contents(tmp_path) == before


def test_addresses_and_passwords_are_in_no_file(index: Index, tmp_path: Path) -> None:
    stock(index)
    secret = indexes.Index(index.url.replace("http://", "http://user:s3cret@"), "--index")
    Refresh(Client(pause_s=0), secret, str(tmp_path / "a"), DAY, Quiet()).run(store.Derived(), PACKAGES)
    with pytest.raises(KeyboardInterrupt):
        Refresh(Client(pause_s=0), secret, str(tmp_path / "b"), DAY, Interrupting(6)).run(store.Derived(), PACKAGES)
    for data in (*contents(tmp_path, journal=True).values(), (tmp_path / "b" / JOURNAL).read_bytes()):
        assert b"s3cret" not in data
        assert b"127.0.0.1" not in data


def test_a_crash_of_a_worker_ends_the_refresh_and_closes_its_journal(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(index)

    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Refresh, "_deeper", crash)
    with pytest.raises(ZeroDivisionError):
        refreshed(index, tmp_path)
    assert contents(tmp_path) == {}
