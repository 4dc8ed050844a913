"""A made-up cluster: nodes behind a fake ssh, each with what it does."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envdoctor.examine import Wishes
from envdoctor.facts import encode
from envdoctor.nodes.hosts import parse
from envdoctor.nodes.judging import By
from envdoctor.nodes.looking import Asked, look
from tests.factory import MATRIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.facts import Facts
    from envdoctor.nodes.outcome import NodeResult, Outcome
    from envdoctor.nodes.running import Answer

FAKE = Path(__file__).parent / "fake_ssh.py"


class Cluster:
    """Nodes by name; ``look`` asks them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "nodes"
        self.folder.mkdir()
        self.documents = folder / "documents"
        self.documents.mkdir()
        self.pids = folder / "pids"
        self.names: list[str] = []
        self.ssh = folder / "ssh"
        self.ssh.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n', encoding="utf-8")
        self.ssh.chmod(0o755)
        os.environ["FAKE_NODES"] = str(self.folder)

    def add(self, name: str, do: str, **more: Any) -> None:
        """A node that does that."""
        (self.folder / name).write_text(json.dumps({"do": do, "pids": str(self.pids), **more}), encoding="utf-8")
        self.names.append(name)

    def answers(self, name: str, facts: Facts, **more: Any) -> None:
        """A node that gives these facts."""
        self.gives(name, b" ".join(encode(facts).split(b"\n")), **more)

    def gives(self, name: str, document: bytes, **more: Any) -> None:
        """A node that gives these bytes for a document."""
        file = self.documents / name
        file.write_bytes(document)
        self.add(name, "document", file=str(file), **more)

    def hosts(self) -> Path:
        """The file that names them all."""
        file = self.folder.parent / "hosts.txt"
        file.write_text("# all\n" + "".join(f"{name}\n" for name in self.names), encoding="utf-8")
        return file

    def look(
        self,
        *,
        python: str = sys.executable,
        by: By | None = None,
        heard: list[Answer] | None = None,
        on_answer: Callable[[Answer], None] | None = None,
        **more: Any,
    ) -> Outcome:
        """Look at all of them; ``more`` as :class:`Asked` has it."""
        asked = Asked(parse("\n".join(self.names), "a test"), (str(self.ssh),), python, **more)
        answers: list[Answer] = [] if heard is None else heard
        return look(asked, by or By(MATRIX, Wishes()), on_answer or answers.append, time.monotonic())


def result(outcome: Outcome, node: str) -> NodeResult:
    """The one result of a node."""
    (found,) = [one for one in outcome.results if one.node == node]
    return found
