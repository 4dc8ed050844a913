"""What ``preflight --nodes`` does with its words: files, page, exit status, progress, and every wrong word."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from envdoctor.cli.noding import Nodes, Progress, run_nodes
from envdoctor.errors import UserError
from envdoctor.nodes.hosts import Hosts
from envdoctor.nodes.running import Answer
from envdoctor.session import Options
from tests.factory import dist, healthy, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodes.cluster import Cluster


def asked(cluster: Cluster, **more: Any) -> Nodes:
    return Nodes(str(cluster.hosts()), str(cluster.ssh), sys.executable, out=str(cluster.documents.parent), **more)


def lists(cluster: Cluster) -> tuple[str, str]:
    folder = cluster.documents.parent
    failing, passing = ((folder / name).read_text(encoding="utf-8") for name in ("failing_nodes.txt", "passing_nodes.txt"))
    return failing, passing


def test_one_page_two_lists_and_an_exit_status(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 4):
        cluster.answers(f"n{number}", healthy())
    cluster.answers("n4", put(healthy(), dist("transformers", "4.47.0")))
    cluster.add("n5", "ends", status=1)
    assert run_nodes(asked(cluster), Options()) == 1
    assert lists(cluster) == ("n4\nn5\n", "n1\nn2\nn3\n")
    said = capsys.readouterr()
    assert "skewed     n4  transformers 4.47.0 here, 4.47.1 on 3 of 4 nodes" in said.out
    assert said.out.splitlines()[-1].startswith("FAILED: 3 of 5 nodes passed; 1 skewed, 1 gave no answer; ")
    assert said.err.splitlines()[-1] == "5 of 5 nodes asked, 1 without an answer"


def test_json_goes_to_a_file_and_all_passing_is_0(cluster: Cluster, tmp_path: Path) -> None:
    cluster.answers("n1", healthy())
    output = tmp_path / "nodes.json"
    assert run_nodes(asked(cluster), Options(), reports=(("json", str(output)),)) == 0
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["counts"] == {"passed": 1, "failed": 0, "skewed": 0, "no answer": 0}
    assert document["files"]["failing"].endswith("/failing_nodes.txt")
    assert lists(cluster) == ("", "n1\n")


def test_names_come_from_standard_input_too(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.answers("n1", healthy())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"n1\n")))
    assert run_nodes(asked(cluster)._replace(file="-"), Options()) == 0


def test_rules_that_are_left_out_are_left_out_on_nodes_too(cluster: Cluster) -> None:
    cluster.answers("n1", put(healthy(), dist("torch", "2.4.0")))
    assert run_nodes(asked(cluster), Options()) == 1
    assert run_nodes(asked(cluster), Options(select=("ED102",))) == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"via": ""}, "--via names no command"),
        ({"via": "no-such-program-here"}, "no-such-program-here cannot be started"),
        ({"parallel": 0}, "--parallel 0 is not from 1 to 512"),
        ({"deadline_s": 0.1}, "--node-deadline 0.1 is not from 1 to 3600 seconds"),
        ({"deadline_s": float("nan")}, "--node-deadline nan is not"),
        ({"target": "lock:h100"}, "lock:h100 is nothing that can be asked on a node"),
        ({"out": "/nowhere"}, "/nowhere is no folder"),
        ({"file": "/nowhere/hosts.txt"}, "/nowhere/hosts.txt cannot be read"),
    ],
)
def test_a_wrong_word_is_refused_before_any_node_is_asked(cluster: Cluster, more: dict[str, Any], words: str) -> None:
    cluster.add("n1", "hang")
    with pytest.raises(UserError, match=words):
        run_nodes(asked(cluster)._replace(**more), Options())
    assert not cluster.pids.exists()


def test_nothing_can_be_supposed_of_nodes(cluster: Cluster) -> None:
    cluster.add("n1", "hang")
    with pytest.raises(UserError, match="nothing can be supposed"):
        run_nodes(asked(cluster), Options(suppose=("driver=580",)))


def test_a_log_gets_a_line_for_each_tenth_and_no_more() -> None:
    stream = io.StringIO()
    with Progress(stream, Hosts(tuple(f"n{number}" for number in range(250)), ())) as progress:
        for number in range(250):
            progress.hear(Answer(f"n{number}", b"{}" if number % 5 else None, "", 0.1))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "25 of 250 nodes asked, 5 without an answer"
    assert lines[-1] == "250 of 250 nodes asked, 50 without an answer"
