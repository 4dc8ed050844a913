"""A run from the doctor's side: the worker is a real one where no torch is needed, else what a real one told is told again."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from envdoctor.matrix import Matrix
from envdoctor.proving import running
from envdoctor.proving.asked import Wishes, ask
from envdoctor.proving.running import MAX_SAID, MAX_TRACE, prove
from envdoctor.workers import Ended
from tests.factory import healthy
from tests.proving import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.proving.asked import Asked
    from envdoctor.proving.proof import Proof
    from envdoctor.workers import Wanted

FACTS = healthy()
DOCUMENT = json.loads((recorded.FOLDER / "bare-cpu.json").read_bytes())


def asked(interpreter: str = "/venv/bin/python") -> Asked:
    return ask(Wishes(engine="bare", device="cpu"), FACTS, interpreter)


def told(monkeypatch: pytest.MonkeyPatch, *events: dict[str, Any], **end: Any) -> tuple[Proof, list[dict[str, Any]]]:
    """The proof of a worker that tells these events and ends so."""
    heard: list[dict[str, Any]] = []
    ended = {"status": 0, "signal": None, "late": False, "phase": "train", "said": "", "seconds": 3.0} | end

    def run(_: Wanted, on_event: Callable[[dict[str, Any]], None]) -> Ended:
        for event in events:
            on_event(event)
        return Ended(**ended)

    monkeypatch.setattr(running, "run", run)
    return prove(asked(), FACTS, Matrix(), heard.append), heard


def test_a_python_without_torch_is_diagnosed_and_no_stack_trace_is_left_over() -> None:
    """For real: this Python has no torch, though the facts say that the target has."""
    heard: list[dict[str, Any]] = []
    proof = prove(asked(sys.executable), FACTS, Matrix(), heard.append)
    assert not proof.passed
    assert proof.failure is not None
    assert proof.failure.phase == "import torch"
    assert proof.failure.how == "ModuleNotFoundError: No module named 'torch'"
    assert proof.failure.trace[-1].endswith(" run")
    assert proof.cause is not None
    assert "torch" in proof.cause.title
    assert [one["name"] for one in heard if one["event"] == "phase"] == ["import torch"]


def test_a_document_is_judged_and_every_event_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[dict[str, Any]] = [
        {"event": "phase", "name": "train"},
        {"event": "step", "step": 1},
        {"event": "done", "measured": DOCUMENT},
    ]
    proof, heard = told(monkeypatch, *events)
    assert proof.passed
    assert heard == events
    assert proof.notes == (asked().chosen,)
    assert proof.seconds == 3.0


def test_a_document_that_breaks_an_invariant_has_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads((recorded.FOLDER / "engine-stale.json").read_bytes())
    proof, _ = told(monkeypatch, {"event": "done", "measured": document})
    assert not proof.passed
    assert proof.failure is None
    assert proof.cause is not None


@pytest.mark.parametrize("document", [None, {}, {"schema_version": 99}, [1], DOCUMENT | {"steps": "many"}])
def test_a_document_that_is_none_is_a_failure_and_no_crash(monkeypatch: pytest.MonkeyPatch, document: object) -> None:
    proof, _ = told(monkeypatch, {"event": "done", "measured": document})
    assert not proof.passed
    assert proof.failure is not None
    assert "told something else than its document" in proof.failure.how


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ({"status": None, "signal": "SIGILL"}, "killed by SIGILL"),
        ({"status": None, "late": True}, "no answer in 180 s"),
        ({"status": 3}, "exit status 3 without a word"),
        ({"status": None}, "it was ended"),
    ],
)
def test_a_worker_that_says_nothing_is_told_by_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, end: dict[str, Any], how: str
) -> None:
    proof, _ = told(monkeypatch, **end)
    assert proof.failure is not None
    assert proof.failure.how == how
    assert proof.failure.phase == "train"
    assert proof.cause is not None


def test_the_cause_is_found_in_all_that_was_said_and_the_end_of_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    root = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.19 GiB of which "
        "1.06 GiB is free.\n"
    )
    said = root + "INFO nothing of interest\n" * 4000
    assert len(said) > 2 * MAX_SAID
    proof, _ = told(monkeypatch, said=said, status=1)
    assert proof.failure is not None
    assert len(proof.failure.said) == MAX_SAID
    assert proof.cause is not None
    assert proof.cause.title == "GPU 0 is too small for this run: 962.6 MiB too few"


def test_of_a_long_trace_the_last_frames_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = [f"a.py:{number} f" for number in range(50)]
    failed = {"event": "failed", "phase": "train", "type": "ValueError", "message": "ValueError: no", "trace": trace}
    proof, _ = told(monkeypatch, failed, status=1)
    assert proof.failure is not None
    assert proof.failure.trace == tuple(trace[-MAX_TRACE:])


def test_a_secret_in_the_error_is_not_shown_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hf_" + "a" * 34
    failed = {
        "event": "failed",
        "phase": "train",
        "type": "OSError",
        "message": f"OSError: token={secret}",
        "trace": [f"x {secret}"],
    }
    proof, _ = told(monkeypatch, failed, status=1, said="")
    assert secret.encode() not in msgspec.json.encode(proof)


def test_commands_of_a_remedy_name_the_target_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "run", lambda *_: Ended(1, None, False, "train", "", 0.1))  # noqa: FBT003
    proof = prove(asked(), FACTS, Matrix(), lambda _: None, "~/venvs/grpo")
    assert proof.cause is not None
    assert ("envdoctor", "check", "~/venvs/grpo", "--deep") in proof.cause.commands


@pytest.mark.parametrize("bad", [{"trace": 7}, {"trace": [7, None]}, {"message": None}, {"type": ["x"]}, {"phase": {}}])
def test_a_failure_of_a_wrong_shape_is_taken_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any]) -> None:
    proof, _ = told(
        monkeypatch, {"event": "failed", "phase": "train", "type": "E", "message": "E: m", "trace": []} | bad, status=1
    )
    assert proof.failure is not None
    assert not proof.passed
