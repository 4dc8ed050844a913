"""The file that names the nodes: what is read, and every error with its line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from envdoctor.errors import UserError
from envdoctor.nodes import hosts
from envdoctor.nodes.hosts import parse

if TYPE_CHECKING:
    from pathlib import Path


def test_one_a_line_with_comments_and_compact_forms() -> None:
    text = "# the rack\n\n  node1  # first\nnode[02-03]\r\n10.0.0.7\nroot@login.example.org\n"
    assert parse(text, "h") == (("node1", "node02", "node03", "10.0.0.7", "root@login.example.org"), ())


def test_a_node_that_is_named_twice_is_asked_once_and_that_is_said() -> None:
    assert parse("n[1-3]\nn2\nn3\nn3\n", "h") == (("n1", "n2", "n3"), ("named more than once and asked once: n[2-3] (2 nodes)",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb slots=8\n", "h, line 2: 'b slots=8' is more than the name of a node"),
        ("a\n\n-oProxyCommand=x\n", "h, line 3: '-oProxyCommand=x' is no name of a node"),
        ("a\nb[3-1]\n", "h, line 2: .* holds no range that counts up"),
        ("a;reboot\n", "h, line 1: 'a;reboot' is no name"),
        ("n[1-100001]\n", "h, line 1: .* makes more than 100,000 nodes"),
        ("n[1-60000]\nm[1-60000]\n", "h, line 2: these are more than 100,000 nodes"),
        ("# nothing\n\n", "h names no node"),
        ("a\x1b]0;x\n", r"h, line 1: the brackets of 'a\\x1b\]0;x' are not in pairs"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(text, "h")


def test_a_hundred_thousand_nodes_are_read() -> None:
    assert len(parse("n[1-100000]", "h").names) == 100_000


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere cannot be read: No such file"):
        hosts.read(str(tmp_path / "nowhere"))
    (tmp_path / "binary").write_bytes(b"a\xff")
    with pytest.raises(UserError, match="binary is no text: byte 2 is not UTF-8"):
        hosts.read(str(tmp_path / "binary"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="not a regular file"):
        hosts.read(str(tmp_path / "pipe"))
    (tmp_path / "large").write_bytes(b"n" * (hosts.MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than 8 MiB"):
        hosts.read(str(tmp_path / "large"))
