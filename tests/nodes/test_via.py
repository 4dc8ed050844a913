"""The command of one node: options that ssh is given, where the node stands, and words that no shell changes."""

from __future__ import annotations

import shlex

import pytest

from envdoctor.errors import UserError
from envdoctor.nodes.via import command, program, words_of

TAIL = "python3 -I -S -"


def made(via: str, deadline_s: float = 30.0) -> str:
    return shlex.join(command(words_of(via), "n1", "python3", deadline_s))


@pytest.mark.parametrize(
    ("via", "wanted"),
    [
        ("ssh", f"ssh -T -o BatchMode=yes -o ConnectTimeout=10 n1 {TAIL}"),
        ("/usr/bin/ssh -p 2222", f"/usr/bin/ssh -T -o BatchMode=yes -o ConnectTimeout=10 -p 2222 n1 {TAIL}"),
        ("ssh -o BatchMode=no", f"ssh -T -o ConnectTimeout=10 -o BatchMode=no n1 {TAIL}"),
        ("ssh -obatchmode=no -o 'connecttimeout 3'", f"ssh -T -obatchmode=no -o 'connecttimeout 3' n1 {TAIL}"),
        ("ssh -tt", f"ssh -o BatchMode=yes -o ConnectTimeout=10 -tt n1 {TAIL}"),
        ("ssh -l ubuntu {host}", f"ssh -T -o BatchMode=yes -o ConnectTimeout=10 -l ubuntu n1 {TAIL}"),
        ("srun -N1 -n1 -w {host}", f"srun -N1 -n1 -w n1 {TAIL}"),
        ("kubectl exec -i {host} --", f"kubectl exec -i n1 -- {TAIL}"),
        ("srun --nodelist={host} -n1", f"srun --nodelist=n1 -n1 {TAIL}"),
        ("sshpass -e ssh", f"sshpass -e ssh n1 {TAIL}"),
    ],
)
def test_the_whole_command(via: str, wanted: str) -> None:
    assert made(via) == wanted


def test_a_connection_is_waited_for_less_long_than_the_node() -> None:
    assert "ConnectTimeout=2 " in made("ssh", 5.0)
    assert "ConnectTimeout=1 " in made("ssh", 1.0)


@pytest.mark.parametrize("via", ["", "  ", "ssh 'open"])
def test_a_prefix_that_is_none_is_refused(via: str) -> None:
    with pytest.raises(UserError, match="--via"):
        words_of(via)


@pytest.mark.parametrize(
    ("target", "python"),
    [
        (None, "python3"),
        ("python3.12", "python3.12"),
        ("pypy3", "pypy3"),
        ("~/venv", "~/venv/bin/python3"),
        ("~alice/venv/", "~alice/venv/bin/python3"),
        ("/opt/venv/bin/python3.12", "/opt/venv/bin/python3.12"),
        ("venv:/opt/venv", "/opt/venv/bin/python3"),
        ("envs/grpo", "envs/grpo/bin/python3"),
        ("grpo", "grpo/bin/python3"),
        ("/opt/python3.12", "/opt/python3.12/bin/python3"),
    ],
)
def test_which_python_is_started(target: str | None, python: str) -> None:
    assert program(target) == python


@pytest.mark.parametrize(
    "target",
    [
        "/opt/my venv",
        "/opt/$HOME",
        "/opt/a;b",
        "-c",
        "/opt/*",
        "/opt/'x'",
        "a=b/bin/python3",
        "",
        "/a\nb",
        "~",
        "/a&b",
        "/a|b",
        "%1",
        "@x",
    ],
)
def test_what_a_shell_could_read_otherwise_is_refused(target: str) -> None:
    with pytest.raises(UserError, match="cannot be asked for on a node"):
        program(target)


@pytest.mark.parametrize("target", ["lock:h100", "image:x:1", "root:/x", "saved:f.json"])
def test_targets_of_other_kinds_are_refused(target: str) -> None:
    with pytest.raises(UserError, match="is nothing that can be asked on a node"):
        program(target)
