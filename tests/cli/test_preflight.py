"""``envdoctor preflight``: exit status, reports, what a GitHub runner gets, wrong input refused before anything is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from envdoctor.cli.preflight import FORMATS
from envdoctor.render.preflight import FORMATS as RENDERED
from tests.cli.test_cli import run
from tests.preflight.repositories import REPOSITORIES, lay

if TYPE_CHECKING:
    from pathlib import Path

HEALTHY = ("preflight", "saved:node.json", "--lock", "h100", "--static")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    lay(tmp_path, REPOSITORIES["healthy"])
    return tmp_path


def test_the_formats_on_the_help_page_are_those_that_there_are() -> None:
    assert sorted(FORMATS) == sorted(RENDERED)


def test_a_healthy_machine_passes_and_the_last_line_says_so(here: Path) -> None:
    done = run(*HEALTHY, cwd=here)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("PASSED: lint, check and drift in 0.")
    assert "preflight: check ..." in done.stderr


def test_strictly_what_could_not_be_told_is_no_pass(here: Path) -> None:
    done = run(*HEALTHY, "--strict", cwd=here)
    assert done.returncode == 3
    assert "COULD NOT TELL" in done.stdout


def test_a_warning_fails_where_it_is_asked_to(here: Path) -> None:
    (here / "Dockerfile").write_text("FROM python:3.12-slim\nRUN pip install trl\n")
    assert run(*HEALTHY, cwd=here).returncode == 0
    assert run(*HEALTHY, "--fail-on", "warning", cwd=here).returncode == 1


def test_a_report_for_standard_output_stands_there_alone_and_no_file_is_left_out(here: Path) -> None:
    done = run(*HEALTHY, "--report", "json=-", "--report", "junit=a.xml", cwd=here)
    assert json.loads(done.stdout)["verdict"] == "passed"
    assert (here / "a.xml").read_text().startswith("<?xml")
    only = run(*HEALTHY, "--format", "markdown", cwd=here)
    assert only.stdout.startswith("## envdoctor preflight: PASSED")


@pytest.mark.parametrize(("name", "status", "word"), [("healthy", 0, "OK"), ("lock-drift", 2, "CRITICAL")])
def test_as_a_nagios_plugin_it_exits_as_one(name: str, status: int, word: str, tmp_path: Path) -> None:
    lay(tmp_path, REPOSITORIES[name])
    done = run(*HEALTHY, "--format", "nagios", cwd=tmp_path)
    assert done.returncode == status
    assert done.stdout.startswith(f"ENVDOCTOR {word} - ")


def test_on_github_there_are_annotations_a_summary_and_outputs_and_standard_output_stays_whole(tmp_path: Path) -> None:
    lay(tmp_path, REPOSITORIES["lock-drift"])
    (tmp_path / "summary.md").write_text("before\n")
    runner = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
    }
    done = run(*HEALTHY, "--report", "json=-", cwd=tmp_path, **runner)
    assert json.loads(done.stdout)["verdict"] == "failed"
    assert "::error file=lockfiles/h100.txt,line=" in done.stderr
    assert (tmp_path / "summary.md").read_text().startswith("before\n## envdoctor preflight: FAILED")
    assert "verdict=failed\nfailed-tier=drift\n" in (tmp_path / "outputs").read_text()
    nowhere = run(*HEALTHY, cwd=tmp_path, **{**runner, "GITHUB_OUTPUT": "/nowhere/at/all"})
    assert nowhere.returncode == 1, "the drift that was found stays found"
    assert "unset GITHUB_OUTPUT" in nowhere.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--report", "jnit=a.xml"), "there is no format 'jnit'\nDid you mean \"junit\"?"),
        (("--report", "junit=none/a.xml"), "cannot be written"),
        (("--report", "junit=a", "--report", "json=a"), "name the same file"),
        (("--report", "json=-", "--report", "html=-"), "two reports are for standard output"),
        (("--budget", "soon"), "is no time"),
        (("--price", "much"), "--price 24/h"),
        (("--require", "vllm=0.7"), "is no requirement"),
        (("--profile", "h10"), 'is no GPU in the data and no target\nDid you mean "h100"?'),
        (("--lock", "b200"), "envdoctor lock b200"),
        (("--baseline", "none.json"), "--report json=baseline.json"),
        (("--smoke",), "--static runs nothing"),
        (("--dockerfile", "none"), "none cannot be read"),
        (("--dockerfile", "-"), "envdoctor lint -"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(words: tuple[str, ...], said: str, here: Path) -> None:
    done = run(*HEALTHY, "--report", "sarif=b.sarif", *words, cwd=here)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert done.stdout == ""
    assert not (here / "b.sarif").exists()


def test_a_profile_is_a_gpu_or_a_target_and_one_for_cpus_supposes_none(here: Path) -> None:
    assert run(*HEALTHY, "--profile", "b200", cwd=here).returncode == 1
    assert "REQUIRE-PROFILE" in run(*HEALTHY, "--profile", "b200", cwd=here).stdout
    assert run(*HEALTHY, "--profile", "cpu", cwd=here).returncode == 0


def test_where_standard_error_is_no_terminal_there_is_a_line_a_tier_and_no_escape(here: Path) -> None:
    lines = run(*HEALTHY, cwd=here).stderr.splitlines()
    assert lines == [f"envdoctor preflight: {tier} ..." for tier in ("lint", "check", "drift")]


def test_a_report_that_cannot_be_written_takes_none_of_the_others_with_it(here: Path) -> None:
    done = run(*HEALTHY, "--report", "json=/dev/full", "--report", "junit=a.xml", cwd=here)
    assert done.returncode == 2, "what passed and cannot say so is no pass"
    assert "/dev/full cannot be written: No space left on device" in done.stderr
    assert (here / "a.xml").exists()
    assert "PASSED: lint, check and drift" in done.stdout


def test_a_folder_that_was_deleted_under_us_is_no_bug(here: Path, tmp_path: Path) -> None:
    words = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m envdoctor preflight saved:{here}/node.json --static"
    done = subprocess.run(["sh", "-c", words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no Dockerfile here" in done.stdout


def test_a_machine_that_was_found_broken_stays_that_whatever_becomes_of_its_report(tmp_path: Path) -> None:
    lay(tmp_path, REPOSITORIES["lock-drift"])
    done = run(*HEALTHY, "--report", "json=/dev/full", cwd=tmp_path)
    assert done.returncode == 1
    assert "/dev/full cannot be written" in done.stderr
    assert "FAILED in drift" in done.stdout


@pytest.mark.parametrize("closed", ["2>/dev/full", "2>&-", "2>&1 >/dev/null | true"])
def test_a_standard_error_that_cannot_be_written_changes_no_answer(closed: str, here: Path) -> None:
    words = f"{sys.executable} -m envdoctor {' '.join(HEALTHY)} --report json=a.json {closed}; echo status ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", words], cwd=here, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "status 0", done.stderr
    assert json.loads((here / "a.json").read_text())["verdict"] == "passed"


@pytest.mark.parametrize("words", [("--lock", "nope"), ("--budget", "soon"), ("--require", "gpu,")])
def test_as_a_nagios_plugin_wrong_usage_is_unknown(words: tuple[str, ...], here: Path) -> None:
    done = run("preflight", "saved:node.json", *words, "--format", "nagios", cwd=here)
    assert done.returncode == 3
    assert done.stdout.startswith("ENVDOCTOR UNKNOWN - ")


def test_a_file_whose_name_is_no_utf_8_is_told_in_every_format(here: Path) -> None:
    with open(os.fsencode(here) + b"/Dockerfile.x\xffy", "w", encoding="utf-8") as file:
        file.write("FROM python:3.12\nRUN pip install torch\n")
    wanted = [word for form in FORMATS for word in ("--report", f"{form}=report.{form}")]
    done = run(*HEALTHY, *wanted, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "Dockerfile.x" in (here / "report.json").read_text(encoding="utf-8")
