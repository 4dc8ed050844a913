"""Two ranks on CPUs, for real: what they average, what they compare, and who is named when one does not come."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.smoke.places import ROOT, torch_python

pytestmark = pytest.mark.torch
SCRIPT = Path(__file__).with_name("ranked.py")


class Told(NamedTuple):
    """How a run of several ranks ended."""

    status: int
    events: list[dict[str, Any]]
    said: str


@functools.cache
def told(folder: Path, story: str, ranks: int = 2) -> Told:
    """Run a story of ranked.py to its end."""
    scratch = folder / f"{story} {ranks}"
    scratch.mkdir()
    words = [str(SCRIPT), story, str(scratch)]
    if ranks > 1:
        words = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", f"--nproc-per-node={ranks}", *words]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(scratch)}
    done = subprocess.run([torch_python(), *words], env=environ, capture_output=True, text=True, timeout=90, check=False)
    events = (scratch / "events").read_text().splitlines() if (scratch / "events").exists() else []
    return Told(done.returncode, [json.loads(line) for line in events], done.stdout + done.stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


def measured(one: Told) -> dict[str, Any]:
    assert one.status == 0, one.said
    assert [event["event"] for event in one.events] == ["done"]
    document: dict[str, Any] = one.events[0]["measured"]
    return document


def failed(one: Told) -> dict[str, Any]:
    assert one.status != 0
    assert [event["event"] for event in one.events] == ["failed"], one.said
    return one.events[0]


def test_two_ranks_learn_what_one_process_learns_from_both_batches(folder: Path) -> None:
    reference = subprocess.run(
        [torch_python(), "-c", BOTH_BATCHES],
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    expected = json.loads(reference.stdout)
    document = measured(told(folder, "clean"))
    assert max(abs(ours - theirs) for ours, theirs in zip(document["weights"], expected, strict=True)) < 1e-5
    assert document["ranks"] == [
        {"rank": 0, "device": "cpu", "weights_differ": 0.0},
        {"rank": 1, "device": "cpu", "weights_differ": 0.0},
    ]
    assert document["mean_rank"] == 0.5


BOTH_BATCHES = """
import json, torch
from torch import nn
from tests.smoke.ranked import STEPS, batch
from envdoctor.smoke.parallel import APART
torch.manual_seed(5)
policy = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2)
for step in range(STEPS):
    x, y = (torch.cat(both) for both in zip(batch(5, step), batch(5 + APART, step)))
    optimizer.zero_grad()
    (policy(x) - y).square().mean().backward()
    optimizer.step()
print(json.dumps(torch.cat([one.detach().flatten() for one in policy.parameters()]).tolist()))
"""


def test_three_ranks(folder: Path) -> None:
    document = measured(told(folder, "clean", 3))
    assert [rank["weights_differ"] for rank in document["ranks"]] == [0.0, 0.0, 0.0]
    assert document["mean_rank"] == 1.0


def test_one_process_has_the_same_methods_and_no_ranks(folder: Path) -> None:
    document = measured(told(folder, "clean", 1))
    assert document["ranks"] == []
    assert document["mean_rank"] == 0.0


def test_ranks_that_begin_unequal_are_made_equal(folder: Path) -> None:
    document = measured(told(folder, "unequal start"))
    assert document["weights"] == measured(told(folder, "clean"))["weights"]


def test_a_rank_that_keeps_its_own_gradient_ends_with_other_weights(folder: Path) -> None:
    document = measured(told(folder, "not averaged"))
    assert document["ranks"][0]["weights_differ"] == 0.0
    assert document["ranks"][1]["weights_differ"] > 1e-5


def test_a_path_that_changes_numbers_is_found_before_the_training(folder: Path) -> None:
    event = failed(told(folder, "wrong sum"))
    assert event["type"] == "WrongSumError"
    assert "2 ranks added 1048576 known numbers and 1 of the sums are wrong: gloo changes what it carries" in event["message"]


def test_a_wrong_mean_is_found_in_the_step_that_has_it(folder: Path) -> None:
    event = failed(told(folder, "wrong mean"))
    assert event["type"] == "WrongSumError"
    assert "gloo adds wrongly" in event["message"]


def test_a_rank_that_stalls_is_named_with_what_it_was_doing(folder: Path) -> None:
    event = failed(told(folder, "stall"))
    assert event["type"] == "RankLostError"
    assert event["phase"] == "step 2: sample"
    assert event["message"].startswith(
        "rank 1 is in 'step 2: sample' and was last heard of 3 s ago. Rank 0 waits for it in 'average the gradients'"
    )


def test_a_rank_0_that_stalls_is_named_by_the_others(folder: Path) -> None:
    event = failed(told(folder, "stall of rank 0"))
    assert event["type"] == "RankLostError"
    assert event["message"].startswith("rank 0 is in 'step 2: sample'")


def test_an_error_of_another_rank_is_told_as_it_was(folder: Path) -> None:
    event = failed(told(folder, "raise"))
    assert event["type"] == "ArithmeticError"
    assert event["message"] == "rank 1 of 2, in step 2: sample: the numbers do not add up"
    assert "ranked.py" in event["trace"][-1]


def test_a_rank_that_is_killed_is_named(folder: Path) -> None:
    one = told(folder, "die")
    assert one.status != 0
    assert "Signal 9 (SIGKILL)" in one.said or "rank 1 is in 'step 2: sample'" in one.said
