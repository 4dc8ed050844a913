"""Whole refreshes against answers that are hostile, damaged or missing: what cannot change, and what is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.harvest import index as indexes
from envdoctor.harvest import store
from envdoctor.harvest.journal import JOURNAL
from envdoctor.harvest.refresh import Refresh
from envdoctor.harvest.remote import Client
from envdoctor.matrix import Matrix
from tests.harvest import samples
from tests.harvest.samples import metadata, wheel
from tests.harvest.server import broken_off, hanging_up, saying
from tests.harvest.stock import (
    DAY,
    NEXT,
    PACKAGES,
    TORCH,
    Interrupting,
    Quiet,
    add_torch,
    add_trl,
    add_vllm,
    contents,
    refreshed,
    release,
    stock,
)
from tests.harvest.test_builds import torch_members, vllm_members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harvest.server import Index, Manner


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
