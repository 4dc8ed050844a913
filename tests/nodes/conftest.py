"""Every test has a cluster of its own, of which nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.nodes.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("FAKE_NODES", "")
    made = Cluster(tmp_path)
    yield made
    if made.pids.exists():
        for pid in map(int, made.pids.read_text(encoding="utf-8").split()):
            with contextlib.suppress(OSError):
                # the number of one that has ended may be another's by now
                if re.search(rb"sleep|fake_ssh", Path(f"/proc/{pid}/cmdline").read_bytes()):
                    os.kill(pid, signal.SIGKILL)
