"""Run a smoke: start the worker, listen to it, judge what it measured or diagnose how it failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from envdoctor.measured import decode
from envdoctor.proving.diagnosing import diagnose, of_broken
from envdoctor.proving.proof import Cause, Failure, Proof
from envdoctor.proving.verdict import judge, proven
from envdoctor.workers import Wanted, masked, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.facts import Facts
    from envdoctor.matrix import Matrix
    from envdoctor.proving.asked import Asked
    from envdoctor.workers import Ended

    Listener = Callable[[dict[str, Any]], None]

MAX_SAID = 20_000
"""Characters of a failed worker's output that go into the proof, from its end."""
MAX_TRACE = 20
OF_A_TARGET = frozenset({"smoke", "check", "facts", "fix"})
"""Commands of ours that take one."""


def prove(asked: Asked, facts: Facts, matrix: Matrix, listener: Listener, target: str | None = None) -> Proof:
    """One run and what it came to.

    Args:
        asked: what to run.
        facts: of the target, for the diagnosis of a failure.
        matrix: the compatibility data, for the same.
        listener: told every event as it comes, for the progress.
        target: as it was named on the command line, for the commands of a remedy.

    Raises:
        UserError: the target's Python cannot be started.
    """
    last: dict[str, dict[str, Any]] = {}

    def hear(event: dict[str, Any]) -> None:
        if event["event"] in {"done", "failed"}:
            last[event["event"]] = event
        listener(event)

    words = (json.dumps(asked.settings),)
    wanted = Wanted(asked.interpreter, "smoke", words, asked.deadline_s, environ=asked.environ, ranks=asked.ranks)
    ended = run(wanted, hear)
    engine = str(asked.settings["engine"])
    if "done" in last:
        try:
            measured = decode(msgspec.json.encode(last["done"].get("measured")))
        except ValueError as error:
            failure = failed(ended, f"it told something else than its document: {error}")
        else:
            invariants = judge(measured)
            passed = proven(invariants)
            cause = None if passed else at_target(of_broken(invariants, measured), target)
            return Proof(
                engine=engine,
                passed=passed,
                measured=measured,
                invariants=invariants,
                failure=None,
                cause=cause,
                notes=(asked.chosen,),
                seconds=ended.seconds,
            )
    else:
        failure = told(last["failed"], ended) if "failed" in last else failed(ended, how(ended, asked.deadline_s))
    cause = at_target(diagnose(failure, facts, matrix), target)
    failure = msgspec.structs.replace(failure, said=failure.said[-MAX_SAID:])
    return Proof(
        engine=engine,
        passed=False,
        measured=None,
        invariants=(),
        failure=failure,
        cause=cause,
        notes=(asked.chosen,),
        seconds=ended.seconds,
    )


def at_target(cause: Cause | None, target: str | None) -> Cause | None:
    """The cause with commands that name the target that was named: without it they would be about another environment."""
    if cause is None or target is None:
        return cause
    commands = tuple(
        (*one[:2], target, *one[2:]) if one[:1] == ("envdoctor",) and one[1:2] and one[1] in OF_A_TARGET else one
        for one in cause.commands
    )
    return msgspec.structs.replace(cause, commands=commands)


def told(event: dict[str, Any], ended: Ended) -> Failure:
    """A failure as the worker itself told it."""
    trace = event.get("trace")
    told_frames = trace[-MAX_TRACE:] if isinstance(trace, list) else []
    # its words are the target's: what nobody should read is looked for before anything is cut in two
    message, *frames = masked([str(one) for one in (event.get("message", ""), *told_frames)])
    kind, message = str(event.get("type", ""))[:200], message[:8000]
    # the message tells causes first; its last line is the exception that ended the run
    words = message.splitlines()
    return Failure(
        phase=str(event.get("phase", ended.phase))[:200],
        how=words[-1][:600] if words else kind,
        kind=kind or None,
        message=message,
        trace=tuple(one[:300] for one in frames),
        said=ended.said,
        seconds=ended.seconds,
        late=ended.late,
    )


def failed(ended: Ended, words: str) -> Failure:
    """A failure of which the worker told nothing: it hung or died."""
    return Failure(
        phase=ended.phase,
        how=words,
        kind=None,
        message="",
        trace=(),
        said=ended.said,
        seconds=ended.seconds,
        late=ended.late,
    )


def how(ended: Ended, deadline_s: float) -> str:
    """How a worker ended that told neither a document nor a reason."""
    if ended.late:
        return f"no answer in {deadline_s:.0f} s"
    if ended.signal is not None:
        return f"killed by {ended.signal}"
    return f"exit status {ended.status} without a word" if ended.status is not None else "it was ended"
