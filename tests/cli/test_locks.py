"""``lock:`` as a target of every command, and ``envdoctor sbom``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from envdoctor.cli import check
from envdoctor.cli.complete import targets
from envdoctor.locks import files
from tests.cli.test_cli import run
from tests.locks.sample import h100, small

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A project's folder with a lock."""
    files.write(h100(), str(tmp_path / "lockfiles"))
    return tmp_path


def test_a_clean_lock_is_told_in_a_short_page_and_exits_with_0_or_strictly_3(here: Path) -> None:
    done = run("check", "lock:h100", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "lock:h100 (a lock of 2026-11-25 for GPU h100" in done.stdout
    assert "nothing is installed yet" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("nothing found: 0 errors, 0 warnings")
    assert len(done.stdout.splitlines()) < 30
    assert run("check", "lock:h100", "--strict", cwd=here).returncode == 3


def test_a_driver_that_is_too_old_is_found_by_supposing_it(here: Path) -> None:
    done = run("check", "lock:h100", "--suppose", "driver=535.161.08", "--format", "json", cwd=here)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["target"]["spec"] == "lock:h100"
    assert report["diagnoses"][0]["code"] == "ED102"


def test_what_mends_a_lock_is_a_command_that_locks_again(here: Path) -> None:
    done = run("check", "lock:h100", "--suppose", "vllm=0.33.0", "--select", "ED401", cwd=here)
    assert "envdoctor lock h100 --vllm 0.31.0" in done.stdout
    assert "pip install" not in done.stdout


def test_a_record_of_a_lock_is_judged_the_same_and_its_remedies_stay_those_of_a_lock(here: Path) -> None:
    words = ("--suppose", "vllm=0.33.0", "--select", "ED401", "--format", "json")
    first = run("check", "lock:h100", *words, "--record", "kept", cwd=here)
    again = run("check", "saved:kept", *words, cwd=here)
    assert again.returncode == first.returncode == 1

    def remedies(text: str) -> Any:
        return [one["remedies"] for one in json.loads(text)["diagnoses"]]

    assert remedies(again.stdout) == remedies(first.stdout)
    assert "lock" in json.dumps(remedies(first.stdout))


def test_facts_of_a_lock_are_a_document_that_can_be_judged(here: Path) -> None:
    done = run("facts", "lock:h100", "-o", "facts.json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert run("check", "saved:facts.json", cwd=here).returncode == 0


def test_a_lock_elsewhere_is_named_without_the_home_folder(here: Path) -> None:
    done = run("check", f"lock:{here}/lockfiles/h100.toml", "--record", "kept", cwd=here, HOME=str(here))
    assert done.returncode == 0, done.stderr
    assert "lock:~/lockfiles/h100.toml" in done.stdout
    assert str(here) not in (here / "kept" / "facts.json").read_text()


def test_a_lock_for_no_gpu_is_not_judged_for_the_gpu_of_the_configuration(here: Path) -> None:
    (here / "envdoctor.toml").write_text('profile = "h100"\n')
    files.write(h100(target="cpu", gpu=None, compute_capability=None, driver_floor=None), str(here / "lockfiles"))
    done = run("check", "lock:cpu", cwd=here)
    assert "configured by" in done.stdout
    assert "profile" not in done.stdout
    (here / "r.txt").write_text("numpy==2.0.0\n")
    assert "the one of the profile, h100, was supposed" in run("check", "lock:r.txt", cwd=here).stdout.replace("\n ", "")


def test_a_list_of_versions_is_a_target_too(here: Path) -> None:
    (here / "r.txt").write_text("numpy==2.0.0\n")
    done = run("check", "lock:r.txt", cwd=here)
    assert done.returncode == 0
    assert "a list of exact versions, which assumes no machine" in done.stdout
    assert "neither torch nor vLLM nor a trainer is in it" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "lockfiles/h100.toml"), "write lock:"),
        (("check", "lock:"), "does not exist"),
        (("check", "lock:h200"), "envdoctor lock h200"),
        (("check", "lock:../../etc/passwd"), "there is no lock"),
        (("check", "lock:h100", "--names", "trl:vllm"), "a lock has none"),
        (("check", "lock:h100", "--deep-link", "all"), "a lock has none"),
        (("sbom", "lock:h200"), "envdoctor lock h200"),
    ],
)
def test_wrong_words_are_an_error_with_what_to_do(words: tuple[str, ...], said: str, here: Path) -> None:
    done = run(*words, cwd=here)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_hand_edited_lock_is_refused_with_the_lines_that_differ(here: Path) -> None:
    path = here / "lockfiles" / "h100.txt"
    path.write_text(path.read_text().replace("trl==1.16.0", "trl==1.15.0"))
    for command in ("check", "sbom", "facts"):
        done = run(command, "lock:h100", cwd=here)
        assert done.returncode == 2
        assert "trl is 1.15.0, in the .toml 1.16.0" in done.stderr


def test_the_bill_of_a_lock_is_written_the_same_each_time(here: Path) -> None:
    for name in ("a.json", "b.json"):
        assert run("sbom", "lock:h100", "-o", name, cwd=here).returncode == 0
    assert (here / "a.json").read_bytes() == (here / "b.json").read_bytes()
    bill = json.loads((here / "a.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert len(bill["components"]) == 208


def test_the_bill_of_an_environment_holds_what_is_installed() -> None:
    import sys  # noqa: PLC0415

    done = run("sbom", sys.prefix)
    assert done.returncode == 0, done.stderr
    names = {one["name"] for one in json.loads(done.stdout)["components"]}
    assert {"pytest", "msgspec"} <= names


def test_the_shell_offers_the_locks_that_are_here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(small(target="h200"), str(here / "lockfiles"))
    (here / "deep").mkdir()
    monkeypatch.chdir(here / "deep")
    context, parameter = click.Context(check.command), check.command.params[0]
    assert [one.value for one in targets(context, parameter, "lock:")] == ["lock:h100", "lock:h200"]
    assert [one.value for one in targets(context, parameter, "lock:h2")] == ["lock:h200"]
    assert [one.value for one in targets(context, parameter, "loc")] == ["lock:"]
