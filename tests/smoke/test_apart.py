"""An engine in a process of its own, for real: our own engine is in it, since vLLM does the same there and takes minutes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.smoke.places import ROOT, torch_python

pytestmark = pytest.mark.torch
SCRIPT = Path(__file__).with_name("apart_child.py")


def told(scratch: Path, *words: str) -> Any:
    """What the script prints."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(scratch)}
    argv = [torch_python(), str(SCRIPT), str(scratch), *words]
    done = subprocess.run(argv, env=environ, stdout=subprocess.PIPE, text=True, timeout=90, check=True)
    return json.loads(done.stdout)


def test_two_ranks_are_answered_by_the_weights_that_rank_0_has_pushed(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert found["first"]
    assert found["pushed"]
    assert found["waits_for_rank_1"], "a push that does not wait lets one rank sample with older weights than it has"
    assert found["versions"] == found["versions_1"]
    assert "torch" in found["versions"]
    assert found["bad_request"].startswith("the engine's own process: ")
    assert found["status"] == 0


def test_an_engine_that_is_gone_is_said(tmp_path: Path) -> None:
    assert told(tmp_path, "kill")["killed"] == "the engine's own process is gone (exit status -9) while it was asked to generate"


def test_an_engine_that_cannot_start_says_why_in_its_own_words(tmp_path: Path) -> None:
    assert "there is no engine 'none'" in told(tmp_path, "broken")
