"""Real commands, real processes: each node one answer, whatever it does, and nothing left running."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.facts import decode, encode
from envdoctor.nodes import payload, running, via
from envdoctor.nodes.hearing import MAX_DOCUMENT_BYTES
from envdoctor.nodes.outcome import State
from tests.factory import healthy
from tests.nodes.cluster import Cluster, result
from tests.processes import alive, gone

if TYPE_CHECKING:
    from envdoctor.nodes.running import Answer

ROOT = Path(__file__).parent.parent.parent


def pids_of(cluster: Cluster) -> list[int]:
    return [int(word) for word in cluster.pids.read_text(encoding="utf-8").split()]


def test_twenty_nodes_are_really_probed_and_the_one_that_hangs_is_given_up(cluster: Cluster) -> None:
    for number in range(20):
        cluster.add(f"node{number:02d}", "hang" if number == 7 else "probe")
    heard: list[Answer] = []
    outcome = cluster.look(parallel=4, deadline_s=6.0, heard=heard)
    assert Counter(one.node for one in heard) == Counter(cluster.names), "one answer each"
    assert [one.node for one in outcome.results] == cluster.names, "one result each, in the order of the list"
    assert outcome.of(State.SILENT) == ("node07",)
    assert result(outcome, "node07").why == "no answer in 6 s"
    assert outcome.distinct == 1, "one interpreter on one machine is one set of facts"
    assert outcome.skew.differences == ()
    assert len(pids_of(cluster)) == 2
    assert gone(pids_of(cluster)), "it and what it had started"


def test_a_node_that_hangs_costs_its_deadline_and_no_more(cluster: Cluster) -> None:
    for number in range(4):
        cluster.add(f"slow{number}", "hang")
    started = time.monotonic()
    outcome = cluster.look(parallel=4, deadline_s=2.0)
    assert 2.0 <= time.monotonic() - started < 8.0, "all four at once"
    assert [one.why for one in outcome.results] == ["no answer in 2 s"] * 4
    assert gone(pids_of(cluster))


def test_what_the_probe_finds_is_what_it_finds_without_a_prefix(cluster: Cluster) -> None:
    cluster.add("one", "probe", banner="Last login: never\nno newline at the end of this")
    heard: list[Answer] = []
    cluster.look(heard=heard)
    assert heard[0].document is not None, heard[0].why
    there = decode(heard[0].document)
    argv = [sys.executable, "-m", "envdoctor", "facts", sys.executable]
    here = decode(subprocess.run(argv, check=True, capture_output=True, cwd=ROOT).stdout)
    assert there.packages == here.packages
    assert there.python == here.python
    assert there.linking.torch == here.linking.torch


SILENT = {
    "refused": (
        {"do": "unreached", "says": "ssh: connect to host refused port 22: Connection refused"},
        "ssh did not reach it (exit status 255): ssh: connect to host refused port 22: Connection refused",
    ),
    "denied": (
        {"do": "unreached", "says": "somebody@denied: Permission denied (publickey)."},
        "ssh did not reach it (exit status 255): $USER@denied: Permission denied (publickey).",
    ),
    "missing": (
        {"do": "unreached", "says": "sh: 1: python9: not found", "status": 127},
        "python9 cannot be started there (exit status 127): sh: 1: python9: not found",
    ),
    "old": (
        {"do": "unreached", "says": "envdoctor: too old 3.6", "status": 1},
        "its python9 is Python 3.6; the probe needs 3.8 or newer",
    ),
    "glued": (
        {"do": "unreached", "says": "*** all is watched ***envdoctor: too old 3.7", "status": 1},
        "its python9 is Python 3.7; the probe needs 3.8 or newer",
    ),
    "ancient": (
        {"do": "unreached", "says": "Unknown option: -I\nusage: python [option] ...\nTry `python -h'", "status": 2},
        "its python9 is Python 2, or 3.3 or older; the probe needs 3.8 or newer",
    ),
    "mute": ({"do": "ends"}, "it ended well without the probe's document; it printed nothing"),
    "babble": (
        {"do": "ends", "banner": "This account is\x1b[31m not available.\n"},
        "it ended well without the probe's document; it printed 'This account is\\x1b[31m not available.'",
    ),
    "fails": ({"do": "ends", "status": 3}, "ssh ended with exit status 3; it printed nothing"),
    "killed": ({"do": "killed"}, "ssh ended with signal 9; it printed nothing"),
    "flood": ({"do": "flood"}, "it printed more than 1 MiB before the probe's document"),
    "complains": ({"do": "flood", "to": 2}, "it printed more than 1 MiB of errors"),
}


def test_every_way_of_not_answering_has_its_own_words(cluster: Cluster) -> None:
    for name, (plan, _) in SILENT.items():
        cluster.add(name, **plan)  # type: ignore[arg-type]
    outcome = cluster.look(python="python9", deadline_s=20.0)
    assert {one.node: one.why for one in outcome.results} == {name: why for name, (_, why) in SILENT.items()}
    assert {one.state for one in outcome.results} == {State.SILENT}


def test_a_node_that_echoes_the_program_has_not_answered(cluster: Cluster) -> None:
    cluster.add("echo", "echo")
    outcome = cluster.look()
    assert result(outcome, "echo").why.startswith("it ended well without the probe's document; it printed")


HOSTILE = {
    "list": b'{"schema_version": 1, "x": [' + b"0," * 1_000_000 + b"0]}",
    "deep": b"[" * 100_000,
    "text": b"not JSON at all \x00\xff",
    "other": b'{"schema_version": 99}',
    "empty": b"",
}


def test_a_document_that_is_none_is_no_answer(cluster: Cluster) -> None:
    for name, document in HOSTILE.items():
        cluster.gives(name, document)
    outcome = cluster.look()
    assert {one.state for one in outcome.results} == {State.SILENT}
    for one in outcome.results:
        assert one.why.startswith("it answered something else than the probe's document: "), one


def test_a_document_without_end_is_bounded_in_memory(cluster: Cluster) -> None:
    huge = cluster.documents / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 30)  # a gigabyte of zeros, of which the disk holds none
    cluster.add("huge", "document", file=str(huge))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = cluster.look()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result(outcome, "huge").why == "its document is larger than 8 MiB"
    assert grown_kib < 8 * MAX_DOCUMENT_BYTES // 1024


def test_a_document_that_breaks_off_is_no_answer(cluster: Cluster) -> None:
    cluster.gives("cut", encode(healthy()).replace(b"\n", b" ")[:5000], end="")
    assert result(cluster.look(), "cut").why == "the probe broke off (exit status 0)"


def test_a_pipe_that_others_hold_open_is_not_waited_for(cluster: Cluster) -> None:
    cluster.answers("plain", healthy())
    cluster.add("master", "dangles", file=str(cluster.documents / "plain"))
    started = time.monotonic()
    outcome = cluster.look(deadline_s=60.0)
    assert time.monotonic() - started < 45.0
    assert outcome.of(State.PASSED) == ("plain", "master")
    assert all(map(alive, pids_of(cluster))), "it has a session of its own and was meant to stay"


def test_a_program_that_is_not_there_is_wrong_usage(cluster: Cluster) -> None:
    cluster.add("any", "probe")
    cluster.ssh.unlink()
    with pytest.raises(UserError, match="cannot be started: No such file or directory"):
        cluster.look()


def test_an_error_on_the_way_ends_all_that_was_started(cluster: Cluster) -> None:
    for number in range(3):
        cluster.add(f"slow{number}", "hang")
    cluster.add("quick", "ends")

    def stop(_: Answer) -> None:
        until = time.monotonic() + 30
        while (not cluster.pids.exists() or len(pids_of(cluster)) < 6) and time.monotonic() < until:
            time.sleep(0.05)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.look(on_answer=stop)
    assert len(pids_of(cluster)) == 6
    assert gone(pids_of(cluster))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_all_and_says_how_far_it_was(cluster: Cluster, number: signal.Signals) -> None:
    for one in range(3):
        cluster.add(f"slow{one}", "hang")
    cluster.add("quick", "ends")
    code = (
        "import sys; from envdoctor import cli; from envdoctor.cli.noding import Nodes, run_nodes; from envdoctor.session import Options;"
        f"cli.command = lambda: run_nodes(Nodes({str(cluster.hosts())!r}, {str(cluster.ssh)!r}, out={str(cluster.documents)!r}), Options());"
        "cli.main()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stderr is not None
    assert child.stderr.readline() == "1 of 4 nodes asked, 1 without an answer\n"
    until = time.monotonic() + 60
    while (not cluster.pids.exists() or len(pids_of(cluster)) < 6) and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    # whether the quick one was heard of by then is not ours to say
    assert re.search(r"stopped: (0 of 4 nodes asked|1 of 4 nodes asked, 1 without an answer); all commands were ended", said)
    assert "and no list of names was written" in said
    assert gone(pids_of(cluster))
    assert os.listdir(cluster.documents) == []


PREFIXES = {
    "a shell joins the words": ("sh", "-c", 'exec sh -c "$*"', "{host}"),
    "no shell at all": ("env", "NODE={host}"),
    "a login shell that prints": ("sh", "-c", 'echo hello; printf no-newline; exec "$@"', "{host}"),
}


@pytest.mark.parametrize("words", PREFIXES.values(), ids=PREFIXES)
def test_prefixes_with_and_without_a_shell_run_the_same_program(words: tuple[str, ...]) -> None:
    errand = running.Errand(
        lambda node: via.command(words, node, sys.executable, 20.0),
        "python3",
        payload.program("abc", {"deadline_s": "10"}),
        payload.mark("abc"),
        2,
        20.0,
    )
    answers = list(running.ask(["a", "b"], errand))
    assert [answer.why for answer in answers] == ["", ""]
    assert len({decode(answer.document).python for answer in answers if answer.document}) == 1


def test_the_name_of_the_user_is_not_told_but_where_the_list_itself_has_it() -> None:
    assert running.nameless("alice@n1: Permission denied", "n1") == "$USER@n1: Permission denied"
    assert running.nameless("root@n1: Permission denied", "root@n1") == "root@n1: Permission denied"
