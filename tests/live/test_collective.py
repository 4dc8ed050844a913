"""An all-reduce over two ranks on CPUs, for real: right, lied about, stalled, and failed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from envdoctor.live.collective import STEPS, Places
from tests.smoke.places import ROOT, torch_python

SCRIPT = Path(__file__).with_name("ranked.py")


def told(folder: Path, story: str) -> tuple[dict[str, Any] | None, str]:
    """(The result that rank 0 told, everything that was printed)."""
    words = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node=2"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    done = subprocess.run(
        [torch_python(), *words, str(SCRIPT), story, str(folder)],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    results = [one for one in events if one["event"] == "collective"]
    assert len(results) <= 1
    assert bool(results) == (events[-1] == {"event": "done"} or "the end" in events[-1].get("name", ""))
    return (results[0] if results else None), done.stdout + done.stderr


@pytest.mark.torch
def test_right_sums_pass_with_a_bandwidth(tmp_path: Path) -> None:
    result, said = told(tmp_path, "clean")
    assert result is not None, said
    assert (result["state"], result["backend"], result["devices"]) == ("passed", "gloo", 2)
    assert result["bus_gb_per_s"] > 0
    assert result["says"] == "sums over 2 processes are right; 4 MiB, best of 3"


@pytest.mark.torch
def test_a_rank_that_gets_another_sum_is_named(tmp_path: Path) -> None:
    result, said = told(tmp_path, "lies")
    assert result is not None, said
    assert (result["state"], result["bus_gb_per_s"]) == ("wrong", None)
    assert result["says"] == "the sum over 2 processes is wrong on rank 1"


@pytest.mark.torch
@pytest.mark.parametrize(("story", "where"), [("stalls at its start", "its start"), ("stalls before the sum", "meet the others")])
def test_a_rank_that_stalls_is_late_and_named(tmp_path: Path, story: str, where: str) -> None:
    result, said = told(tmp_path, story)
    assert result is not None, said
    assert result["state"] == "late"
    other = "meet the others" if where == "its start" else where
    named = f"rank 1 is in '{where}', the others in '{other}'" if where != other else f"every rank is in '{where}'"
    assert result["says"] == f"not done in 5 s: {named}"


@pytest.mark.torch
def test_an_error_of_another_rank_is_printed_with_its_rank(tmp_path: Path) -> None:
    result, said = told(tmp_path, "raises")
    assert "rank 1: ArithmeticError: this rank cannot add" in said
    assert result is None or result["state"] == "failed"


def places(folder: Path, rank: int, world: int) -> Places:
    class Silent:
        def tell(self, event: str, **values: Any) -> None:
            pass

    return Places(str(folder), rank, world, Silent())  # type: ignore[arg-type]


def test_who_is_behind_is_named_among_eight(tmp_path: Path) -> None:
    for rank in range(8):
        if rank != 6:
            places(tmp_path, rank, 8).at(STEPS[1] if rank == 3 else STEPS[2])
    assert places(tmp_path, 0, 8).behind() == "rank 6 is in 'its start', the others in 'the sum'"
    places(tmp_path, 6, 8).at(STEPS[1])
    assert places(tmp_path, 0, 8).behind() == "ranks 3, 6 are in 'meet the others', the others in 'the sum'"
    for rank in (3, 6):
        places(tmp_path, rank, 8).at(STEPS[2])
    assert places(tmp_path, 0, 8).behind() == "every rank is in 'the sum'"
