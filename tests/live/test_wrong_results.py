"""Each check, with something really wrong under it, says so: a number just beyond its bound, a bit, a tile, a NaN."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from typing import Any

import pytest

from tests.smoke.places import ROOT, torch_python

pytestmark = pytest.mark.torch


@functools.cache
def told() -> dict[str, dict[str, Any]]:
    """What came of every story of child.py."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [torch_python(), "-m", "tests.live.child"], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    stories: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return stories


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16", "float8", "attention"])
def test_one_number_just_beyond_the_bound_is_wrong_and_just_below_passes(name: str) -> None:
    below, beyond = told()[f"{name} 0.999 bounds off"], told()[f"{name} 1.001 bounds off"]
    assert (below["state"], beyond["state"]) == ("passed", "wrong")
    assert below["value"] == pytest.approx(0.999 * below["bound"], rel=1e-4)
    assert beyond["value"] == pytest.approx(1.001 * beyond["bound"], rel=1e-4)


@pytest.mark.parametrize(
    "name",
    ["float32 as TF32", "float16 summed in half", "bfloat16 summed in half", "a tile left out", "float8, a tile left out",
     "float4 with the halves of one swapped", "attention not causal", "compiled 1e-6 off"],
)  # fmt: skip
def test_what_is_computed_in_another_way_than_asked_is_beyond_the_bound(name: str) -> None:
    one = told()[name]
    assert one["state"] == "wrong"
    assert one["value"] > 2 * one["bound"]


@pytest.mark.parametrize("name", ["a NaN", "attention with a NaN"])
def test_a_single_nan_is_wrong(name: str) -> None:
    one = told()[name]
    assert one["state"] == "wrong"
    assert one["value"] != one["value"]


def test_a_packed_float4_product_is_what_its_numbers_say() -> None:
    one = told()["float4"]
    assert one["state"] == "passed"
    assert 0 < one["value"] < one["bound"] / 2  # a bfloat16 result: it cannot be exact


def test_an_old_torch_gives_the_largest_value_along_with_a_float8_product() -> None:
    assert told()["float8 of an old torch"]["state"] == "passed"


def test_a_bit_of_memory_that_changes_is_found_with_its_piece() -> None:
    one = told()["a bit of piece 4"]
    assert one["state"] == "wrong"
    assert one["says"] == "the pattern read back differs in 1 of 8 pieces of 0.03 GiB: [4]"


def test_a_bit_of_what_the_pieces_are_compared_with_is_found_too() -> None:
    assert told()["a bit of what is compared with"]["says"].endswith("[1]")


def test_a_copy_that_changes_a_bit_is_wrong() -> None:
    one = told()["copy off"]
    assert (one["state"], one["says"]) == ("wrong", "the copy differs from the source; best of 4")


def test_memory_that_others_took_fails_says_how_far_it_came_and_gives_back_what_it_had() -> None:
    one = told()["memory full"]
    assert one["state"] == "failed"
    assert one["says"] == "RuntimeError: out of memory after 0.17 of 0.22 GiB, with 0.25 GiB free by the driver's word"
    assert one["emptied"] == 1
    assert one["next"] == "passed"


def test_where_next_to_nothing_is_free_it_says_who_knows_why() -> None:
    one = told()["memory full from the start"]
    assert one["says"] == "RuntimeError: only 0.001 GiB are free: other processes hold the memory, and nvidia-smi lists them"


def test_flash_attn_is_judged_as_it_lays_out_its_tensors() -> None:
    assert told()["flash-attn"]["state"] == "passed"
    assert told()["flash-attn not causal"]["state"] == "wrong"


def test_where_flash_attn_is_not_for_the_device_or_is_another_package_it_is_not_tried() -> None:
    alone, old = told()["flash-attn-4 alone"], told()["flash-attn on a T4"]
    assert (alone["state"], old["state"]) == ("skipped", "skipped")
    assert "flash_attn has no flash_attn_func" in alone["says"]
    assert old["says"] == "its kernels are for compute capability 8.0 and newer"


def test_every_version_of_vllms_kernels_that_runs_here_is_judged_by_the_worst() -> None:
    both, wrong, alone = (told()[name] for name in ("vllm", "vllm, version 3 wrong", "vllm, version 2 alone"))
    assert (both["state"], wrong["state"], alone["state"]) == ("passed", "wrong", "passed")
    assert "versions 2 and 3" in both["says"]
    assert alone["says"].endswith("; version 2")


def test_a_vllm_whose_kernels_do_not_load_fails_with_its_own_reason() -> None:
    one = told()["vllm, none"]
    assert one["state"] == "failed"
    assert one["says"].endswith("does not run on this device: FA2 is unavailable: undefined symbol")


def test_copies_between_host_and_device_have_a_rate_and_are_compared() -> None:
    for name in ("to device", "to host"):
        one = told()[name]
        assert (one["state"], one["unit"], one["says"]) == ("passed", "GB/s", "the copy equals the source; best of 4")
        assert one["value"] > 0


def test_a_captured_graph_that_is_not_replayed_is_wrong_for_every_input() -> None:
    one = told()["a graph that replays nothing"]
    assert one["state"] == "wrong"
    assert one["says"] == "a replay gave another result than its inputs say, for [2.0, 3.0, 5.0]"


def test_without_a_compiler_it_says_what_to_install() -> None:
    one = told()["no compiler"]
    assert one["state"] == "skipped"
    assert one["says"].endswith("there is none on PATH (g++, clang++, c++): apt-get install -y build-essential")
