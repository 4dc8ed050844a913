"""deploy/slurm/prolog.sh: only a found fault drains a node. `make slurm` tries it under a real Slurm."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.programs import ROOT, calls, program, recording

if TYPE_CHECKING:
    from pathlib import Path

PROLOG = ROOT / "deploy" / "slurm" / "prolog.sh"
FAILS = 'for word in "$@"; do case $word in nagios=*) printf "%s\\n" {line} > "${{word#nagios=}}" ;; esac; done; exit 1'


def prolog(tmp_path: Path, settings: str = "") -> tuple[int, str, list[str] | None]:
    """Run it as slurmd does, without PATH; gives its status, what it logged, and what scontrol was called with."""
    scontrol = recording(tmp_path / "bin" / "scontrol")
    program(tmp_path / "bin" / "logger", 'printf \'%s\\n\' "$*" >> "$log"')
    conf = tmp_path / "envdoctor.conf"
    conf.write_text(
        f"PATH={tmp_path}/bin:$PATH envdoctor={tmp_path}/envdoctor state={tmp_path}/state every_s=0 deadline_s=5\n{settings}\n",
        encoding="utf-8",
    )
    env = {"ENVDOCTOR_CONF": str(conf), "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "node1"}
    done = subprocess.run([str(PROLOG)], env=env, capture_output=True, text=True, check=False, timeout=60)
    log = tmp_path / "bin" / "logger.log"
    return done.returncode, log.read_text(encoding="utf-8") if log.exists() else "", calls(scontrol)


def test_a_healthy_node_takes_the_job(tmp_path: Path) -> None:
    stub = recording(tmp_path / "envdoctor")
    assert prolog(tmp_path, "target=(/opt/venvs/train)") == (0, "", None)
    words = calls(stub)
    assert words is not None
    assert words[:-1] == ["preflight", "/opt/venvs/train", "--static", "--require", "gpu", "--report"]
    assert words[-1].startswith("nagios=/")


def test_a_found_fault_drains_the_node_with_the_root_cause(tmp_path: Path) -> None:
    program(tmp_path / "envdoctor", FAILS.format(line="'ENVDOCTOR CRITICAL - ED102 driver 535 is too old | seconds=0.4s'"))
    status, log, scontrol = prolog(tmp_path)
    assert status == 1
    reason = "envdoctor: ED102 driver 535 is too old"
    assert scontrol == ["update", "NodeName=node1", "State=DRAIN", f"Reason={reason}"]
    assert f"job 7: {reason}" in log


def test_a_hostile_line_stays_one_harmless_reason(tmp_path: Path) -> None:
    line = "$'x\\x1b[31m\"; State=RESUME $(touch taken) `id` \\u202e'" + "y" * 500
    program(tmp_path / "envdoctor", FAILS.format(line=line))
    status, _, scontrol = prolog(tmp_path)
    assert status == 1
    assert scontrol is not None
    assert len(scontrol) == 4
    assert not set(scontrol[3]) & set("\"'$`\x1b\n\u202e|&")
    assert len(scontrol[3]) < 230


@pytest.mark.parametrize("status", [2, 3, 4, 127])
def test_what_is_no_proof_of_a_fault_is_logged_and_lets_the_job_run(tmp_path: Path, status: int) -> None:
    recording(tmp_path / "envdoctor", status, "envdoctor: no such option\n")
    code, log, scontrol = prolog(tmp_path)
    assert (code, scontrol) == (0, None)
    said = f"job 7: exit status {status}, so nothing was judged: envdoctor: no such option"
    assert log == f"--tag envdoctor-prolog --priority daemon.warning -- {said}\n"


def test_a_missing_envdoctor_drains_nothing(tmp_path: Path) -> None:
    status, log, scontrol = prolog(tmp_path)
    assert (status, scontrol) == (0, None)
    assert "is not there or cannot be run" in log


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    program(tmp_path / "envdoctor", "trap '' TERM; sleep 60")
    status, log, scontrol = prolog(tmp_path, "deadline_s=1")
    assert (status, scontrol) == (0, None)
    assert "no answer in 1 s" in log


def test_a_pass_is_good_for_a_while_and_a_failure_is_not(tmp_path: Path) -> None:
    stub = recording(tmp_path / "envdoctor")
    assert prolog(tmp_path, "every_s=300")[0] == 0
    (tmp_path / "envdoctor.log").unlink()
    assert prolog(tmp_path, "every_s=300")[0] == 0
    assert calls(stub) is None
    (tmp_path / "state" / "passed").unlink()
    recording(tmp_path / "envdoctor", 1)
    assert prolog(tmp_path, "every_s=300")[0] == 1
    assert prolog(tmp_path, "every_s=300")[0] == 1
