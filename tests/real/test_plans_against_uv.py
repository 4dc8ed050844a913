"""The stories of `envdoctor fix` on the metadata of real wheels, planned with the real index: no wheel is downloaded whole."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import run

pytestmark = pytest.mark.network
BUILDER = Path(__file__).parents[2] / "benchmarks" / "metadata_environment.py"


def build(folder: Path, *requirements: str) -> Path:
    """An environment of metadata, as benchmarks/fix_speed.py makes it."""
    found = spec_from_file_location("metadata_environment", BUILDER)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    module.build(folder / "env", sys.executable, requirements)
    return folder / "env"


def planned(environment: Path, driver: str, *more: str) -> dict[str, Any]:
    """What `envdoctor fix --format json` says of it, on an H100 with that driver."""
    done = run("fix", str(environment), "--suppose", "gpu=h100", "--suppose", f"driver={driver}", "--format", "json", *more)
    assert done.returncode in {1, 3}, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def heads(plan: dict[str, Any]) -> dict[str, tuple[str, str]]:
    names = {"vllm", "torch", "trl", "transformers"}
    return {one["name"]: (one["before"], one["after"]) for one in plan["moves"] if one["name"] in names}


def test_driver_535_with_the_newest_trl_keeps_the_driver(tmp_path: Path) -> None:
    environment = build(tmp_path, "trl==1.16.0", "vllm==0.31.0")
    (plan,) = planned(environment, "535.161.08")["plans"]
    moved = heads(plan)
    assert moved["torch"] == ("2.13.0", "2.10.0")  # CUDA 12.8: starts on 525.60.13
    assert moved["vllm"] == ("0.31.0", "0.19.1")
    assert moved["trl"] == ("1.16.0", "1.13.0")
    assert [one["code"] for one in plan["mends"]] == ["ED102"]
    gone = {one["name"] for one in plan["moves"] if one["after"] is None}
    assert {"nvidia-cudnn-cu13", "nvidia-nccl-cu13"} <= gone
    said = planned(environment, "535.161.08", "--keep", "vllm")
    assert said["status"] == 3
    assert said["contradiction"]["says"].startswith("driver 535.161.08 is too old for CUDA 13.0")
    assert said["driver"]["needed"] == "580.65.06"


def test_trl_over_a_newer_vllm_moves_the_engine_to_the_nearest_that_it_takes_and_not_the_trainer(tmp_path: Path) -> None:
    environment = build(tmp_path, "trl==1.16.0", "vllm==0.33.0")
    (plan,) = planned(environment, "590.44.01")["plans"]
    moved = heads(plan)
    assert moved["vllm"] == ("0.33.0", "0.31.0")
    assert moved["torch"] == ("2.14.0", "2.13.0")
    assert "trl" not in moved


def test_vllm_0_7_as_it_resolves_today_gets_the_transformers_that_it_was_made_for(tmp_path: Path) -> None:
    environment = build(tmp_path, "vllm==0.7.0", "transformers>=5")
    (plan,) = planned(environment, "550.54.15")["plans"]
    assert set(heads(plan)) == {"transformers"}
    assert heads(plan)["transformers"][1].startswith("4.")
