"""The whole look at many nodes: ask, gather, judge."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.nodes import payload, running, via
from envdoctor.nodes.judging import Gathered, judge
from envdoctor.nodes.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.nodes.hosts import Hosts
    from envdoctor.nodes.judging import By

PARALLEL = 64
MAX_PARALLEL = 512
"""Each takes two descriptors here, and a process."""
DEADLINE_S = 30.0
LEAST_DEADLINE_S, MOST_DEADLINE_S = 1.0, 3600.0


class Asked(NamedTuple):
    """What the command line asks."""

    hosts: Hosts
    words: tuple[str, ...]
    """Of the prefix, from :func:`envdoctor.nodes.via.words_of`."""
    python: str
    """From :func:`envdoctor.nodes.via.program`."""
    parallel: int = PARALLEL
    deadline_s: float = DEADLINE_S
    """Of each node, from the start of its command."""


def look(asked: Asked, by: By, on_answer: Callable[[running.Answer], None], started: float) -> Outcome:
    """Look at every node once.

    Args:
        asked: which, and how.
        by: what they are judged by.
        on_answer: called for every answer as it comes.
        started: time.monotonic() when the command began.

    Raises:
        UserError: the prefix's program cannot be started, or data cannot be read.
    """
    began = dt.datetime.now(tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    # the probe must end by itself before its command is ended, with time left for a slow connection
    probe_s = max(asked.deadline_s / 2, asked.deadline_s - 10)
    once = secrets.token_hex(8)
    errand = running.Errand(
        command=lambda node: via.command(asked.words, node, asked.python, asked.deadline_s),
        python=asked.python,
        program=payload.program(once, {"deadline_s": f"{probe_s:g}"}),
        mark=payload.mark(once),
        parallel=asked.parallel,
        deadline_s=asked.deadline_s,
    )
    gathered = Gathered(asked.python)
    with contextlib.closing(running.ask(asked.hosts.names, errand)) as answers:
        for answer in answers:
            gathered.add(answer)
            on_answer(answer)
    judged = judge(gathered, asked.hosts.names, by)
    return Outcome(
        target=asked.python,
        program=os.path.basename(asked.words[0]),
        began=began,
        seconds=time.monotonic() - started,
        parallel=asked.parallel,
        deadline_s=asked.deadline_s,
        notes=asked.hosts.notes,
        **judged._asdict(),
    )
