"""The commands refresh, verify and diff as a user meets them, against an index in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envdoctor.facts import encode
from envdoctor.harvest import store
from envdoctor.harvest.journal import JOURNAL
from tests.cli.test_cli import run
from tests.factory import healthy
from tests.harvest.samples import metadata, wheel
from tests.harvest.server import saying
from tests.harvest.stock import PACKAGES, TRL_CODE, VLLM, add_trl, add_vllm, contents, refreshed, stock
from tests.probe.samples import put

if TYPE_CHECKING:
    from tests.harvest.server import Handler, Index

NAMES = [word for name in PACKAGES for word in ("--package", name)]


@pytest.fixture(autouse=True)
def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index that this machine is configured for."""
    for name in (
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "PIP_INDEX_URL",
        "UV_INDEX",
        "PIP_CONFIG_FILE",
        "PIP_EXTRA_INDEX_URL",
        "VIRTUAL_ENV",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))


def refresh(index: Index, folder: Path | None, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    into = ["--into", str(folder)] if folder else []
    return run("matrix", "refresh", "--index", index.url, *into, *words, cwd=cwd)


# --- refresh


def test_a_refresh_says_what_it_read_and_wrote_and_what_changed(index: Index, tmp_path: Path) -> None:
    stock(index)
    done = refresh(index, tmp_path / "data", *NAMES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("8 releases read, 0 unchanged, the Python names of 4 releases; ")
    assert f"Written to {tmp_path / 'data'}.\n" in done.stdout
    assert "  vllm is read now: 2 releases\n" in done.stdout
    assert "  torch 2.5.1 is built with CUDA 12.4, sm_80 sm_90 compute_90, glibc 2.28, C++11 ABI old\n" in done.stdout
    assert done.stderr.startswith("reading 4 packages from the package index (--index)\n")
    assert "vllm: 2 to read, 0 known\n" in done.stderr
    again = refresh(index, tmp_path / "data", *NAMES)
    assert again.returncode == 0
    assert again.stdout.startswith("0 releases read, 8 unchanged; ")
    assert again.stdout.endswith("  nothing has changed\n")


def test_what_could_not_be_read_is_told_on_standard_error_and_exits_with_1(index: Index, tmp_path: Path) -> None:
    stock(index)
    index.manners[f"/files/vllm/{VLLM.format('0.7.1')}"] = saying(404)
    done = refresh(index, tmp_path, *NAMES, "--package", "peft")
    assert done.returncode == 1
    assert f"could not be read: {VLLM.format('0.7.1')}: HTTP status 404\n" in done.stderr
    assert "could not be read: the page of peft: HTTP status 404\n" in done.stderr
    assert len(store.load(str(tmp_path)).packages) == 4


def test_many_troubles_and_changes_are_cut(index: Index, tmp_path: Path) -> None:
    for minor in range(30):
        index.add("numpy", f"numpy-1.{minor}-py3-none-any.whl", b"damaged")
        index.add("ray", f"ray-1.{minor}-py3-none-any.whl", b"", metadata=metadata("ray", f"1.{minor}"))
    done = refresh(index, tmp_path, "--package", "numpy", "--package", "ray")
    assert done.returncode == 1
    assert done.stderr.count("could not be read: numpy-1.") == 20
    assert "... and 10 more could not be read\n" in done.stderr
    for minor in range(30):
        index.add("ray", f"ray-2.{minor}-py3-none-any.whl", b"", metadata=metadata("ray", f"2.{minor}"))
    done = refresh(index, tmp_path, "--package", "ray")
    assert "  ... 10 more changed; envdoctor matrix diff says what\n" in done.stdout


def test_rows_that_would_be_lost_exit_with_2_until_they_may_be_lost(index: Index, tmp_path: Path) -> None:
    stock(index)
    refresh(index, tmp_path, *NAMES)
    before = contents(tmp_path)
    index.remove("vllm", VLLM.format("0.7.0"))
    done = refresh(index, tmp_path, *NAMES)
    assert done.returncode == 2
    assert "what is known of 2 rows: vllm 0.7.0, how vllm 0.7.0 was built. Nothing was written" in done.stderr
    assert "--drop-lost" in done.stderr
    assert done.stdout == ""
    assert contents(tmp_path) == before
    done = refresh(index, tmp_path, *NAMES, "--drop-lost")
    assert done.returncode == 0
    assert "  vllm 0.7.0 is gone\n" in done.stdout
    assert [one.version for one in store.load(str(tmp_path)).packages["vllm"].releases] == ["0.7.1"]


def test_an_index_that_does_not_answer_exits_with_2_says_who_chose_it_and_shows_no_password(index: Index, tmp_path: Path) -> None:
    stock(index)
    refresh(index, tmp_path / "data", *NAMES)
    before = contents(tmp_path / "data", journal=True)
    put(tmp_path / "uv.toml", f'index-url = "http://user:s3cret@{index.url.removeprefix("http://")}/nothing"\n')
    done = run("matrix", "refresh", "--into", str(tmp_path / "data"), "--package", "vllm", cwd=tmp_path)
    assert done.returncode == 2
    assert f"nothing could be read from the package index ({tmp_path}/uv.toml): the page of vllm: HTTP status 404" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert contents(tmp_path / "data", journal=True) == before


@pytest.mark.parametrize("address", ["ftp://user:s3cret@x/", "http://user:s3[cret@x/", "http://user:s3cret@h\u2100st/"])
def test_an_address_that_is_none_exits_with_2_and_is_not_shown(tmp_path: Path, address: str) -> None:
    done = run("matrix", "refresh", "--index", address, "--into", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "the package index given by --index is no http(s) address" in done.stderr
    assert "s3" not in done.stderr + done.stdout
    assert run("matrix", "refresh", "--index", address, ENVDOCTOR_DEBUG="1").returncode == 2


def test_an_index_with_a_password_is_read_and_the_password_is_nowhere(index: Index, tmp_path: Path) -> None:
    stock(index)
    index.manners["/simple/numpy/"] = saying(403)
    url = index.url.replace("http://", "http://user:s3cret@")
    done = run("matrix", "refresh", "--index", url, "--into", str(tmp_path / "data"), *NAMES, ENVDOCTOR_DEBUG="1")
    assert done.returncode == 1
    assert "s3cret" not in done.stdout + done.stderr
    assert not any(b"s3cret" in data for data in contents(tmp_path / "data", journal=True).values())


def test_what_parsers_warn_of_in_pages_and_code_is_not_printed(index: Index, tmp_path: Path) -> None:
    stock(index)
    add_trl(index, "1.1", TRL_CODE.format("0.7.0", "0.7.1") + "x = '\\d'\n")
    index.manners["/simple/numpy/"] = saying(
        200, b'<?xml version="1.0"?><html><a href="x">numpy-1.0.tar.gz</a></html>', Content_Type="text/html"
    )
    done = run("matrix", "refresh", "--index", index.url, "--into", str(tmp_path), *NAMES, PYTHONWARNINGS="default")
    assert "Warning" not in done.stderr
    assert [row.version for row in store.load(str(tmp_path)).ranges] == ["1.0", "1.1"]


def test_a_package_that_is_not_read_exits_with_2_and_the_nearest_one(tmp_path: Path) -> None:
    done = run("matrix", "refresh", "--package", "vlm", "--into", str(tmp_path / "data"))
    assert done.returncode == 2
    assert 'Did you mean "vllm"?' in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_exits_with_2(index: Index, tmp_path: Path) -> None:
    put(tmp_path / "file")
    done = refresh(index, tmp_path / "file" / "data", *NAMES)
    assert done.returncode == 2
    assert "cannot be written: Not a directory" in done.stderr
    assert index.asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_exits_with_2_and_is_left_alone(index: Index, tmp_path: Path) -> None:
    stock(index)
    folder = tmp_path / "data"
    for filled in (False, True):
        if filled:
            folder.chmod(0o755)
            refresh(index, folder, *NAMES)
            add_vllm(index, "0.7.2")
        else:
            folder.mkdir()
        before = contents(folder)
        folder.chmod(0o555)
        done = refresh(index, folder, *NAMES)
        assert done.returncode == 2
        assert "cannot be written: Permission denied" in done.stderr
        assert contents(folder) == before
    folder.chmod(0o755)


def test_damaged_data_in_the_folder_exits_with_2_and_stays(index: Index, tmp_path: Path) -> None:
    stock(index)
    put(tmp_path / "claims" / "derived" / "manifest.json", '{"generator":"x","read":{"vllm":"2026-13-99"}}')
    before = contents(tmp_path)
    done = refresh(index, tmp_path, *NAMES)
    assert done.returncode == 2
    assert "manifest.json" in done.stderr
    assert contents(tmp_path) == before


def test_a_second_refresh_of_the_folder_meanwhile_exits_with_2_and_reads_nothing(index: Index, tmp_path: Path) -> None:
    stock(index)
    with store.locked(str(tmp_path)):
        done = refresh(index, tmp_path, *NAMES)
    assert done.returncode == 2
    assert f"another refresh is writing {tmp_path}" in done.stderr
    assert index.asked == []
    assert refresh(index, tmp_path, *NAMES).returncode == 0


def test_data_that_a_kill_left_aside_is_brought_back_and_kept(index: Index, tmp_path: Path) -> None:
    stock(index)
    refresh(index, tmp_path, *NAMES)
    (tmp_path / "claims" / "derived").rename(tmp_path / "claims" / "derived.old")
    (tmp_path / "claims" / ".derived-half").mkdir()
    done = refresh(index, tmp_path, *NAMES)
    assert done.stdout.startswith("0 releases read, 8 unchanged; "), done.stderr
    assert os.listdir(tmp_path / "claims") == ["derived"]


def test_an_interrupted_refresh_says_so_and_the_same_command_goes_on(index: Index, tmp_path: Path) -> None:
    stock(index)
    words = [sys.executable, "-m", "envdoctor", "matrix", "refresh", "--index", index.url, "--into", str(tmp_path), *NAMES]
    started: list[subprocess.Popen[str]] = []

    def interrupt(handler: Handler) -> bool:
        # all others have been read when this one is asked for, or will be: one connection stays busy with it
        if started and index.asked.count(index.asked[-1]) == 1:
            started[0].send_signal(signal.SIGINT)
        return False

    refreshed(index, tmp_path, *PACKAGES)
    add_vllm(index, "0.7.2")
    add_vllm(index, "0.7.3")
    index.manners[f"/files/vllm/{VLLM.format('0.7.3')}"] = interrupt
    started.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    _, err = started[0].communicate(timeout=30)
    assert started[0].returncode in {0, 130}
    if started[0].returncode == 130:
        assert "the same command goes on from here" in err
        assert [one.version for one in store.load(str(tmp_path)).packages["vllm"].releases] == ["0.7.0", "0.7.1"]
    started.clear()
    done = refresh(index, tmp_path, *NAMES)
    assert done.returncode == 0, done.stderr
    assert [one.version for one in store.load(str(tmp_path)).packages["vllm"].releases] == ["0.7.0", "0.7.1", "0.7.2", "0.7.3"]
    assert not (tmp_path / JOURNAL).exists()


def test_without_a_folder_the_users_own_data_is_written_over_the_shipped_one_and_used(index: Index, tmp_path: Path) -> None:
    said = metadata("peft", "99.0", "torch>=2")
    index.add("peft", "peft-99.0-py3-none-any.whl", wheel("peft", "99.0", said, {"peft/__init__.py": b"x = 1\n"}), metadata=said)
    done = refresh(index, None, "--package", "peft", cwd=tmp_path)
    assert done.returncode == 2
    assert "the index no longer has what is known of" in done.stderr, "the shipped releases count as known"
    done = refresh(index, None, "--package", "peft", "--drop-lost", cwd=tmp_path)
    assert done.returncode == 0
    assert "Written to ~/data/envdoctor/data.\n" in done.stdout
    data = store.load(str(tmp_path / "home" / "data" / "envdoctor" / "data"))
    assert [one.version for one in data.packages["peft"].releases] == ["99.0"]
    assert "vllm" in data.packages, "what was shipped is taken along"
    told = run("matrix", "diff")
    assert told.returncode == 0
    assert "peft 99.0 is new: asks for torch>=2\n" in told.stdout


# --- verify


def test_verify_prints_each_row_and_its_seed(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    words = ("matrix", "verify", "--index", index.url, "--data", str(tmp_path), "-n", "9999", "--seed", "7")
    done = run(*words)
    assert done.returncode == 3, "the other packages, whose data is the shipped one, are not on this index"
    assert "agrees  vllm 0.7.1\n" in done.stdout
    assert "?       ray 2.9.0: could not be read: the page of ray: HTTP status 404\n" in done.stdout
    assert done.stdout.endswith("could not be read (--seed 7)\n")
    assert run(*words).stdout == done.stdout
    assert "(--seed " in run(*words[:-4], "-n", "2").stdout


def test_verify_exits_by_what_it_found(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from envdoctor.harvest import run as commands  # noqa: PLC0415
    from envdoctor.matrix import Matrix  # noqa: PLC0415

    stock(index)
    refreshed(index, tmp_path)
    monkeypatch.setattr(commands, "opened", lambda data, _: Matrix(str(data)))

    def verified(**environ: str) -> int:
        return commands.verify(environ, str(tmp_path), rows=100, seed=7, url=index.url, data=str(tmp_path))

    assert verified() == 0
    assert capsys.readouterr().out.endswith("8 of 8 rows agree, 0 differ (--seed 7)\n")
    index.manners["/simple/torch/"] = saying(404)
    assert verified() == 3
    out = capsys.readouterr().out
    assert "?       torch 2.5.1: could not be read: the page of torch: HTTP status 404\n" in out
    assert out.endswith("6 of 8 rows agree, 0 differ, 2 could not be read (--seed 7)\n")
    add_vllm(index, "0.7.1", "torch==6.6.6\x1b[2J")
    assert verified() == 1
    out = capsys.readouterr().out
    assert "DIFFERS vllm 0.7.1: Requires-Dist is 'torch==6.6.6" in out
    assert "\x1b" not in out


def test_verify_of_a_folder_that_is_not_there_exits_with_2(tmp_path: Path) -> None:
    done = run("matrix", "verify", "--data", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert "there is no such folder" in done.stderr


# --- diff


def test_diff_tells_two_folders_apart(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path / "old")
    add_vllm(index, "0.7.2", "torch==2.6.0")
    refreshed(index, tmp_path / "new")
    done = run("matrix", "diff", str(tmp_path / "old"), str(tmp_path / "new"))
    assert done.returncode == 0
    assert "vllm 0.7.2 is new: asks for torch==2.6.0\n" in done.stdout
    assert run("matrix", "diff", str(tmp_path / "old"), str(tmp_path / "old")).stdout == "nothing has changed\n"
    assert run("matrix", "diff", str(tmp_path / "old"), "shipped").returncode == 0


@pytest.mark.parametrize("words", [[], ["shipped", "refreshed"], ["/no/such/folder"]])
def test_diff_against_nothing_exits_with_2_and_says_how_to_make_it(words: list[str]) -> None:
    done = run("matrix", "diff", *words)
    assert done.returncode == 2
    assert "there is no derived data" in done.stderr
    assert "envdoctor matrix refresh" in done.stderr


def test_a_check_with_refreshed_data_says_its_day(index: Index, tmp_path: Path) -> None:
    stock(index)
    refreshed(index, tmp_path)
    put(tmp_path / "facts.json", encode(healthy()))
    done = run("check", f"saved:{tmp_path}/facts.json", "--data", str(tmp_path), "--format", "json")
    assert done.returncode in {0, 1}, done.stderr
    days = [one["data_as_of"] for one in json.loads(done.stdout)["verdicts"] if "data_as_of" in one]
    assert days
    assert all(day >= "2024-01-01" for day in days)
