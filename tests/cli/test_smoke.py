"""``envdoctor smoke`` as it is typed: what it refuses, what it writes, and what --verify answers.

No torch is needed here; ``make smoke-cpu`` and ``make smoke-vllm`` really train.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from envdoctor.cli.certifying import certified, lock_of, target_of
from envdoctor.facts import encode
from envdoctor.locks import files
from envdoctor.matrix import Matrix
from envdoctor.proving.certificate import decode
from tests.cli.test_cli import run
from tests.factory import dist, healthy, put, with_driver
from tests.locks.sample import h100
from tests.proving import recorded

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a certificate that was given for a recorded machine, and records of it and of others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "same.json").write_bytes(encode(healthy()))
    (tmp_path / "driver.json").write_bytes(encode(with_driver(healthy(), "590.44.01", "13.1")))
    (tmp_path / "vllm.json").write_bytes(encode(put(healthy(), dist("vllm", "0.7.0"))))
    certified(recorded.proof("bare-cpu"), healthy(), Matrix(), profile="h100", path=None)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says", "do"),
    [
        (("--budget", "soon"), "--budget 'soon' is no time", "60s, 2m or 1h"),
        (("--engine", "sglang"), "'sglang' is not one of", ""),
        (("--profile", "../x"), "is no target's name", "lockfiles/smoke.NAME.json"),
        (("--certificate", "a.json", "--no-certificate"), "contradict each other", ""),
        (("--certificate", "/dev/null/x.json"), "--certificate /dev/null/x.json cannot be written", "a folder that exists"),
        (("--certificate", "none/x.json"), "--certificate none/x.json cannot be written", "a folder that exists"),
        (("lock:h100",), "lock:h100 is nothing that can be run here", "docker run --gpus all"),
        (("image:none:1",), "image:none:1", ""),
        (("/nowhere",), "/nowhere", ""),
        (("--verify", "none.json"), "none.json cannot be read", "lockfiles/smoke.<target>.json"),
        (("--html", "/nope/x.html"), "--html /nope/x.html cannot be written", "a folder that exists"),
        (("--json", "."), "--json . is a folder", "a folder that exists"),
        (("--json", "a", "--html", "a"), "--json and --html name the same file", "Give each its own"),
        (("--gpus", "4"), "torch", ""),
        (("--verify", "a.json", "--engine", "vllm"), "--verify runs nothing", "--engine"),
        (("--verify", "a.json", "--html", "b.html"), "--verify runs nothing", "--html"),
    ],
)
def test_bad_words_are_refused_before_anything_runs(tmp_path: Path, words: tuple[str, ...], says: str, do: str) -> None:
    done = run("smoke", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
    assert do in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_environment_without_torch_is_told_what_it_lacks(tmp_path: Path) -> None:
    done = run("smoke", sys.executable, cwd=tmp_path)
    assert done.returncode == 2
    assert "torch is not installed" in done.stderr
    assert not list(tmp_path.iterdir()), "no folder is made for a certificate that will never be"


def test_help_names_the_exit_status_and_every_engine() -> None:
    said = run("smoke", "--help").stdout
    assert "Exit status: 0 proven" in said
    assert "bare|transformers|vllm|trl|trl+vllm" in said.replace("\n", "").replace(" ", "")


def test_a_certificate_still_holds_on_the_same_machine(here: Path) -> None:
    done = run("smoke", "saved:same.json", "--verify", "lockfiles/smoke.h100.json", cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MATCHES" in done.stdout


@pytest.mark.parametrize(("target", "name"), [("driver.json", "driver"), ("vllm.json", "package vllm")])
def test_it_does_not_on_another_and_the_difference_is_named(here: Path, target: str, name: str) -> None:
    done = run("smoke", f"saved:{target}", "--verify", "lockfiles/smoke.h100.json", "--format", "json", cwd=here)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert not told["matches"]
    assert name in {one["name"] for one in told["lines"] if one["how"] == "differs"}
    page = run("smoke", f"saved:{target}", "--verify", "lockfiles/smoke.h100.json", cwd=here).stdout
    assert f"envdoctor smoke saved:{target} --engine bare --device cpu --certificate lockfiles/smoke.h100.json" in page


def test_a_lock_that_changed_since_is_named(here: Path) -> None:
    files.write(h100(), "lockfiles")
    assert lock_of("h100", "lockfiles").value == f"h100, sha256:{files.read('h100').requirements_sha256}"
    done = run("smoke", "saved:same.json", "--verify", "lockfiles/smoke.h100.json", cwd=here)
    assert done.returncode == 1
    assert "lock: none -> h100, sha256:" in done.stdout


@pytest.mark.parametrize("text", ["", "{}", "[" * 5000, "\x00", '{"schema_version": 7}'])
def test_what_is_no_certificate_is_wrong_input(here: Path, text: str) -> None:
    (here / "bad.json").write_text(text)
    done = run("smoke", "saved:same.json", "--verify", "bad.json", cwd=here)
    assert done.returncode == 2
    assert "bad.json is no certificate of a smoke" in done.stderr
    assert "envdoctor smoke --certificate FILE" in done.stderr


def test_a_certificate_for_other_facts_is_replaced_and_it_is_said(here: Path) -> None:
    proof = certified(
        recorded.proof("bare-cpu"), with_driver(healthy(), "590.44.01", "13.1"), Matrix(), profile="h100", path=None
    )
    assert any("takes the place of a certificate" in one and "driver 550.54.15 -> 590.44.01" in one for one in proof.notes)
    found = decode((here / "lockfiles" / "smoke.h100.json").read_bytes())
    assert {one.name: one.value for one in found.facts}["driver"] == "590.44.01"
    assert sorted(one.name for one in (here / "lockfiles").iterdir()) == ["smoke.h100.json"]


def test_a_place_that_fails_after_the_run_loses_nothing(here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "x.json").mkdir()
    proof = certified(recorded.proof("bare-cpu"), healthy(), Matrix(), profile=None, path="full/x.json")
    assert proof.passed
    assert "the certificate was NOT written to full/x.json: Is a directory" in proof.notes[-1]


@pytest.mark.parametrize(
    ("device", "target"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA GB200", "gb200"),
        ("Tesla T4", "t4"),
        ("cpu", "cpu"),
        ("", "cpu"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_the_target_is_told_by_the_name_of_the_gpu(device: str, target: str) -> None:
    assert target_of(device) == target


@pytest.mark.parametrize("text", ["[[[", None])
def test_a_damaged_lock_beside_the_certificate_names_no_folder_in_it(tmp_path: Path, text: str | None) -> None:
    folder = tmp_path / "home" / "alice"
    folder.mkdir(parents=True)
    (folder / "h100.toml").write_text(text or "")
    place = folder / "c.json"
    certified(recorded.proof("bare-cpu"), healthy(), Matrix(), profile="h100", path=str(place))
    lock = next(one for one in decode(place.read_bytes()).facts if one.name == "lock")
    assert lock.value is None
    assert lock.untold
    assert "alice" not in place.read_text()
