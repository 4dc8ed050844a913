"""The preflight as a CI job calls it, in five scratch repositories; every report that the job keeps is a golden file.

``UPDATE_GOLDEN=1 pytest tests/preflight`` writes them anew; read the diff before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.test_cli import run
from tests.preflight.repositories import REPORTS, REPOSITORIES, lay, settled

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "preflight" / "repositories"


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_job_in_a_scratch_repository_ends_as_it_should_and_keeps_these_reports(name: str, tmp_path: Path) -> None:
    one = REPOSITORIES[name]
    lay(tmp_path, one)
    wanted = [word for form, file in REPORTS.items() for word in ("--report", f"{form}={file}")]
    done = run("preflight", "saved:node.json", *one.words, *wanted, cwd=tmp_path)
    assert done.returncode == one.status, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert tuple(found["code"] for found in report["problems"] if found["counts"]) == one.codes
    kept = {file: (tmp_path / file).read_text(encoding="utf-8") for file in REPORTS.values() if file != "-"}
    for file, text in {**kept, "summary.md": done.stdout}.items():
        golden = GOLDEN / name / file
        if os.environ.get("UPDATE_GOLDEN"):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(settled(text, tmp_path), encoding="utf-8")
        assert settled(text, tmp_path) == golden.read_text(encoding="utf-8"), file


def test_the_second_run_with_the_first_as_its_baseline_passes_and_a_new_fault_still_fails(tmp_path: Path) -> None:
    lay(tmp_path, REPOSITORIES["lock-drift"])
    words = ("preflight", "saved:node.json", "--lock", "h100", "--static")
    assert run(*words, "--report", "json=base.json", cwd=tmp_path).returncode == 1
    again = run(*words, "--baseline", "base.json", cwd=tmp_path)
    assert again.returncode == 0, again.stdout
    assert "nothing changed" in again.stdout
    more = run(*words, "--baseline", "base.json", "--require", "gpu>=8", cwd=tmp_path)
    assert more.returncode == 1
    assert "gpu>=8 is required, and 1 GPU answered" in more.stdout
