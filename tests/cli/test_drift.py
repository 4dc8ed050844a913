"""``envdoctor check LOCK ENVIRONMENT``: exit status, formats, which targets and options it takes."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
import venv
from typing import TYPE_CHECKING

import pytest

from envdoctor.facts import Known, encode, need
from envdoctor.locks import files
from envdoctor.locks.document import LockedPackage
from envdoctor.probe.records import digest as digest_of
from envdoctor.sources.lock import facts_of_lock
from tests.cli.test_cli import run
from tests.factory import MATRIX, SITE, dist, edit, gpu, healthy, put, with_driver
from tests.locks.sample import h100

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = ("--suppose", "gpu=h100", "--suppose", "driver=580.65.06")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a lock, and records of an environment like it and of one that drifted."""
    files.write(h100(), str(tmp_path / "lockfiles"))
    named = need(facts_of_lock(h100(), MATRIX).packages.distributions)
    like = edit(
        with_driver(healthy(), "590.44.01", "13.1"),
        python__version="3.12.7",
        gpus__devices=Known((gpu(),), "NVML"),
        packages__distributions=Known(tuple(dist(one.name, one.version) for one in named), SITE),
    )
    (tmp_path / "like.json").write_bytes(encode(like))
    (tmp_path / "drifted.json").write_bytes(encode(put(like, dist("vllm", "0.33.0"))))
    return tmp_path


def test_an_environment_like_its_lock_exits_with_0_and_strictly_with_3_for_what_a_record_does_not_tell(here: Path) -> None:
    done = run("check", "lock:h100", "saved:like.json", cwd=here)
    assert done.returncode == 0, done.stdout
    assert "whether files were edited or deleted" in done.stdout
    assert done.stdout.splitlines()[-1] == "nothing drifted: 1 open question"
    assert run("check", "lock:h100", "saved:like.json", "--strict", cwd=here).returncode == 3


def test_drift_exits_with_1_and_says_what_brings_it_back(here: Path) -> None:
    done = run("check", "lock:h100", "saved:drifted.json", "--strict", cwd=here)
    assert done.returncode == 1
    assert "vllm  0.33.0, locked 0.31.0 (newer)" in done.stdout
    assert "uv pip install --python ~/venv/bin/python --no-deps --require-hashes -r lockfiles/h100.txt" in done.stdout
    assert "envdoctor check saved:drifted.json" in done.stdout


def test_json_goes_to_a_file(here: Path) -> None:
    done = run("check", "lock:h100", "saved:drifted.json", "--format", "json", "-o", "out.json", cwd=here)
    assert (done.returncode, done.stdout) == (1, "")
    report = json.loads((here / "out.json").read_text())
    assert [(one["what"], one["name"]) for one in report["departures"]] == [("version", "vllm")]
    assert report["lock"]["spec"] == "lock:h100"


def test_a_real_environment_without_the_packages_is_told_what_is_missing_and_the_machine_may_be_supposed(here: Path) -> None:
    venv.create(here / "env", with_pip=False, symlinks=True)
    report = {}
    for words in ((), MACHINE):
        done = run("check", "lock:lockfiles/h100.txt", "env", *words, "--format", "json", cwd=here)
        assert done.returncode == 1, done.stderr
        report[words] = {(one["what"], one["name"]) for one in json.loads(done.stdout)["departures"]}
    assert ("missing", "torch") in report[()]
    assert ("missing", "torch") in report[MACHINE]
    assert not {what for what, _ in report[MACHINE]} & {"gpu", "driver"}
    assert (("python", "Python") in report[MACHINE]) is (sys.version_info[:2] != (3, 12))


def install(site: Path, name: str, *, said: str) -> str:
    """A distribution of one module as an installer leaves it; gives the digest of its RECORD."""
    module, info = site / name / "__init__.py", site / f"{name}-1.0.dist-info"
    contents = {module: f"SAID = {said!r}\n", info / "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    rows = []
    for path, text in contents.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path.relative_to(site)},sha256={digest},{len(text)}\n")
    record = "".join([*rows, f"{info.name}/INSTALLER,,\n", f"{info.name}/RECORD,,\n"])
    (info / "RECORD").write_text(record)
    return str(digest_of(record))


def test_edited_deleted_and_otherwise_built_packages_are_found_by_the_bytes_of_a_real_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    digests = {name: install(site, name, said="locked") for name in ("built", "deleted", "edited", "same")}
    packages = tuple(
        LockedPackage(name=name, version="1.0", file=f"{name}-1.0-py3-none-any.whl", sha256="0" * 64, record=digest)
        for name, digest in digests.items()
    )
    python = ".".join(map(str, sys.version_info[:2]))
    assumed = {"gpu": None, "compute_capability": None, "driver_floor": None, "cuda": None, "glibc": "2.5", "python": python}
    files.write(h100(packages=packages, stack={}, bounds=(), asked=("same==1.0",), **assumed), str(tmp_path / "lockfiles"))

    def told() -> tuple[int, set[tuple[str, str, str]], int]:
        done = run("check", "lock:h100", "env", "--strict", "--format", "json", cwd=tmp_path)
        report = json.loads(done.stdout)
        assert report["unknown"] == []
        return (
            done.returncode,
            {(one["what"], one["name"], one["says"]) for one in report["departures"]},
            report["proven_untouched"],
        )

    assert told() == (0, set(), 4)
    (site / "edited" / "__init__.py").write_text("SAID = 'edited'\n")
    (site / "deleted" / "__init__.py").unlink()
    install(site, "built", said="another")
    assert told() == (
        1,
        {
            ("files", "edited", "1 edited: edited/__init__.py"),
            ("files", "deleted", "1 deleted: deleted/__init__.py"),
            ("build", "built", "its RECORD is not that of built-1.0-py3-none-any.whl"),
        },
        1,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("saved:like.json", "lock:h100"), "Turn them round: envdoctor check lock:h100 saved:like.json"),
        (("lock:h100", "lock:h100"), "Two locks are compared by: envdoctor diff lock:h100 lock:h100"),
        (("saved:like.json", "saved:like.json"), "Two environments are compared by: envdoctor diff"),
        (("lock:h100", "saved:like.json", "saved:like.json"), "3 were given"),
        (("lock:h100", "saved:none.json"), "does not exist"),
        (("lock:b300", "saved:like.json"), "there is no lockfiles/b300.toml"),
        (("lock:h100", "saved:like.json", "--skip", "ED101"), "--skip is for the rules"),
        (("lock:h100", "saved:like.json", "--fail-on", "warning"), "--fail-on is for the rules"),
        (("lock:h100", "saved:like.json", "--record", "x"), "--record is for the rules"),
        (("lock:h100", "saved:like.json", "--suppose", "gpu=h900"), "h900"),
    ],
)
def test_wrong_words_exit_with_2_and_say_what_was_meant(here: Path, words: tuple[str, ...], says: str) -> None:
    done = run("check", *words, cwd=here)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_a_probe_of_a_target_that_is_refused_does_not_hold_the_command_up(here: Path) -> None:
    venv.create(here / "env", with_pip=False, symlinks=True)
    started = time.monotonic()
    done = run("check", "env", "lock:h100", cwd=here)
    assert done.returncode == 2
    assert "Turn them round" in done.stderr
    assert time.monotonic() - started < 9, "less than the probe may take"
