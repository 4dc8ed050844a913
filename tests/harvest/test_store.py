"""The derived data of a folder: written as a whole or not at all, recovered, locked, and never outside its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.errors import UserError
from envdoctor.harvest import store
from envdoctor.harvest.derive import claims
from envdoctor.matrix import DataError, Matrix
from envdoctor.rows import CodeRange, Package, Release, TorchRelease, VllmRelease
from tests.harvest.stock import contents
from tests.probe.samples import put

DAY = "2026-11-25"


def package(
    name: str = "vllm", *versions: str, requires: tuple[str, ...] = ("torch==2.5.1", "numpy"), read: str = DAY
) -> Package:
    rows = {Release(version=one, file=f"{name}-{one}.whl", sha256="a" * 64): requires for one in versions or ("0.7.0",)}
    return store.packed(name, read, rows)


def torch_row(version: str = "2.5.1") -> TorchRelease:
    return TorchRelease(
        torch=version,
        cuda="12.4",
        archs=("sm_90",),
        cxx11_abi=False,
        python=">=3.9",
        glibc="2.28",
        source="bytes of the wheel x",
        read=DAY,
    )


def vllm_row(version: str = "0.7.0") -> VllmRelease:
    modules = {"_C.abi3.so": {"sm_90": 3}}
    return VllmRelease(
        vllm=version, cuda_major=12, archs=("sm_90",), modules=modules, glibc="2.28", source="bytes of the wheel x", read=DAY
    )


def range_row(trainer: str = "trl", version: str = "1.0") -> CodeRange:
    return CodeRange(
        trainer=trainer,
        version=version,
        engine="vllm",
        accepts=">=0.7",
        stops=False,
        where="x, line 1",
        source="wheel x",
        read=DAY,
    )


def derived(**more: Any) -> store.Derived:
    values: dict[str, Any] = {"packages": {"vllm": package("vllm", "0.7.0", "0.7.1"), "trl": package("trl", "1.0")}, "torch": (torch_row(),),
                              "vllm": (vllm_row(),), "ranges": (range_row(), range_row("verl"))}  # fmt: skip
    return store.Derived(**(values | more))


def write(folder: Path, what: store.Derived | None = None) -> store.Derived:
    what = derived() if what is None else what
    store.write(str(folder), what, claims(what))
    return what


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    what = write(tmp_path / "new" / "folder")
    assert store.load(str(tmp_path / "new" / "folder")) == what
    assert Matrix(str(tmp_path / "new" / "folder")).claims("vllm", "pins")
    assert store.load(str(tmp_path / "nothing")) == store.Derived()


def test_a_package_has_its_releases_in_order_and_one_table_of_requirements() -> None:
    rows = {Release(version=one, file="x", sha256=None): (f"a=={one}", "b") for one in ("1.10", "1.9", "1.9.post1")}
    found = store.packed("x", DAY, rows)
    assert [one.version for one in found.releases] == ["1.9", "1.9.post1", "1.10"]
    assert found.requirements == ("a==1.9", "b", "a==1.9.post1", "a==1.10")
    assert found.requires(found.releases[2]) == ("a==1.10", "b")


def test_other_files_of_the_folder_are_left_alone_and_old_ones_of_the_data_are_gone(tmp_path: Path) -> None:
    put(tmp_path / "tables" / "runs.jsonl", "")
    put(tmp_path / "claims" / "curated" / "vllm.jsonl", "")
    write(tmp_path, derived(packages={"numpy": package("numpy", "1.0")}))
    write(tmp_path)
    names = set(contents(tmp_path))
    assert {"tables/runs.jsonl", "claims/curated/vllm.jsonl", "claims/derived/manifest.json"} <= names
    assert "claims/derived/releases/numpy.jsonl" not in names
    assert sorted(os.listdir(tmp_path / "claims")) == ["curated", "derived"]
    assert (tmp_path / "claims" / "derived").stat().st_mode & 0o777 == 0o755


def test_a_write_that_fails_leaves_the_data_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    before = contents(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_lines", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device") as wrong:
        write(tmp_path, derived(torch=()))
    assert "--into DIR" in wrong.value.hint
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path / "claims") == ["derived"]


def test_an_exchange_that_fails_half_way_puts_the_old_data_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    before = contents(tmp_path)
    real = os.rename

    def second_fails(source: str, target: str) -> None:
        if ".derived-" in source:
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(UserError, match="Input/output error"):
        write(tmp_path, derived(torch=()))
    monkeypatch.undo()
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path / "claims") == ["derived"]


KILLED = """\
import os, sys
from envdoctor.harvest import store
from tests.harvest.test_store import derived, write
from pathlib import Path
real, count = os.rename, [0]
def dying(source, target):
    count[0] += 1
    if count[0] == 2:
        os._exit(9)
    real(source, target)
os.rename = dying
write(Path(sys.argv[1]), derived(torch=()))
"""


def test_a_kill_between_the_two_renames_is_recovered(tmp_path: Path) -> None:
    write(tmp_path)
    before = store.load(str(tmp_path))
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, env=environ)
    assert done.returncode == 9
    assert not (tmp_path / "claims" / "derived").exists()
    assert store.load(str(tmp_path)) == store.Derived()
    store.recover(str(tmp_path))
    assert store.load(str(tmp_path)) == before
    write(tmp_path, derived(torch=()))
    assert store.load(str(tmp_path)).torch == ()
    assert os.listdir(tmp_path / "claims") == ["derived"]


def test_recovery_does_nothing_where_nothing_is_lost_or_there(tmp_path: Path) -> None:
    store.recover(str(tmp_path / "nothing"))
    write(tmp_path)
    put(tmp_path / "claims" / "derived.old" / "manifest.json", "older")
    before = store.load(str(tmp_path))
    store.recover(str(tmp_path))
    assert store.load(str(tmp_path)) == before


def test_a_recovery_that_fails_is_an_error_that_the_user_can_act_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "claims" / "derived.old" / "manifest.json")

    def forbidden(*_: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", forbidden)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        store.recover(str(tmp_path))


# --- locks


def test_two_refreshes_of_one_folder_exclude_each_other_and_leave_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with store.locked(str(folder)):
        with pytest.raises(UserError, match="another refresh is writing"), store.locked(str(folder)):
            pass
        with store.locked(str(tmp_path / "other")):
            pass
    with store.locked(str(folder)):
        pass
    assert list(folder.iterdir()) == []


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = "import os, sys\nfrom envdoctor.harvest import store\nwith store.locked(sys.argv[1]):\n    os._exit(9)\n"
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=environ).returncode == 9
    with store.locked(str(tmp_path)):
        pass


def test_a_lock_is_given_back_when_a_refresh_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.locked(str(tmp_path)):
        raise ZeroDivisionError
    with store.locked(str(tmp_path)):
        pass


def test_a_folder_that_cannot_be_made_or_written_is_an_error_that_the_user_can_act_on(tmp_path: Path) -> None:
    put(tmp_path / "file")
    with pytest.raises(UserError, match="cannot be written: "), store.locked(str(tmp_path / "file" / "folder")):
        pass
    with pytest.raises(UserError, match="cannot be written: "):
        write(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_an_error_that_the_user_can_act_on(tmp_path: Path) -> None:
    write(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "claims").chmod(0o555)
    with pytest.raises(UserError, match="cannot be written: Permission denied"):
        write(tmp_path)
    (tmp_path / "claims").chmod(0o755)
    assert contents(tmp_path) == before


# --- lost rows


def test_nothing_is_lost_when_everything_is_kept_or_added() -> None:
    assert store.lost(store.Derived(), derived()) == []
    assert store.lost(derived(), derived()) == []


def test_what_is_lost_is_named() -> None:
    new = derived(packages={"vllm": package("vllm", "0.7.1")}, torch=(), vllm=(), ranges=(range_row("verl"),))
    assert store.lost(derived(), new) == [
        "vllm 0.7.0", "trl 1.0", "how torch 2.5.1 was built", "how vllm 0.7.0 was built", "what trl 1.0 accepts",
    ]  # fmt: skip


# --- data that is damaged or hostile


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("manifest.json", b"{"),
        ("manifest.json", b'{"generator":"x","read":{"vllm":"soon"}}'),
        ("manifest.json", b'{"generator":"x","read":{"vllm":"2026-13-99"}}'),
        ("manifest.json", b'{"generator":"x","read":{"vllm":5}}'),
        ("releases/vllm.jsonl", b""),
        ("releases/vllm.jsonl", b'{"package":"vllm","generator":"x","read":"2026-11-25","requirements":[]}\n{"version":"1","file":"x","sha256":null,"requires":[0]}\n'),
        ("releases/vllm.jsonl", b'{"package":"vllm","generator":"x","read":"2026-11-25","requirements":[]}\n{"version":"new","file":"x","sha256":null}\n'),
        ("releases/vllm.jsonl", b'{"package":"vllm","generator":"x","read":"today","requirements":[]}\n'),
        ("releases/vllm.jsonl", b'{"package":"../../../escaped","generator":"x","read":"2026-11-25","requirements":[]}\n'),
        ("builds/torch.jsonl", b'{"torch":"x"}\n'),
        ("builds/torch.jsonl", msgspec.json.encode(torch_row()).replace(b'"2.5.1"', b'"new"') + b"\n"),
        ("builds/vllm.jsonl", msgspec.json.encode(vllm_row()).replace(b'"2.28"', b'"new"') + b"\n"),
        ("builds/vllm.jsonl", b"\xff\n"),
        ("ranges/trl.jsonl", msgspec.json.encode(range_row()).replace(b'"1.0"', b'"new"') + b"\n"),
        ("ranges/trl.jsonl", msgspec.json.encode(range_row()).replace(DAY.encode(), b"2026-02-30") + b"\n"),
        ("ranges/trl.jsonl", b"[" * 100_000),
    ],
)  # fmt: skip
def test_damaged_data_is_named_with_its_file(tmp_path: Path, path: str, content: bytes) -> None:
    write(tmp_path)
    put(tmp_path / "claims" / "derived" / path, content)
    with pytest.raises(DataError, match=path.rpartition("/")[2].replace(".", r"\.")):
        store.load(str(tmp_path))


def test_data_that_calls_itself_by_a_path_is_written_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    write(folder)
    evil = range_row("../../../../escaped")
    put(folder / "claims" / "derived" / "ranges" / "trl.jsonl", msgspec.json.encode(evil) + b"\n")
    write(folder, store.load(str(folder)))
    write(folder, derived(ranges=(evil,)))
    assert list(tmp_path.rglob("escaped*")) == []


def test_a_manifest_that_names_a_path_reads_no_file_outside(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write(folder)
    put(tmp_path / "secret.jsonl", b'{"package":"x"}\n')
    manifest = {"generator": "x", "read": {"../../../../secret": DAY}}
    put(folder / "claims" / "derived" / "manifest.json", json.dumps(manifest))
    with pytest.raises(DataError):
        store.load(str(folder))
