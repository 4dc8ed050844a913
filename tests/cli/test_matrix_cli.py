"""`matrix show` and `matrix why` as a user meets them: exit status, text, JSON, wrong words, a reader that goes away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import small

if TYPE_CHECKING:
    from pathlib import Path

ENVDOCTOR = (sys.executable, "-m", "envdoctor")
OLD = ("--vllm", ">=0.7,<0.8", "--python", "3.11")
"""Releases of early 2025: what goes with them does not change any more."""
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def environ(home: Path) -> dict[str, str]:
    """A user without refreshed data."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "CONDA_PREFIX", "COLUMNS"}}
    return kept | {"XDG_DATA_HOME": str(home)}


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run envdoctor in a process of its own."""
    return subprocess.run([*ENVDOCTOR, *words], capture_output=True, check=False, env=environ(home), text=True, encoding="utf-8")


def test_show_prints_the_stacks_newest_first(tmp_path: Path) -> None:
    done = run(tmp_path, "matrix", "show", *OLD)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in DAY.sub("DAY", done.stdout).splitlines()[:5]]
    assert rows[0] == ["vllm", "torch", "CUDA", "driver", "from", "transformers", "trl", "declared", "binary", "ran"]
    assert rows[1] == ["0.7.3", "2.5.1", "12.4", "525.60.13", "4.50.3", "0.16.1", "DAY", "DAY", "-"]
    assert [row[0] for row in rows[1:]] == ["0.7.3", "0.7.2", "0.7.1", "0.7.0"]


def test_show_in_json_has_the_same_stacks_and_every_refusal(tmp_path: Path) -> None:
    done = run(tmp_path, "matrix", "show", *OLD, "--format", "json")
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert [one["versions"]["vllm"] for one in document["stacks"]] == ["0.7.3", "0.7.2", "0.7.1", "0.7.0"]
    newest = document["stacks"][0]
    assert newest["versions"] == {
        "vllm": "0.7.3", "torch": "2.5.1", "torchvision": "0.20.1", "torchaudio": "2.5.1", "xformers": "0.0.28.post3",
        "trl": "0.16.1", "transformers": "4.50.3",
    }  # fmt: skip
    assert "9.0" in newest["compute_capabilities"]
    assert {one["kind"] for one in document["refused"]} == {"engine"}


def test_show_shows_twenty_and_all_with_all(tmp_path: Path) -> None:
    few, every = run(tmp_path, "matrix", "show"), run(tmp_path, "matrix", "show", "--all", "--format", "json")
    assert re.search(r"\.\.\. and \d+ older stacks \(--all shows them\)", few.stdout)
    assert len(json.loads(run(tmp_path, "matrix", "show", "--format", "json").stdout)["stacks"]) == 20
    assert len(json.loads(every.stdout)["stacks"]) > 60


def test_show_takes_another_trainer(tmp_path: Path) -> None:
    done = run(tmp_path, "matrix", "show", "--openrlhf", "0.7.5")
    assert "openrlhf" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1].split()[:2] == ["0.8.5.post1", "2.6.0"]


def test_show_exits_with_1_where_nothing_fits_and_says_why(tmp_path: Path) -> None:
    done = run(tmp_path, "matrix", "show", "--driver", "470.57.02")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("No stack fits.\n")
    assert "CUDA 12.4 needs driver 525.60.13 or newer" in done.stdout


def test_why_exits_with_0_where_nothing_speaks_against_it_and_with_1_where_a_joint_is_broken(tmp_path: Path) -> None:
    good = run(tmp_path, "matrix", "why", "vllm==0.7.3", "trl==0.16.1", "driver=550.54.15", "gpu=h100")
    assert (good.returncode, good.stderr) == (0, "")
    assert "nothing known speaks against it" in good.stdout.splitlines()
    bad = run(tmp_path, "matrix", "why", "vllm==0.33.0", "trl==1.16.0", "driver=535")
    assert bad.returncode == 1
    assert "BROKEN  driver 535.54.03 is too old for CUDA 13.0" in bad.stdout
    assert "2 joints broken\nwhat goes together instead:\n  envdoctor matrix show --driver 535 --trl 1.16.0\n" in bad.stdout


def test_why_in_json_has_every_joint_with_its_layer_and_source(tmp_path: Path) -> None:
    done = run(tmp_path, "matrix", "why", "vllm==0.33.0", "trl==1.16.0", "driver=535", "--format", "json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["works"] is False
    assert [one["code"] for one in document["broken"]] == ["ED102", "ED401"]
    assert all(one["layer_of_truth"] and one["sources"] for one in document["broken"])
    assert document["brought"]["torch"] == {"version": "2.14.0", "by": "vllm 0.33.0"}
    assert all(one["layer_of_truth"] and one["source"] for one in document["held"])
    assert DAY.fullmatch(document["data_as_of"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "--gpu", "h1000"), 'Did you mean "h100"?'),
        (("show", "--driver", "new"), "--driver new: this is not a version"),
        (("show", "--vllm", ">>1"), "this is neither a version nor a range"),
        (("show", "--trl", "1.0", "--verl", "0.5"), "a stack has one trainer"),
        (("show", "--vlm", "0.7"), "No such option"),
        (("show", "vllm"), "unexpected extra argument"),
        (("show", "--format", "xml"), "'xml' is not one of"),
        (("show", "--data", "/no/such/folder"), "there is no such folder"),
        (("why",), "nothing was named"),
        (("why", "vllm"), "'vllm' names no exact version"),
        (("why", "vllm>=0.7"), "names no exact version"),
        (("why", "vlm==0.7.0"), 'Did you mean "vllm"?'),
        (("why", "vllm==0.7.0", "gpu=h1000"), 'Did you mean "h100"?'),
        (("why", "vllm==0.7.0", "vllm==0.8.0"), "vllm is named twice"),
        (("why", "vllm==new"), "'new' is not a version"),
        (("why", "vllm==0.7.0", "--data", "/no/such/folder"), "there is no such folder"),
        (("shwo",), "No such command 'shwo'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_do_on_standard_error(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    done = run(tmp_path, "matrix", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_without_data_is_refused_and_one_with_data_counts(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = run(tmp_path, "matrix", "show", "--data", str(tmp_path / "empty"))
    assert refused.returncode == 2
    assert "it holds neither claims nor tables" in refused.stderr
    small.matrix(tmp_path / "small")
    done = run(tmp_path, "matrix", "show", "--data", str(tmp_path / "small"), "--format", "json")
    assert [one["versions"]["vllm"] for one in json.loads(done.stdout)["stacks"]] == ["1.0", "0.9"]


def test_old_data_says_how_to_renew_it(tmp_path: Path) -> None:
    small.matrix(tmp_path / "small")
    for words in (("show",), ("why", "vllm==1.0")):
        done = run(tmp_path, "matrix", *words, "--data", str(tmp_path / "small"))
        assert f"This rests on data of {small.READ}" in done.stdout, done.stderr
        assert "envdoctor matrix refresh" in " ".join(done.stdout.split())


def test_a_damaged_file_of_named_data_is_an_error_with_its_place(tmp_path: Path) -> None:
    small.matrix(tmp_path / "small")
    (tmp_path / "small" / "claims" / "derived" / "releases" / "trl.jsonl").write_text("{\n")
    done = run(tmp_path, "matrix", "show", "--data", str(tmp_path / "small"))
    assert done.returncode == 2
    assert "trl.jsonl:1:" in done.stderr


@pytest.mark.parametrize("words", [("show", "--all"), ("why", "vllm==0.33.0", "driver=535")])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [*ENVDOCTOR, "matrix", *words], stdout=gone, stderr=subprocess.PIPE, check=False, env=environ(tmp_path)
        )
    assert done.stderr == b""
    assert done.returncode in {0, 1}


def test_a_closed_standard_output_is_said(tmp_path: Path) -> None:
    line = " ".join((*ENVDOCTOR, "matrix", "show", ">&-"))
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, env=environ(tmp_path), text=True)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


def test_the_answer_can_be_written_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "stacks.json"
    done = run(tmp_path, "matrix", "show", *OLD, "--format", "json", "--output", str(target))
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(target.read_text())["stacks"]


def test_a_page_in_a_pipe_has_no_colour_and_a_machine_is_shown_harmless(tmp_path: Path) -> None:
    done = run(tmp_path, "matrix", "why", "vllm==0.7.3\x1b[2J")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x1b" not in run(tmp_path, "matrix", "show").stdout
